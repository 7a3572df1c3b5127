// What the two kinds of checkpoint share: opening by path, finding a tensor, decoding a row.
#include "formats/checkpoint.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "formats/gguf_checkpoint.h"
#include "formats/hugging_face.h"
#include "formats/not_a_checkpoint.h"
#include "quant/blocks.h"
#include "quant/codes.h"

namespace autoglm {

namespace fs = std::filesystem;

int64_t StoredTensor::columns() const {
  int64_t product = 1;
  for (size_t i = 1; i < shape.size(); ++i) product *= shape[i];
  return product;
}

std::span<const std::byte> StoredTensor::row(int64_t i) const {
  AGLM_DCHECK(i >= 0 && i < rows(), "row {} of {}", i, rows());
  if (quantized != nullptr) return {};
  const size_t row_bytes = bytes.size() / static_cast<size_t>(rows());
  const auto stored =
      static_cast<size_t>(row_order.empty() ? i : row_order[static_cast<size_t>(i)]);
  return bytes.subspan(stored * row_bytes, row_bytes);
}

int64_t StoredTensor::stored_bytes() const {
  auto sum = static_cast<int64_t>(bytes.size());
  if (coded) {
    for (const auto part : {coded->group_scales, coded->group_offsets, coded->channel_scales}) {
      sum += static_cast<int64_t>(part.size());
    }
  }
  if (quantized == nullptr) return sum;
  for (const auto& part : quantized->parts) sum += static_cast<int64_t>(part.size());
  return sum;
}

const StoredTensor* Checkpoint::find(std::string_view name) const {
  const auto position = index_.find(name);
  return position == index_.end() ? nullptr : &tensors()[position->second];
}

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(const std::string& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (!fs::exists(status)) {
    return Error{ErrorCode::kNotFound, "checkpoint does not exist", path,
                 "a Hugging Face directory or a .gguf file",
                 failure ? failure.message() : "nothing"};
  }
  if (fs::is_directory(status)) {
    if (fs::exists(path + "/config.json", failure)) return open_hugging_face(path);
    return explain_directory(path);
  }
  const MappedFile file = AGLM_TRY(MappedFile::open(path));
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  if (!bytes.starts_with("GGUF")) return explain_file(path);
  return open_gguf(path);
}

void drop_pages(const StoredTensor& tensor) {
  MappedFile::drop_pages(tensor.bytes);
  if (tensor.quantized == nullptr) return;
  for (const auto& part : tensor.quantized->parts) MappedFile::drop_pages(part);
}

void decode_row(const StoredTensor& tensor, int64_t i, std::span<float> out) {
  AGLM_CHECK(static_cast<int64_t>(out.size()) == tensor.columns(), "room for {}, row of {}: {}",
             out.size(), tensor.columns(), tensor.where);
  AGLM_CHECK(i >= 0 && i < tensor.rows(), "row {} of {}: {}", i, tensor.rows(), tensor.where);
  if (tensor.coded) return tensor.coded->decode_row(i, out);
  if (tensor.quantized != nullptr) return tensor.quantized->decode_row(i, out);
  AGLM_CHECK(!tensor.bytes.empty(), "{} has no bytes", tensor.where);
  decode_elements(tensor.dtype, tensor.row(i), out);
}

CodeKind code_kind(const StoredTensor& tensor) {
  if (tensor.shape.size() != 2) return CodeKind::kNone;
  return tensor.quantized != nullptr ? tensor.quantized->code_kind() : code_kind(tensor.dtype);
}

void read_codes(const StoredTensor& tensor, int64_t i, CodeRow& out) {
  AGLM_CHECK(i >= 0 && i < tensor.rows(), "row {} of {}: {}", i, tensor.rows(), tensor.where);
  if (tensor.quantized != nullptr) return tensor.quantized->read_codes(i, out);
  unpack_codes(tensor.dtype, tensor.row(i), tensor.columns(), out);
}

}  // namespace autoglm
