// How a matrix of weights is held for products. One row of the table here is one format; kernels
// have its layout (kernels/linear/layout.h, code_form.h), everything else asks the table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/code_row.h"
#include "tensor/progressive.h"

namespace autoglm {

enum class WeightFormat : uint8_t {
  kF32,
  kF16,
  kBF16,
  kInt8,  // symmetric, one float scale an output channel
  // Progressive: codes with an integer scale and offset a group of 32, 64 or 128 columns, and one
  // float scale a channel.
  kInt5,
  kInt4,
  kInt4Group64,
  kInt4Group128,
  kInt3,
  kInt3Group64,
  kInt2,
  kInt2Group64,
  // Codes as a file stores them (tensor/code_row.h), held without rounding.
  kSimple4,
  kSimple4Minimum,
  kSimple8,
  kSimple8Minimum,
  kNested4,
  kNested8,
  kNested6,
  kNestedAny,
};

struct WeightFormatInfo {
  WeightFormat format;
  std::string_view name;
  double bits;                       // a weight, with the scales of its group
  Progressive form = {};             // of progressive formats
  CodeKind codes = CodeKind::kNone;  // of formats that hold codes of files
  bool has_channel_scales = false;   // made here by rounding: int8 and the progressive formats

  // The product takes activations in int8.
  constexpr bool is_integer() const { return has_channel_scales || codes != CodeKind::kNone; }
};

namespace weight_formats {

constexpr WeightFormatInfo floats(WeightFormat format, std::string_view name, double bits) {
  return {.format = format, .name = name, .bits = bits};
}
constexpr WeightFormatInfo progressive(WeightFormat format, std::string_view name,
                                       Progressive form) {
  return {.format = format,
          .name = name,
          .bits = form.cost(),
          .form = form,
          .has_channel_scales = true};
}
constexpr WeightFormatInfo codes(WeightFormat format, std::string_view name, CodeKind kind) {
  return {.format = format, .name = name, .bits = held_bits(kind), .codes = kind};
}

}  // namespace weight_formats

// In the order of the enumeration.
inline constexpr WeightFormatInfo kWeightFormats[] = {
    weight_formats::floats(WeightFormat::kF32, "f32", 32),
    weight_formats::floats(WeightFormat::kF16, "f16", 16),
    weight_formats::floats(WeightFormat::kBF16, "bf16", 16),
    {.format = WeightFormat::kInt8, .name = "int8", .bits = 8, .has_channel_scales = true},
    weight_formats::progressive(WeightFormat::kInt5, "int5", {5, 32}),
    weight_formats::progressive(WeightFormat::kInt4, "int4", {4, 32}),
    weight_formats::progressive(WeightFormat::kInt4Group64, "int4-g64", {4, 64}),
    weight_formats::progressive(WeightFormat::kInt4Group128, "int4-g128", {4, 128}),
    weight_formats::progressive(WeightFormat::kInt3, "int3", {3, 32}),
    weight_formats::progressive(WeightFormat::kInt3Group64, "int3-g64", {3, 64}),
    weight_formats::progressive(WeightFormat::kInt2, "int2", {2, 32}),
    weight_formats::progressive(WeightFormat::kInt2Group64, "int2-g64", {2, 64}),
    weight_formats::codes(WeightFormat::kSimple4, "codes4", CodeKind::kSimple4),
    weight_formats::codes(WeightFormat::kSimple4Minimum, "codes4-minimum",
                          CodeKind::kSimple4Minimum),
    weight_formats::codes(WeightFormat::kSimple8, "codes8", CodeKind::kSimple8),
    weight_formats::codes(WeightFormat::kSimple8Minimum, "codes8-minimum",
                          CodeKind::kSimple8Minimum),
    weight_formats::codes(WeightFormat::kNested4, "nested4", CodeKind::kNested4),
    weight_formats::codes(WeightFormat::kNested8, "nested8", CodeKind::kNested8),
    weight_formats::codes(WeightFormat::kNested6, "nested6", CodeKind::kNested6),
    weight_formats::codes(WeightFormat::kNestedAny, "nested-any", CodeKind::kNestedAny),
};
static_assert(
    [] {
      for (int i = 0; i < static_cast<int>(std::size(kWeightFormats)); ++i) {
        if (static_cast<int>(kWeightFormats[i].format) != i) return false;
      }
      return true;
    }(),
    "the table is in the order of the enumeration");

constexpr const WeightFormatInfo& weight_format_info(WeightFormat format) {
  return kWeightFormats[static_cast<int>(format)];
}
constexpr std::string_view weight_format_name(WeightFormat format) {
  return weight_format_info(format).name;
}
constexpr bool is_integer(WeightFormat format) { return weight_format_info(format).is_integer(); }
constexpr bool has_channel_scales(WeightFormat format) {
  return weight_format_info(format).has_channel_scales;
}
constexpr Progressive progressive_form(WeightFormat format) {  // of 0 bits: it is none
  return weight_format_info(format).form;
}
constexpr bool holds_codes(WeightFormat format) {
  return weight_format_info(format).codes != CodeKind::kNone;
}
constexpr CodeKind code_kind_of(WeightFormat format) { return weight_format_info(format).codes; }

// Nullopt: no format has this name.
std::optional<WeightFormat> weight_format_named(std::string_view name);
// Of one of kProgressives.
WeightFormat progressive_format(Progressive form);
// The format that holds rows of both kinds exactly; nullopt: none does, as with kNone.
std::optional<WeightFormat> codes_format(CodeKind a, CodeKind b);

// What weights can be rounded to when a model is loaded: the names of "quantize", "none" first.
std::vector<std::string> quantize_names();

}  // namespace autoglm
