// Writing a file of tensors, one after the other, without holding them all: a header first, then
// each tensor's bytes in the planned order. The formats differ in header and padding only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "tensor/dtype.h"

namespace autoglm {

struct TensorPlan {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // slowest first

  size_t bytes() const;  // precondition: a valid shape (formats/shape.h)
};

class TensorFile {
 public:
  // Reserves the whole file on disk, so that a full disk is said at once and with the number of
  // bytes it takes. Written under a neighbouring name; finish() puts it in place.
  static Result<TensorFile> create(const std::string& path, std::string_view header,
                                   std::vector<TensorPlan> plans, size_t alignment);
  TensorFile(TensorFile&&) = default;
  TensorFile& operator=(TensorFile&&) = default;
  ~TensorFile();

  // Appends to the current tensor; a tensor that is full makes way for the next. Aborts when more
  // bytes come than were planned.
  Result<void> append(std::span<const std::byte> bytes);
  // Aborts when a tensor is incomplete.
  Result<void> finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  TensorFile(std::string path, std::unique_ptr<std::FILE, Close> file,
             std::vector<TensorPlan> plans, size_t alignment);
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> pad();
  Error failure(std::string_view what) const;
  std::string partial() const;

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<TensorPlan> plans_;
  size_t alignment_;
  size_t current_ = 0;         // tensor that is being written
  size_t current_bytes_ = 0;   // of it, so far
  size_t position_bytes_ = 0;  // since the header
};

}  // namespace autoglm
