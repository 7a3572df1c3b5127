// Files: whole small ones as strings, large ones mapped read-only. Errors name the path and the
// reason.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "autoglm/result.h"

namespace autoglm {

// Refuses directories, devices and files over `max_bytes`.
Result<std::string> read_file(const std::string& path, size_t max_bytes);

// Writes to a neighbour file and renames it, so that a reader sees the old or the new, never a
// part.
Result<void> write_file(const std::string& path, std::span<const std::byte> bytes);

// A read-only private mapping of a regular file. Empty files are an error: nothing we map may be
// empty. The bytes stay valid while the object lives; a file truncated meanwhile by someone else
// raises SIGBUS, as with every mapping.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }
  // Tells the kernel that these bytes, which lie in a mapping, will not be needed again (after
  // repacking). They stay readable: another read brings them back from the file.
  static void drop_pages(std::span<const std::byte> part);

 private:
  MappedFile(std::string path, std::span<const std::byte> bytes)
      : path_(std::move(path)), bytes_(bytes) {}
  std::string path_;
  std::span<const std::byte> bytes_;
};

}  // namespace autoglm
