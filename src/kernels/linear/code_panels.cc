#include "kernels/linear/code_panels.h"

#include <cstring>

#include "kernels/simd/half.h"

namespace autoglm {
namespace {

void put_f16(std::byte* at, int64_t i, float value) {
  const uint16_t bits = f32_to_f16(value);
  std::memcpy(at + i * 2, &bits, sizeof bits);
}

float get_f16(const std::byte* at, int64_t i) {
  uint16_t bits = 0;
  std::memcpy(&bits, at + i * 2, sizeof bits);
  return f16_to_f32(bits);
}

struct ScaleAndMinimum {
  float scale;
  float minimum;
};

// Of group `g` of block `b`.
ScaleAndMinimum group_at(const CodeForm& form, const std::byte* panel, int64_t b, int64_t g,
                         int64_t lane) {
  const std::byte* scales = panel + form.block_at(b) + form.code_bytes();
  const std::byte* minima = scales + form.scales_bytes();
  const int64_t i = g * 16 + lane;
  if (!form.nested) return {get_f16(scales, i), form.minimum ? get_f16(minima, i) : 0.0f};
  const std::byte* header = panel + form.header_at(b);
  const auto small = [i](const std::byte* at) {
    return static_cast<float>(static_cast<int8_t>(at[i]));
  };
  return {get_f16(header, lane) * small(scales),
          form.minimum ? get_f16(header + 32, lane) * small(minima) : 0.0f};
}

}  // namespace

int64_t code_panel_bytes(const CodeForm& form, int64_t padded_k) {
  return form.block_at(padded_k / 64) - form.header_bytes();
}

void store_codes(const CodeForm& form, const CodeRow& row, int64_t lane, std::byte* panel) {
  const auto n = static_cast<int64_t>(row.codes.size());
  auto* bytes = reinterpret_cast<uint8_t*>(panel);
  for (int64_t k = 0; k < n; ++k) {
    const int8_t code = row.codes[static_cast<size_t>(k)];
    uint8_t* block = bytes + form.block_at(k / 64);
    if (form.bits == 8) {
      block[CodeForm::byte_at(k % 64, lane)] = static_cast<uint8_t>(code);
    } else {
      uint8_t& both = block[CodeForm::nibble_at(k % 64, lane)];
      const int stored = code + form.zero;
      both = static_cast<uint8_t>(k % 64 < 32 ? (both & 0xf0) | stored
                                              : (both & 0x0f) | (stored << 4));
    }
  }
  for (int64_t k = 0; k < n; k += form.group) {
    std::byte* scales = panel + form.block_at(k / 64) + form.code_bytes();
    std::byte* minima = scales + form.scales_bytes();
    const int64_t at = k % 64 / form.group * 16 + lane;
    if (!form.nested) {
      const auto group = static_cast<size_t>(k / CodeRow::kGroup);
      put_f16(scales, at, row.scales[group]);
      if (form.minimum) put_f16(minima, at, row.minima[group]);
      continue;
    }
    const auto group = static_cast<size_t>(k / CodeRow::kSmallGroup);
    scales[at] = static_cast<std::byte>(row.group_scales[group]);
    if (form.minimum) minima[at] = static_cast<std::byte>(row.group_minima[group]);
    std::byte* header = panel + form.header_at(k / 64);
    put_f16(header, lane, row.scales[static_cast<size_t>(k / CodeRow::kSuper)]);
    if (form.minimum)
      put_f16(header + 32, lane, row.minima[static_cast<size_t>(k / CodeRow::kSuper)]);
  }
}

void decode_codes(const CodeForm& form, const std::byte* panel, int64_t lane,
                  std::span<float> out) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(panel);
  const auto n = static_cast<int64_t>(out.size());
  for (int64_t begin = 0; begin < n; begin += form.group) {
    const uint8_t* block = bytes + form.block_at(begin / 64);
    const auto [scale, minimum] = group_at(form, panel, begin / 64, begin % 64 / form.group, lane);
    for (int64_t k = begin; k < begin + form.group; ++k) {
      int code = 0;
      if (form.bits == 8) {
        code = static_cast<int8_t>(block[CodeForm::byte_at(k % 64, lane)]);
      } else {
        code = (block[CodeForm::nibble_at(k % 64, lane)] >> (k % 64 < 32 ? 0 : 4) & 15) - form.zero;
      }
      out[static_cast<size_t>(k)] = scale * static_cast<float>(code) - minimum;
    }
  }
}

}  // namespace autoglm
