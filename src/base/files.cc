#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

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

}  // namespace

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  const Descriptor fd(open_to_read(path));
  if (fd.get() < 0) return system_error("cannot open", path);
  const size_t size = AGLM_TRY(regular_size(fd.get(), path));
  if (size > max_bytes) {
    return Error{ErrorCode::kResourceExhausted, "file is too large", path,
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

Result<MappedFile> MappedFile::open(const std::string& path) {
  const Descriptor fd(open_to_read(path));
  if (fd.get() < 0) return system_error("cannot open", path);
  const size_t size = AGLM_TRY(regular_size(fd.get(), path));
  if (size == 0) return Error{ErrorCode::kCorrupt, "file is empty", path, "", "0 bytes"};
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return system_error("cannot map", path);
  return MappedFile(path, {static_cast<const std::byte*>(data), size});
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
