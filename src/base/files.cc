#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace autoglm {
namespace {

Error system_error(std::string_view what, const std::string& path) {
  const int code = errno;
  return Error{code == ENOENT                     ? ErrorCode::kNotFound
               : code == ENOSPC || code == ENOMEM ? ErrorCode::kResourceExhausted
                                                  : ErrorCode::kIo,
               std::string(what), path, "", std::strerror(code)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// A pipe without a writer would block open(), before its kind can be seen; regular files do not
// mind O_NONBLOCK.
int open_to_read(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

// Size of a regular file, or an error.
Result<size_t> regular_size(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return system_error("cannot read the file's size", path);
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, "not a regular file", path, "a regular file",
                 S_ISDIR(info.st_mode) ? "a directory" : "a special file"};
  }
  return static_cast<size_t>(info.st_size);
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("cannot write", path);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

// An open file.
Result<void> make_private(int file, const std::string& path) {
  AGLM_TRY(regular_size(file, path));
  struct stat info {};
  if (::fstat(file, &info) != 0) return system_error("cannot read the file's owner", path);
  if (info.st_uid != ::geteuid()) {
    return Error{ErrorCode::kInvalidArgument, "a private file belongs to another user", path,
                 fmt::format("user {}", ::geteuid()), fmt::format("user {}", info.st_uid)};
  }
  if ((info.st_mode & 07777) != 0600 && ::fchmod(file, 0600) != 0) {
    return system_error("cannot close the file to other users", path);
  }
  return {};
}

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// What `git clone` without git-lfs leaves for each large file: a few lines that name it.
Result<void> refuse_lfs_pointer(std::string_view content, const std::string& path) {
  constexpr size_t kMaxPointerBytes = 1024;
  if (content.size() > kMaxPointerBytes ||
      !content.starts_with("version https://git-lfs.github.com/spec/")) {
    return {};
  }
  return Error{ErrorCode::kCorrupt, "file is a git-lfs pointer: its content was not downloaded",
               path, "the content (`git lfs pull` in its folder fetches it)",
               fmt::format("{} bytes that name it", content.size())};
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  const Descriptor fd(open_to_read(path));
  if (fd.get() < 0) return system_error("cannot open", path);
  const size_t size = AGLM_TRY(regular_size(fd.get(), path));
  if (size > max_bytes) {
    return Error{ErrorCode::kTooLarge, "file is too large", path,
                 fmt::format("at most {} bytes", max_bytes), fmt::format("{} bytes", size)};
  }
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd.get(), text.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("cannot read", path);
    if (n == 0) break;  // shrunk since fstat
    done += static_cast<size_t>(n);
  }
  text.resize(done);
  AGLM_TRY(refuse_lfs_pointer(text, path));
  return text;
}

Result<std::string> read_text_file(const std::string& path, size_t max_bytes) {
  return with_plain_line_ends(AGLM_TRY(read_file(path, max_bytes)));
}

std::string with_plain_line_ends(std::string text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (text.starts_with(kMark)) text.erase(0, kMark.size());
  size_t end = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool ends_line = text[i] == '\r';
    if (ends_line && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    text[end++] = ends_line ? '\n' : text[i];
  }
  text.resize(end);
  return text;
}

Result<void> write_file(const std::string& path, std::span<const std::byte> bytes) {
  const std::string partial = fmt::format("{}.{}.partial", path, ::getpid());
  {
    const Descriptor fd(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (fd.get() < 0) return system_error("cannot create", partial);
    Result<void> written = write_all(fd.get(), bytes, partial);
    if (written && ::fsync(fd.get()) != 0) written = system_error("cannot write to disk", partial);
    if (!written) {
      ::unlink(partial.c_str());
      return written;
    }
  }
  if (::rename(partial.c_str(), path.c_str()) != 0) {
    Error error = system_error("cannot rename into place", path);
    ::unlink(partial.c_str());
    return error;
  }
  return {};
}

Result<int> open_private_file(const std::string& path) {
  const int file =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (file < 0 && errno == ELOOP) {
    return Error{ErrorCode::kInvalidArgument, "somebody's link is not followed to a private file",
                 path, "a regular file, or none", "a symbolic link"};
  }
  if (file < 0) return system_error("cannot open", path);
  const Result<void> is_private = make_private(file, path);
  if (is_private) return file;
  ::close(file);
  return is_private.error();
}

Result<FileStamp> file_stamp(int file, const std::string& path) {
  struct stat info {};
  struct statfs system {};
  timespec now{};
  if (::fstat(file, &info) != 0 || ::fstatfs(file, &system) != 0 ||
      ::clock_gettime(CLOCK_REALTIME, &now) != 0) {
    return system_error("cannot read the file's size and times", path);
  }
  FileStamp stamp{.size_bytes = info.st_size,
                  .inode = static_cast<int64_t>(info.st_ino),
                  .modified_ns = nanoseconds(info.st_mtim),
                  .changed_ns = nanoseconds(info.st_ctim)};
  stamp.reliable = stamp_is_reliable(system.f_type, stamp.changed_ns, nanoseconds(now));
  return stamp;
}

bool stamp_is_reliable(int64_t file_system, int64_t changed_ns, int64_t now_ns) {
  constexpr int64_t kZfs = 0x2FC12FC1, kBcachefs = 0xCA451A4E;  // not in linux/magic.h
  constexpr std::array<int64_t, 7> kKeepTimes = {
      EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, kZfs,
      kBcachefs};
  // Times tick: two changes within one tick of the kernel (10 ms at most) have one time.
  constexpr int64_t kAtRest = 1'000'000'000;
  // Whole seconds were set by whoever made an image, not by a kernel that wrote a file.
  return std::find(kKeepTimes.begin(), kKeepTimes.end(), file_system) != kKeepTimes.end() &&
         changed_ns % 1'000'000'000 != 0 && changed_ns < now_ns - kAtRest;
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  const Descriptor fd(open_to_read(path));
  if (fd.get() < 0) return system_error("cannot open", path);
  const size_t size = AGLM_TRY(regular_size(fd.get(), path));
  if (size == 0) return Error{ErrorCode::kCorrupt, "file is empty", path, "", "0 bytes"};
  const FileStamp stamp = AGLM_TRY(file_stamp(fd.get(), path));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return system_error("cannot map", path);
  MappedFile file(path, stamp, {static_cast<const std::byte*>(data), size});
  AGLM_TRY(refuse_lfs_pointer({static_cast<const char*>(data), size}, path));
  return file;
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::drop_pages(std::span<const std::byte> part) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const size_t skipped = (page - reinterpret_cast<uintptr_t>(part.data()) % page) % page;
  if (part.size() < skipped + page) return;
  // Advice only: a refusal costs memory, never correctness.
  ::madvise(const_cast<std::byte*>(part.data()) + skipped, (part.size() - skipped) / page * page,
            MADV_DONTNEED);
}

}  // namespace autoglm
