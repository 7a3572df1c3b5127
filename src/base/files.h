// Files: whole small ones as strings, large ones mapped read-only. Errors name the path and the
// reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "autoglm/result.h"

namespace autoglm {

// Refuses directories, devices, files over `max_bytes`, and pointers that git-lfs left in the place
// of a file.
Result<std::string> read_file(const std::string& path, size_t max_bytes);

// The same for what people write and editors save: without a byte order mark, and with LF for the
// line ends of other systems, as Python reads text.
Result<std::string> read_text_file(const std::string& path, size_t max_bytes);
// The same for a text that is there already.
std::string with_plain_line_ends(std::string text);

// Writes to a neighbour file and renames it, so that a reader sees the old or the new, never a
// part.
Result<void> write_file(const std::string& path, std::span<const std::byte> bytes);

// Opens a file that nobody else may read, to read and write; creates an empty one where there is
// none. One that was left readable to others is closed to them first. Refused: a symbolic link, a
// file of another user, what is no regular file. The caller closes it.
Result<int> open_private_file(const std::string& path);

// What the system tells of a file's content without anybody reading it.
struct FileStamp {
  int64_t size_bytes = 0;
  int64_t inode = 0;
  int64_t modified_ns = 0;  // anybody may set it
  int64_t changed_ns = 0;   // of content, name or rights; only the system sets it
  // Whether who finds the same stamp again may take the bytes for the same: the file lies where the
  // system keeps times of change, and was at rest. Images (squashfs, erofs, ISO), container layers,
  // and network file systems promise no such thing.
  bool reliable = false;

  bool same_bytes_as(const FileStamp& other) const { return reliable && *this == other; }
  bool operator==(const FileStamp&) const = default;
};
// Of an open file, now.
Result<FileStamp> file_stamp(int file, const std::string& path);
// The rule for FileStamp::reliable; `file_system` as statfs() names it.
bool stamp_is_reliable(int64_t file_system, int64_t changed_ns, int64_t now_ns);

// A read-only private mapping of a regular file. Empty files are an error: nothing we map may be
// empty; so are pointers of git-lfs. The bytes stay valid while the object lives; a file truncated
// meanwhile by someone else raises SIGBUS, as with every mapping.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)),
        stamp_(other.stamp_),
        bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(stamp_, other.stamp_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }
  const FileStamp& stamp() const { return stamp_; }  // when it was opened
  // Tells the kernel that these bytes, which lie in a mapping, will not be needed again (after
  // repacking). They stay readable: another read brings them back from the file.
  static void drop_pages(std::span<const std::byte> part);

 private:
  MappedFile(std::string path, const FileStamp& stamp, std::span<const std::byte> bytes)
      : path_(std::move(path)), stamp_(stamp), bytes_(bytes) {}
  std::string path_;
  FileStamp stamp_;
  std::span<const std::byte> bytes_;
};

}  // namespace autoglm
