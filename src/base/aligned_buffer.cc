#include "base/aligned_buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdint>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = 4096;

// Anonymous mappings come zeroed, page-aligned, and cost memory only where they are touched. A
// block that could hold huge pages begins on one: the surplus before and after is given back.
void* map_zeroed(size_t size_bytes) {
  const auto map = [](size_t bytes) {
    return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  if (size_bytes < kHugePage || size_bytes > SIZE_MAX - 2 * kHugePage) return map(size_bytes);
  const size_t used = (size_bytes + kPage - 1) / kPage * kPage;
  void* all = map(used + kHugePage);
  if (all == MAP_FAILED) return map(size_bytes);
  auto* begin = static_cast<std::byte*>(all);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(all) % kHugePage) % kHugePage;
  if (before > 0) ::munmap(begin, before);
  if (before < kHugePage) ::munmap(begin + before + used, kHugePage - before);
  ::madvise(begin + before, used, MADV_HUGEPAGE);  // advice only
  return begin + before;
}

}  // namespace

Result<AlignedBuffer> AlignedBuffer::allocate(size_t size_bytes) {
  AlignedBuffer buffer;
  if (size_bytes == 0) return buffer;
  void* data = map_zeroed(size_bytes);
  if (data == MAP_FAILED) {
    return Error{ErrorCode::kResourceExhausted, "not enough memory", "",
                 fmt::format("{} bytes", size_bytes), "refused by the system"};
  }
  buffer.data_ = {static_cast<std::byte*>(data), Unmap{size_bytes}};
  buffer.size_ = size_bytes;
  return buffer;
}

AlignedBuffer AlignedBuffer::view_of(std::span<const std::byte> bytes) {
  AGLM_CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % kAlignment == 0,
             "a view of {} bytes at {}, not aligned to {}", bytes.size(),
             static_cast<const void*>(bytes.data()), kAlignment);
  AlignedBuffer buffer;
  buffer.data_ = {const_cast<std::byte*>(bytes.data()), Unmap{0}};
  buffer.size_ = bytes.size();
  return buffer;
}

void AlignedBuffer::Unmap::operator()(std::byte* data) const {
  if (size_bytes > 0) ::munmap(data, size_bytes);
}

}  // namespace autoglm
