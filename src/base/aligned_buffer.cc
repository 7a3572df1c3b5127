#include "base/aligned_buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

namespace autoglm {

Result<AlignedBuffer> AlignedBuffer::allocate(size_t size_bytes) {
  AlignedBuffer buffer;
  if (size_bytes == 0) return buffer;
  // Anonymous mappings come zeroed, page-aligned, and cost memory only where they are touched.
  void* data =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return Error{ErrorCode::kResourceExhausted, "not enough memory", "",
                 fmt::format("{} bytes", size_bytes), "refused by the system"};
  }
  ::madvise(data, size_bytes, MADV_HUGEPAGE);  // advice only
  buffer.data_ = {static_cast<std::byte*>(data), Unmap{size_bytes}};
  buffer.size_ = size_bytes;
  return buffer;
}

void AlignedBuffer::Unmap::operator()(std::byte* data) const { ::munmap(data, size_bytes); }

}  // namespace autoglm
