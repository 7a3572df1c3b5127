// A fixed block of memory aligned to a cache line: its own, zeroed, on huge pages where the kernel
// grants them; or a view of someone else's, which is only read.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "autoglm/result.h"

namespace autoglm {

class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

  AlignedBuffer() = default;
  // Reserves `size_bytes`; an error says how much was asked when the system has no such memory.
  static Result<AlignedBuffer> allocate(size_t size_bytes);
  // Bytes that belong to someone else (a mapped file), must outlive the buffer and be aligned as
  // its own would be; they are never written.
  static AlignedBuffer view_of(std::span<const std::byte> bytes);

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_.get());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_.get());
  }

 private:
  struct Unmap {
    size_t size_bytes;  // 0: a view
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Unmap> data_{nullptr, Unmap{0}};
  size_t size_ = 0;
};

}  // namespace autoglm
