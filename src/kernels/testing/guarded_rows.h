// Memory for tests of kernels whose surroundings are poisoned. What comes before, between and
// behind the rows holds a not-a-number that spoils any result that it enters, and is looked at
// afterwards; behind the last row lies a page that may not be touched at all: to read there ends
// the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "base/check.h"

namespace autoglm {

// Bytes that end where memory may not be touched, up to 63 of them unused for the alignment's sake.
class GuardedBytes {
 public:
  static constexpr auto kPoison = std::byte{0xff};  // not-a-number in f32, f16 and bf16

  explicit GuardedBytes(int64_t n, int64_t alignment = 1) : size_(n) {
    const auto page = static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
    const int64_t room = (n + kBefore + alignment + page - 1) / page * page;
    mapped_ = static_cast<size_t>(room + page);
    void* memory =
        ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    AGLM_CHECK(memory != MAP_FAILED, "no memory of {} bytes", mapped_);
    memory_ = static_cast<std::byte*>(memory);
    std::memset(memory_, static_cast<int>(kPoison), static_cast<size_t>(room));
    AGLM_CHECK(::mprotect(memory_ + room, static_cast<size_t>(page), PROT_NONE) == 0, "no guard");
    end_ = memory_ + room;
    data_ = memory_ + (room - n) / alignment * alignment;
  }
  ~GuardedBytes() {
    if (memory_ != nullptr) ::munmap(memory_, mapped_);
  }
  GuardedBytes(GuardedBytes&& other) noexcept
      : size_(other.size_),
        mapped_(other.mapped_),
        memory_(std::exchange(other.memory_, nullptr)),
        data_(other.data_),
        end_(other.end_) {}
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  std::byte* data() const { return data_; }
  std::span<std::byte> span() const { return {data_, static_cast<size_t>(size_)}; }

  void expect_untouched_outside(const std::string& what) const {
    const auto poisoned = [](std::byte b) { return b == kPoison; };
    EXPECT_TRUE(std::all_of(data_ - kBefore, data_, poisoned)) << what << ": before the first";
    EXPECT_TRUE(std::all_of(data_ + size_, end_, poisoned)) << what << ": behind the last";
  }

 private:
  static constexpr int64_t kBefore = 256;

  int64_t size_ = 0;
  size_t mapped_ = 0;
  std::byte* memory_ = nullptr;
  std::byte* data_ = nullptr;
  std::byte* end_ = nullptr;
};

// [rows, columns] floats, rows `stride` apart; the last one ends after its last column.
class GuardedRows {
 public:
  GuardedRows(int64_t rows, int64_t columns, int64_t stride)
      : rows_(rows),
        columns_(columns),
        stride_(stride),
        bytes_(((rows - 1) * stride + columns) * int64_t{sizeof(float)}) {}

  float* data() const { return reinterpret_cast<float*>(bytes_.data()); }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t stride() const { return stride_; }
  std::span<float> row(int64_t i) const {
    return {data() + i * stride_, static_cast<size_t>(columns_)};
  }
  void copy_from(const GuardedRows& other) const {
    for (int64_t i = 0; i < rows_; ++i) std::ranges::copy(other.row(i), row(i).begin());
  }

  void expect_untouched_outside(const std::string& what) const {
    bytes_.expect_untouched_outside(what);
    for (int64_t i = 0; i + 1 < rows_; ++i) {
      for (int64_t c = columns_; c < stride_; ++c) {
        ASSERT_EQ(std::bit_cast<uint32_t>(data()[i * stride_ + c]), ~0U)
            << what << ": written behind row " << i << ", at column " << c << " of " << columns_;
      }
    }
  }
  // The same bits in every row, and nothing outside.
  void expect_same(const GuardedRows& expected, const std::string& what) const {
    for (int64_t i = 0; i < rows_; ++i) {
      for (int64_t c = 0; c < columns_; ++c) {
        const float a = row(i)[static_cast<size_t>(c)];
        const float b = expected.row(i)[static_cast<size_t>(c)];
        ASSERT_EQ(std::bit_cast<uint32_t>(a), std::bit_cast<uint32_t>(b))
            << what << ": row " << i << ", column " << c << ": found " << a << ", expected " << b;
      }
    }
    expect_untouched_outside(what);
  }

 private:
  int64_t rows_;
  int64_t columns_;
  int64_t stride_;
  GuardedBytes bytes_;
};

}  // namespace autoglm
