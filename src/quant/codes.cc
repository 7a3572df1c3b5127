#include "quant/codes.h"

#include <cstring>

#include "base/check.h"
#include "quant/half.h"
#include "quant/k_groups.h"

namespace autoglm {
namespace {

using Bytes = const uint8_t*;

float load_f16(Bytes from) {
  uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return f16_to_f32(bits);
}

// Where one block's numbers go.
struct Out {
  int8_t* codes;
  float* scale;
  float* minimum;
  int8_t* group_scales;  // nested: 16 of them
  int8_t* group_minima;
};

// Two elements a byte, `offset` taken from each; a fifth bit from `high` when there is one.
void halves(Bytes packed, Bytes high, int offset, int8_t* codes) {
  uint32_t fifth = 0;
  if (high != nullptr) std::memcpy(&fifth, high, sizeof fifth);
  for (int i = 0; i < 16; ++i) {
    const int low = (packed[i] & 15) | static_cast<int>((fifth >> i & 1) << 4);
    const int top = (packed[i] >> 4) | static_cast<int>((fifth >> (i + 16) & 1) << 4);
    codes[i] = static_cast<int8_t>(low - offset);
    codes[i + 16] = static_cast<int8_t>(top - offset);
  }
}

void unpack_k4_block(Bytes block, Bytes fifth, Bytes packed, const Out& out) {
  *out.scale = load_f16(block);
  *out.minimum = load_f16(block + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = unpack_k4(block + 4, group);
    for (int half = 0; half < 2; ++half) {
      out.group_scales[group * 2 + half] = static_cast<int8_t>(scale);
      out.group_minima[group * 2 + half] = static_cast<int8_t>(minimum);
    }
    for (int i = 0; i < 32; ++i) {
      const int low = packed[group / 2 * 32 + i] >> (group % 2 * 4) & 15;
      const int high = fifth == nullptr ? 0 : (fifth[i] >> group & 1) << 4;
      out.codes[group * 32 + i] = static_cast<int8_t>(low | high);
    }
  }
}

void unpack_q6_k_block(Bytes block, const Out& out) {
  *out.scale = load_f16(block + 208);
  std::memcpy(out.group_scales, block + 192, 16);
  for (int i = 0; i < 256; ++i) {
    const int low = block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
    const int top = block[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    out.codes[i] = static_cast<int8_t>((low | top << 4) - 32);
  }
}

void levels(Bytes packed, int8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = kIq4Levels[packed[i] & 15];
    codes[i + 16] = kIq4Levels[packed[i] >> 4];
  }
}

void unpack_iq4_xs_block(Bytes block, const Out& out) {
  *out.scale = load_f16(block);
  uint16_t high = 0;
  std::memcpy(&high, block + 2, sizeof high);
  for (int group = 0; group < 8; ++group) {
    const auto scale = static_cast<int8_t>(unpack_iq4_xs(block + 4, high, group));
    out.group_scales[group * 2] = out.group_scales[group * 2 + 1] = scale;
    levels(block + 8 + group * 16, out.codes + group * 32);
  }
}

void unpack_block(DType dtype, Bytes block, const Out& out) {
  switch (dtype) {
    case DType::kQ4_0:
      *out.scale = load_f16(block);
      return halves(block + 2, nullptr, 8, out.codes);
    case DType::kQ4_1:
      *out.scale = load_f16(block);
      *out.minimum = -load_f16(block + 2);
      return halves(block + 4, nullptr, 0, out.codes);
    case DType::kQ5_0:
      *out.scale = load_f16(block);
      return halves(block + 6, block + 2, 16, out.codes);
    case DType::kQ5_1:
      *out.scale = load_f16(block);
      *out.minimum = -load_f16(block + 2);
      return halves(block + 8, block + 4, 0, out.codes);
    case DType::kQ8_0:
      *out.scale = load_f16(block);
      std::memcpy(out.codes, block + 2, 32);
      return;
    case DType::kQ4_K: return unpack_k4_block(block, nullptr, block + 16, out);
    case DType::kQ5_K: return unpack_k4_block(block, block + 16, block + 48, out);
    case DType::kQ6_K: return unpack_q6_k_block(block, out);
    case DType::kIQ4_NL: *out.scale = load_f16(block); return levels(block + 2, out.codes);
    case DType::kIQ4_XS: return unpack_iq4_xs_block(block, out);
    default: AGLM_CHECK(false, "{} has no codes", dtype_info(dtype).name);
  }
}

}  // namespace

CodeKind code_kind(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0: return CodeKind::kSimple4;
    case DType::kQ4_1: return CodeKind::kSimple4Minimum;
    case DType::kQ5_0:
    case DType::kQ8_0:
    case DType::kIQ4_NL: return CodeKind::kSimple8;
    case DType::kQ5_1: return CodeKind::kSimple8Minimum;
    case DType::kQ4_K: return CodeKind::kNested4;
    case DType::kQ5_K:
    case DType::kIQ4_XS: return CodeKind::kNested8;
    case DType::kQ6_K: return CodeKind::kNested6;
    default: return CodeKind::kNone;
  }
}

void unpack_codes(DType dtype, std::span<const std::byte> bytes, int64_t columns, CodeRow& out) {
  const DTypeInfo info = dtype_info(dtype);
  const int64_t n_blocks = columns / info.block_elements;
  AGLM_CHECK(static_cast<int64_t>(bytes.size()) == n_blocks * info.block_bytes,
             "{} bytes of {} for {} columns", bytes.size(), info.name, columns);
  out.resize(code_kind(dtype), columns);
  const bool nested = CodeRow::is_nested(code_kind(dtype));
  for (int64_t b = 0; b < n_blocks; ++b) {
    const auto block = reinterpret_cast<Bytes>(bytes.data()) + b * info.block_bytes;
    unpack_block(dtype, block,
                 {.codes = out.codes.data() + b * info.block_elements,
                  .scale = &out.scales[static_cast<size_t>(b)],
                  .minimum = &out.minima[static_cast<size_t>(b)],
                  .group_scales = nested ? out.group_scales.data() + b * 16 : nullptr,
                  .group_minima = nested ? out.group_minima.data() + b * 16 : nullptr});
  }
}

}  // namespace autoglm
