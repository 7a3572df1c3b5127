#include "formats/gguf_writer.h"

#include <utility>

#include "base/check.h"
#include "formats/gguf.h"

namespace autoglm {
namespace {

constexpr size_t kAlignment = 32;  // the specification's default

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out.append(text);
}

uint32_t number(GgufType type) { return static_cast<uint32_t>(type); }

uint32_t ggml_type(DType dtype) {
  switch (dtype) {
    case DType::kF32: return 0;
    case DType::kF16: return 1;
    case DType::kQ4_0: return 2;
    case DType::kQ4_1: return 3;
    case DType::kQ5_0: return 6;
    case DType::kQ5_1: return 7;
    case DType::kQ8_0: return 8;
    case DType::kQ2_K: return 10;
    case DType::kQ3_K: return 11;
    case DType::kQ4_K: return 12;
    case DType::kQ5_K: return 13;
    case DType::kQ6_K: return 14;
    case DType::kIQ4_NL: return 20;
    case DType::kIQ4_XS: return 23;
    case DType::kI8: return 24;
    case DType::kI16: return 25;
    case DType::kI32: return 26;
    case DType::kI64: return 27;
    case DType::kF64: return 28;
    case DType::kBF16: return 30;
    case DType::kU8:
    case DType::kF8E4M3:
    case DType::kF8E5M2:
    case DType::kCodes8:
    case DType::kCodes5:
    case DType::kCodes4:
    case DType::kCodes3:
    case DType::kCodes2:
    case DType::kBool: break;
  }
  AGLM_CHECK(false, "GGUF has no tensors of {}", dtype_info(dtype).name);
}

}  // namespace

void GgufMetadata::key(std::string_view key, uint32_t type) {
  put_text(bytes_, key);
  put<uint32_t>(bytes_, type);
  ++count_;
}

void GgufMetadata::add_uint32(std::string_view name, uint32_t value) {
  key(name, number(GgufType::kUint32));
  put(bytes_, value);
}

void GgufMetadata::add_float32(std::string_view name, float value) {
  key(name, number(GgufType::kFloat32));
  put(bytes_, value);
}

void GgufMetadata::add_bool(std::string_view name, bool value) {
  key(name, number(GgufType::kBool));
  put<uint8_t>(bytes_, value ? 1 : 0);
}

void GgufMetadata::add_string(std::string_view name, std::string_view value) {
  key(name, number(GgufType::kString));
  put_text(bytes_, value);
}

void GgufMetadata::add_strings(std::string_view name, std::span<const std::string> values) {
  key(name, number(GgufType::kArray));
  put(bytes_, number(GgufType::kString));
  put<uint64_t>(bytes_, values.size());
  for (const std::string& value : values) put_text(bytes_, value);
}

void GgufMetadata::add_floats(std::string_view name, std::span<const float> values) {
  key(name, number(GgufType::kArray));
  put(bytes_, number(GgufType::kFloat32));
  put<uint64_t>(bytes_, values.size());
  for (const float value : values) put(bytes_, value);
}

void GgufMetadata::add_integers(std::string_view name, std::span<const int32_t> values) {
  key(name, number(GgufType::kArray));
  put(bytes_, number(GgufType::kInt32));
  put<uint64_t>(bytes_, values.size());
  for (const int32_t value : values) put(bytes_, value);
}

std::string gguf_header(const GgufMetadata& metadata, std::span<const TensorPlan> plans) {
  std::string out = "GGUF";
  put<uint32_t>(out, 3);
  put<uint64_t>(out, plans.size());
  put<uint64_t>(out, metadata.count());
  out += metadata.bytes();
  uint64_t offset = 0;
  for (const TensorPlan& plan : plans) {
    put_text(out, plan.name);
    put(out, static_cast<uint32_t>(plan.shape.size()));
    for (auto size = plan.shape.rbegin(); size != plan.shape.rend(); ++size) {
      put(out, static_cast<uint64_t>(*size));
    }
    put(out, ggml_type(plan.dtype));
    put(out, offset);
    offset += (plan.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  }
  out.append((kAlignment - out.size() % kAlignment) % kAlignment, '\0');
  return out;
}

Result<TensorFile> create_gguf(const std::string& path, const GgufMetadata& metadata,
                               std::vector<TensorPlan> plans) {
  const std::string header = gguf_header(metadata, plans);
  return TensorFile::create(path, header, std::move(plans), kAlignment);
}

}  // namespace autoglm
