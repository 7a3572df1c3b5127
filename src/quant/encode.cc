// Floats to block formats, each group rounded to nearest within its own range. Layouts: decode.cc.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "quant/blocks.h"
#include "quant/half.h"

namespace autoglm {
namespace {

using Values = const float*;

void store_f16(uint8_t* to, float value) {
  const uint16_t bits = f32_to_f16(value);
  std::memcpy(to, &bits, sizeof bits);
}

float reciprocal(float value) { return value == 0 ? 0.0f : 1.0f / value; }

// Adds a half and cuts: how ggml rounds a value that is known not to be negative.
int round_up_from_half(float value, int highest) {
  const float shifted = value + 0.5f;
  return std::clamp(static_cast<int>(shifted), 0, highest);
}

int round_nearest(float value, int lowest, int highest) {
  return std::clamp(static_cast<int>(std::nearbyint(value)), lowest, highest);
}

void encode_q8_0(Values x, uint8_t* block) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::abs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = reciprocal(d);
  store_f16(block, d);
  for (int i = 0; i < 32; ++i) {
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
  }
}

// The value farthest from zero, with its sign, becomes the lowest code: -8 or -16.
float farthest(Values x) {
  float value = x[0];
  for (int i = 1; i < 32; ++i) {
    if (std::abs(x[i]) > std::abs(value)) value = x[i];
  }
  return value;
}

void pack_halves(const std::array<int, 32>& q, uint8_t* out) {
  for (int i = 0; i < 16; ++i) out[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
}

void pack_fifth_bits(const std::array<int, 32>& q, uint8_t* out) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= static_cast<uint32_t>(q[i] >> 4) << i;
  std::memcpy(out, &bits, sizeof bits);
}

std::array<int, 32> centred_codes(Values x, float d, int centre) {
  const float inverse = reciprocal(d);
  std::array<int, 32> q{};
  for (int i = 0; i < 32; ++i) {
    const float shifted = x[i] * inverse + (static_cast<float>(centre) + 0.5f);
    q[i] = std::clamp(static_cast<int>(shifted), 0, 2 * centre - 1);
  }
  return q;
}

void encode_q4_0(Values x, uint8_t* block) {
  const float d = farthest(x) / -8.0f;
  store_f16(block, d);
  pack_halves(centred_codes(x, d, 8), block + 2);
}

void encode_q5_0(Values x, uint8_t* block) {
  const float d = farthest(x) / -16.0f;
  const auto q = centred_codes(x, d, 16);
  store_f16(block, d);
  pack_fifth_bits(q, block + 2);
  pack_halves(q, block + 6);
}

// Codes from the smallest value up; writes d and m.
std::array<int, 32> ranged_codes(Values x, int highest, uint8_t* header) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const float d = (*high - *low) / static_cast<float>(highest);
  const float inverse = reciprocal(d);
  store_f16(header, d);
  store_f16(header + 2, *low);
  std::array<int, 32> q{};
  for (int i = 0; i < 32; ++i) q[i] = round_up_from_half((x[i] - *low) * inverse, highest);
  return q;
}

void encode_q4_1(Values x, uint8_t* block) { pack_halves(ranged_codes(x, 15, block), block + 4); }

void encode_q5_1(Values x, uint8_t* block) {
  const auto q = ranged_codes(x, 31, block);
  pack_fifth_bits(q, block + 4);
  pack_halves(q, block + 8);
}

struct KCodes {
  std::array<int, 8> scales;
  std::array<int, 8> minima;
  std::array<int, 256> q;
};

// Q4_K and Q5_K: each 32 elements span [-minimum, -minimum + highest * scale] with a minimum that
// is not negative; scales and minima are rounded to six bits of the largest of the eight.
KCodes k_codes(Values x, int highest, uint8_t* header) {
  std::array<float, 8> scale{};
  std::array<float, 8> minimum{};
  for (int group = 0; group < 8; ++group) {
    const auto [low, high] = std::minmax_element(x + group * 32, x + group * 32 + 32);
    minimum[group] = std::max(0.0f, -*low);
    scale[group] = (std::max(*high, 0.0f) + minimum[group]) / static_cast<float>(highest);
  }
  const float d_wanted = *std::max_element(scale.begin(), scale.end()) / 63.0f;
  const float m_wanted = *std::max_element(minimum.begin(), minimum.end()) / 63.0f;
  store_f16(header, d_wanted);
  store_f16(header + 2, m_wanted);
  const float d = f16_to_f32(f32_to_f16(d_wanted));
  const float m = f16_to_f32(f32_to_f16(m_wanted));
  KCodes codes{};
  for (int group = 0; group < 8; ++group) {
    codes.scales[group] = round_nearest(scale[group] * reciprocal(d), 0, 63);
    codes.minima[group] = round_nearest(minimum[group] * reciprocal(m), 0, 63);
    const float inverse = reciprocal(d * static_cast<float>(codes.scales[group]));
    const float shift = m * static_cast<float>(codes.minima[group]);
    for (int i = group * 32; i < group * 32 + 32; ++i) {
      codes.q[i] = round_nearest((x[i] + shift) * inverse, 0, highest);
    }
  }
  return codes;
}

void pack_k4(const KCodes& codes, uint8_t* out) {
  for (int group = 0; group < 4; ++group) {
    const int scale = codes.scales[group + 4];
    const int minimum = codes.minima[group + 4];
    out[group] = static_cast<uint8_t>(codes.scales[group] | (scale >> 4) << 6);
    out[group + 4] = static_cast<uint8_t>(codes.minima[group] | (minimum >> 4) << 6);
    out[group + 8] = static_cast<uint8_t>((scale & 15) | (minimum & 15) << 4);
  }
}

void pack_k_halves(const KCodes& codes, uint8_t* out) {
  for (int i = 0; i < 128; ++i) {
    const int first = i / 32 * 64 + i % 32;
    out[i] = static_cast<uint8_t>((codes.q[first] & 15) | (codes.q[first + 32] & 15) << 4);
  }
}

void encode_q4_k(Values x, uint8_t* block) {
  const KCodes codes = k_codes(x, 15, block);
  pack_k4(codes, block + 4);
  pack_k_halves(codes, block + 16);
}

void encode_q5_k(Values x, uint8_t* block) {
  const KCodes codes = k_codes(x, 31, block);
  pack_k4(codes, block + 4);
  std::memset(block + 16, 0, 32);
  for (int i = 0; i < 256; ++i) {
    block[16 + i % 32] = static_cast<uint8_t>(block[16 + i % 32] | (codes.q[i] >> 4) << (i / 32));
  }
  pack_k_halves(codes, block + 48);
}

void encode_q6_k(Values x, uint8_t* block) {
  std::array<float, 16> scale{};
  for (int i = 0; i < 256; ++i) scale[i / 16] = std::max(scale[i / 16], std::abs(x[i]) / 31.0f);
  const float d_wanted = *std::max_element(scale.begin(), scale.end()) / 127.0f;
  store_f16(block + 208, d_wanted);
  const float d = f16_to_f32(f32_to_f16(d_wanted));
  std::memset(block, 0, 192);
  for (int i = 0; i < 256; ++i) {
    const int group_scale = round_nearest(scale[i / 16] * reciprocal(d), 0, 127);
    block[192 + i / 16] = static_cast<uint8_t>(group_scale);
    const float inverse = reciprocal(d * static_cast<float>(group_scale));
    const int q = round_nearest(x[i] * inverse, -32, 31) + 32;
    uint8_t& low = block[i / 128 * 64 + i % 64];
    uint8_t& top = block[128 + i / 128 * 32 + i % 32];
    low = static_cast<uint8_t>(low | (q & 15) << (i % 128 / 64 * 4));
    top = static_cast<uint8_t>(top | (q >> 4) << (i % 128 / 32 * 2));
  }
}

using Encoder = void (*)(Values, uint8_t*);

Encoder block_encoder(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0: return encode_q8_0;
    case DType::kQ4_0: return encode_q4_0;
    case DType::kQ4_1: return encode_q4_1;
    case DType::kQ5_0: return encode_q5_0;
    case DType::kQ5_1: return encode_q5_1;
    case DType::kQ4_K: return encode_q4_k;
    case DType::kQ5_K: return encode_q5_k;
    case DType::kQ6_K: return encode_q6_k;
    default: return nullptr;
  }
}

}  // namespace

bool can_encode(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
         block_encoder(dtype) != nullptr;
}

void encode_elements(DType dtype, std::span<const float> values, std::span<std::byte> out) {
  const DTypeInfo info = dtype_info(dtype);
  const size_t block = static_cast<size_t>(info.block_elements);
  AGLM_CHECK(can_encode(dtype), "no encoder for {}", info.name);
  AGLM_CHECK(values.size() % block == 0 &&
                 out.size() == values.size() / block * static_cast<size_t>(info.block_bytes),
             "{} bytes of {} for {} elements", out.size(), info.name, values.size());
  if (dtype == DType::kF32) {
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
    return;
  }
  if (dtype == DType::kF16 || dtype == DType::kBF16) {
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t bits = dtype == DType::kF16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
      std::memcpy(out.data() + i * 2, &bits, 2);
    }
    return;
  }
  const Encoder encode = block_encoder(dtype);
  for (size_t i = 0; i < values.size() / block; ++i) {
    encode(values.data() + i * block,
           reinterpret_cast<uint8_t*>(out.data()) + i * static_cast<size_t>(info.block_bytes));
  }
}

}  // namespace autoglm
