#include "formats/tensor_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace autoglm {

size_t TensorPlan::bytes() const {
  int64_t elements = 1;
  for (const int64_t dimension : shape) elements *= dimension;
  const DTypeInfo info = dtype_info(dtype);
  return static_cast<size_t>(elements / info.block_elements * info.block_bytes);
}

TensorFile::TensorFile(std::string path, std::unique_ptr<std::FILE, Close> file,
                       std::vector<TensorPlan> plans, size_t alignment)
    : path_(std::move(path)),
      file_(std::move(file)),
      plans_(std::move(plans)),
      alignment_(alignment) {}

TensorFile::~TensorFile() {
  if (file_ == nullptr) return;  // finished, or moved away
  file_.reset();
  ::unlink(partial().c_str());
}

std::string TensorFile::partial() const { return fmt::format("{}.{}.partial", path_, ::getpid()); }

Error TensorFile::failure(std::string_view what) const {
  const int code = errno;
  return Error{code == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kIo, std::string(what),
               path_, "", std::strerror(code)};
}

Result<TensorFile> TensorFile::create(const std::string& path, std::string_view header,
                                      std::vector<TensorPlan> plans, size_t alignment) {
  size_t total = header.size();
  for (const TensorPlan& plan : plans) {
    total += (plan.bytes() + alignment - 1) / alignment * alignment;
  }
  TensorFile result(path, nullptr, std::move(plans), alignment);
  result.file_.reset(std::fopen(result.partial().c_str(), "wbe"));
  if (result.file_ == nullptr) return result.failure("cannot create");
  // Some file systems cannot reserve, which is no error.
  const int refusal = ::posix_fallocate(::fileno(result.file_.get()), 0, static_cast<off_t>(total));
  if (refusal == ENOSPC) {
    return Error{ErrorCode::kResourceExhausted, "disk has no room for the file", path,
                 fmt::format("{} bytes", total), std::strerror(refusal)};
  }
  AGLM_TRY(result.write(std::as_bytes(std::span(header))));
  return result;
}

Result<void> TensorFile::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    return failure("cannot write");
  }
  return {};
}

Result<void> TensorFile::pad() {
  static constexpr std::array<std::byte, 64> kZeros{};
  size_t missing = (alignment_ - position_bytes_ % alignment_) % alignment_;
  position_bytes_ += missing;
  while (missing > 0) {
    const size_t part = std::min(missing, kZeros.size());
    AGLM_TRY(write(std::span(kZeros).first(part)));
    missing -= part;
  }
  return {};
}

Result<void> TensorFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    AGLM_CHECK(current_ < plans_.size(), "{} bytes after the last tensor", bytes.size());
    const size_t room = plans_[current_].bytes() - current_bytes_;
    const size_t part = std::min(room, bytes.size());
    AGLM_TRY(write(bytes.first(part)));
    bytes = bytes.subspan(part);
    position_bytes_ += part;
    current_bytes_ += part;
    if (part == room) {
      ++current_;
      current_bytes_ = 0;
      AGLM_TRY(pad());
    }
  }
  return {};
}

Result<void> TensorFile::finish() {
  while (current_ < plans_.size() && plans_[current_].bytes() == 0) ++current_;
  AGLM_CHECK(current_ == plans_.size(), "{} is incomplete", plans_[current_].name);
  const long end = std::ftell(file_.get());
  // Cuts what was reserved and not used: nothing, unless our sum above was wrong.
  if (std::fflush(file_.get()) != 0 || ::ftruncate(::fileno(file_.get()), end) != 0 ||
      ::fsync(::fileno(file_.get())) != 0) {
    return failure("cannot write to disk");
  }
  if (std::rename(partial().c_str(), path_.c_str()) != 0) {
    return failure("cannot rename into place");
  }
  file_.reset();
  return {};
}

}  // namespace autoglm
