#include "tensor/weight_format.h"

#include "base/check.h"

namespace autoglm {
namespace {

// The first row of the table that `matches`.
template <class Matches>
std::optional<WeightFormat> first_format(const Matches& matches) {
  const auto* found = std::ranges::find_if(kWeightFormats, matches);
  if (found == std::end(kWeightFormats)) return std::nullopt;
  return found->format;
}

}  // namespace

std::optional<WeightFormat> weight_format_named(std::string_view name) {
  return first_format([&](const WeightFormatInfo& info) { return info.name == name; });
}

WeightFormat progressive_format(Progressive form) {
  const auto found = first_format(
      [&](const WeightFormatInfo& info) { return info.form.exists() && info.form == form; });
  AGLM_CHECK(found, "{} bits in groups of {} columns", form.bits, form.group_size);
  return *found;
}

std::optional<WeightFormat> codes_format(CodeKind a, CodeKind b) {
  const CodeKind kind = common_kind(a, b);
  if (kind == CodeKind::kNone) return std::nullopt;
  return first_format([&](const WeightFormatInfo& info) { return info.codes == kind; });
}

std::vector<std::string> quantize_names() {
  std::vector<std::string> names{"none"};
  for (const WeightFormatInfo& info : kWeightFormats) {
    if (info.has_channel_scales) names.emplace_back(info.name);
  }
  return names;
}

}  // namespace autoglm
