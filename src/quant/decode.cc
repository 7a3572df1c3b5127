// Block formats to floats. Layouts as in ggml-common.h (block_q4_0 and so on), described beside
// each function: d and m are f16 scale and minimum, little endian, at unaligned addresses.
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "quant/blocks.h"
#include "quant/half.h"
#include "quant/k_groups.h"

namespace autoglm {
namespace {

using Bytes = const uint8_t*;

template <class T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

float load_f16(Bytes from) { return f16_to_f32(load<uint16_t>(from)); }

// d, then 32 signed bytes.
void decode_q8_0(Bytes block, float* out) {
  const float d = load_f16(block);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

// d, then 16 bytes: element i in the low half of byte i, element i + 16 in the high half.
void decode_q4_0(Bytes block, float* out) {
  const float d = load_f16(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((block[2 + i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

// d, m, then halves as in Q4_0.
void decode_q4_1(Bytes block, float* out) {
  const float d = load_f16(block);
  const float m = load_f16(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(block[4 + i] & 15) + m;
    out[i + 16] = d * static_cast<float>(block[4 + i] >> 4) + m;
  }
}

// d, 32 fifth bits (bit i belongs to element i), then halves as in Q4_0.
void decode_q5_0(Bytes block, float* out) {
  const float d = load_f16(block);
  const auto high = load<uint32_t>(block + 2);
  for (int i = 0; i < 16; ++i) {
    const int low = (block[6 + i] & 15) | static_cast<int>((high >> i & 1) << 4);
    const int top = (block[6 + i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    out[i] = d * static_cast<float>(low - 16);
    out[i + 16] = d * static_cast<float>(top - 16);
  }
}

// d, m, fifth bits, halves.
void decode_q5_1(Bytes block, float* out) {
  const float d = load_f16(block);
  const float m = load_f16(block + 2);
  const auto high = load<uint32_t>(block + 4);
  for (int i = 0; i < 16; ++i) {
    const int low = (block[8 + i] & 15) | static_cast<int>((high >> i & 1) << 4);
    const int top = (block[8 + i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    out[i] = d * static_cast<float>(low) + m;
    out[i + 16] = d * static_cast<float>(top) + m;
  }
}

// 16 bytes of group scale (low half) and minimum (high half), 64 bytes of two-bit values, d, m.
// Groups of 16; a byte holds one element of each of four consecutive 32s.
void decode_q2_k(Bytes block, float* out) {
  const float d = load_f16(block + 80);
  const float m = load_f16(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 16;
    const uint8_t packed = block[16 + i / 128 * 32 + i % 32];
    const int q = packed >> (i % 128 / 32 * 2) & 3;
    const float scale = d * static_cast<float>(block[group] & 15);
    const float minimum = m * static_cast<float>(block[group] >> 4);
    out[i] = scale * static_cast<float>(q) - minimum;
  }
}

// 32 bytes of third bits (bit i / 32 of byte i % 32), 64 bytes of two-bit values as in Q2_K, 12
// bytes of 16 six-bit scales, d. A third bit that is not set takes 4 away.
void decode_q3_k(Bytes block, float* out) {
  const float d = load_f16(block + 108);
  Bytes packed_scales = block + 96;
  for (int i = 0; i < 256; ++i) {
    const int group = i / 16;
    const int low = packed_scales[group % 8] >> (group / 8 * 4) & 15;
    const int high = packed_scales[8 + group % 4] >> (group / 4 * 2) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const int q = block[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int third = block[i % 32] >> (i / 32) & 1;
    out[i] = scale * static_cast<float>(q - (third == 0 ? 4 : 0));
  }
}

// d, m and 12 bytes of scales come first; group g of 32 is then `scale * value(g, i) - minimum`.
template <class Value>
void decode_k4_groups(Bytes block, float* out, Value value) {
  const float d = load_f16(block);
  const float m = load_f16(block + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = unpack_k4(block + 4, group);
    const float group_scale = d * static_cast<float>(scale);
    const float group_minimum = m * static_cast<float>(minimum);
    for (int i = 0; i < 32; ++i) {
      out[group * 32 + i] = group_scale * static_cast<float>(value(group, i)) - group_minimum;
    }
  }
}

// d, m, 12 bytes of scales, 128 bytes: a byte holds one element of each of two consecutive 32s.
void decode_q4_k(Bytes block, float* out) {
  decode_k4_groups(block, out, [block](int group, int i) {
    return block[16 + group / 2 * 32 + i] >> (group % 2 * 4) & 15;
  });
}

// d, m, 12 bytes of scales, 32 bytes of fifth bits (bit `group` of byte i), 128 bytes as in Q4_K.
void decode_q5_k(Bytes block, float* out) {
  decode_k4_groups(block, out, [block](int group, int i) {
    const int low = block[48 + group / 2 * 32 + i] >> (group % 2 * 4) & 15;
    return low | (block[16 + i] >> group & 1) << 4;
  });
}

// 128 bytes of low halves (64 bytes for each 128 elements: the first 64 elements in the low halves,
// the last 64 in the high halves), 64 bytes of top two bits (as the two-bit values of Q2_K), 16
// signed group scales, d.
void decode_q6_k(Bytes block, float* out) {
  const float d = load_f16(block + 208);
  for (int i = 0; i < 256; ++i) {
    const float scale = d * static_cast<float>(static_cast<int8_t>(block[192 + i / 16]));
    const int half = i % 128 / 64;
    const int low = block[i / 128 * 64 + i % 64] >> (half * 4) & 15;
    const int top = block[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    out[i] = scale * static_cast<float>((low | top << 4) - 32);
  }
}

// d, then halves as in Q4_0, each the number of a level.
void decode_iq4_nl(Bytes block, float* out) {
  const float d = load_f16(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kIq4Levels[block[2 + i] & 15]);
    out[i + 16] = d * static_cast<float>(kIq4Levels[block[2 + i] >> 4]);
  }
}

// d, the high and the low bits of eight scales, then eight times 16 bytes as in IQ4_NL.
void decode_iq4_xs(Bytes block, float* out) {
  const float d = load_f16(block);
  const auto high = load<uint16_t>(block + 2);
  for (int group = 0; group < 8; ++group) {
    const float scale = d * static_cast<float>(unpack_iq4_xs(block + 4, high, group));
    Bytes packed = block + 8 + group * 16;
    for (int i = 0; i < 16; ++i) {
      out[group * 32 + i] = scale * static_cast<float>(kIq4Levels[packed[i] & 15]);
      out[group * 32 + 16 + i] = scale * static_cast<float>(kIq4Levels[packed[i] >> 4]);
    }
  }
}

template <class T, class Convert>
void decode_each(std::span<const std::byte> bytes, std::span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = convert(load<T>(bytes.data() + i * sizeof(T)));
}

template <class T>
void decode_plain(std::span<const std::byte> bytes, std::span<float> out) {
  decode_each<T>(bytes, out, [](T value) { return static_cast<float>(value); });
}

}  // namespace

bool is_block_format(DType dtype) { return dtype_info(dtype).block_elements > 1; }

void decode_block(DType dtype, const std::byte* block, float* out) {
  const auto bytes = reinterpret_cast<Bytes>(block);
  switch (dtype) {
    case DType::kQ8_0: return decode_q8_0(bytes, out);
    case DType::kQ4_0: return decode_q4_0(bytes, out);
    case DType::kQ4_1: return decode_q4_1(bytes, out);
    case DType::kQ5_0: return decode_q5_0(bytes, out);
    case DType::kQ5_1: return decode_q5_1(bytes, out);
    case DType::kQ2_K: return decode_q2_k(bytes, out);
    case DType::kQ3_K: return decode_q3_k(bytes, out);
    case DType::kQ4_K: return decode_q4_k(bytes, out);
    case DType::kQ5_K: return decode_q5_k(bytes, out);
    case DType::kQ6_K: return decode_q6_k(bytes, out);
    case DType::kIQ4_NL: return decode_iq4_nl(bytes, out);
    case DType::kIQ4_XS: return decode_iq4_xs(bytes, out);
    default: AGLM_CHECK(false, "{} is not a block format", dtype_info(dtype).name);
  }
}

void decode_elements(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  const DTypeInfo info = dtype_info(dtype);
  const size_t block = static_cast<size_t>(info.block_elements);
  AGLM_CHECK(out.size() % block == 0 &&
                 bytes.size() == out.size() / block * static_cast<size_t>(info.block_bytes),
             "{} bytes of {} for {} elements", bytes.size(), info.name, out.size());
  switch (dtype) {
    case DType::kF32:
      if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
      return;
    case DType::kF16: return decode_each<uint16_t>(bytes, out, f16_to_f32);
    case DType::kBF16: return decode_each<uint16_t>(bytes, out, bf16_to_f32);
    case DType::kF64: return decode_plain<double>(bytes, out);
    case DType::kI8: return decode_plain<int8_t>(bytes, out);
    case DType::kI16: return decode_plain<int16_t>(bytes, out);
    case DType::kI32: return decode_plain<int32_t>(bytes, out);
    case DType::kI64: return decode_plain<int64_t>(bytes, out);
    case DType::kU8: return decode_plain<uint8_t>(bytes, out);
    case DType::kF8E4M3: return decode_each<uint8_t>(bytes, out, f8_e4m3_to_f32);
    case DType::kF8E5M2: return decode_each<uint8_t>(bytes, out, f8_e5m2_to_f32);
    case DType::kBool:
      return decode_each<uint8_t>(bytes, out, [](uint8_t v) { return v != 0 ? 1.0f : 0.0f; });
    default: break;
  }
  for (size_t i = 0; i < out.size() / block; ++i) {
    decode_block(dtype, bytes.data() + i * static_cast<size_t>(info.block_bytes),
                 out.data() + i * block);
  }
}

}  // namespace autoglm
