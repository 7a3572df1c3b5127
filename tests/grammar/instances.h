// The JSON text of a test's instance, as a model would be led to write it: properties in the order
// in which the schema mentions them.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"

namespace autoglm {

inline void collect_names(const json::value& schema, std::vector<std::string>& names) {
  if (schema.is_array()) {
    for (const json::value& item : schema.get_array()) collect_names(item, names);
  }
  if (!schema.is_object()) return;
  for (const auto& member : schema.get_object()) {
    if (member.key() == "properties" && member.value().is_object()) {
      for (const auto& property : member.value().get_object()) names.emplace_back(property.key());
    }
    if (member.key() == "required" && member.value().is_array()) {
      for (const json::value& name : member.value().get_array()) {
        if (name.is_string()) names.emplace_back(name.get_string());
      }
    }
  }
  for (const auto& member : schema.get_object()) collect_names(member.value(), names);
}

inline std::string instance_text(const json::value& v, const std::vector<std::string>& names) {
  if (v.is_double()) {
    const double number = v.get_double();
    const bool whole = number == std::floor(number) && std::abs(number) < 1e18;
    return whole ? fmt::format("{:.0f}.0", number) : fmt::format("{}", number);
  }
  std::vector<std::string> parts;
  if (v.is_array()) {
    for (const json::value& item : v.get_array()) parts.push_back(instance_text(item, names));
    return fmt::format("[{}]", fmt::join(parts, ", "));
  }
  if (!v.is_object()) return boost::json::serialize(v);
  std::vector<std::pair<std::ptrdiff_t, std::string_view>> keys;
  for (const auto& member : v.get_object()) {
    keys.emplace_back(std::find(names.begin(), names.end(), member.key()) - names.begin(),
                      member.key());
  }
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [place, key] : keys) {
    parts.push_back(fmt::format("{}: {}", boost::json::serialize(json::value(key)),
                                instance_text(v.at(key), names)));
  }
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

}  // namespace autoglm
