// Reads a model's configuration strictly: every number has bounds (config.json is hostile input), a
// missing key is an error unless the architecture's own configuration class has a value for it, and
// keys that nobody asked for can be reported.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"

namespace autoglm {

class ConfigReader {
 public:
  // `config` must outlive the reader; `where` names it in errors ("glm-4/config.json").
  ConfigReader(const json::object& config, std::string where) : fields_(config, std::move(where)) {}

  const std::string& where() const { return fields_.where(); }
  const json::object& raw() const { return fields_.raw(); }
  bool has(std::string_view key);  // present and not null
  bool present(std::string_view key);

  Result<int64_t> integer(std::string_view key, int64_t least, int64_t most);
  Result<int64_t> integer_or(std::string_view key, int64_t otherwise, int64_t least, int64_t most);
  // Finite and in (0, most].
  Result<double> positive(std::string_view key, double most);
  Result<double> positive_or(std::string_view key, double otherwise, double most);
  Result<bool> boolean(std::string_view key);
  Result<bool> boolean_or(std::string_view key, bool otherwise);
  Result<std::string> string_or(std::string_view key, std::string_view otherwise);
  Result<std::vector<std::string>> strings(std::string_view key, size_t most);
  // Numbers from `least` to `most`; empty where the key is missing.
  Result<std::vector<int64_t>> integers_or_none(std::string_view key, size_t at_most, int64_t least,
                                                int64_t most);
  Result<ConfigReader> child(std::string_view key);

  // An error unless the field, which may be absent, has the one value we can run.
  Result<void> only_flag(std::string_view key, bool supported);
  // `supported`: names of one thing, the usual one first.
  Result<void> only_name(std::string_view key, std::initializer_list<std::string_view> supported);

  Error wrong(std::string_view key, std::string what, std::string_view expected) const;

  // Keys never asked for, other than those that say nothing about the computation.
  std::vector<std::string> unread() const;

 private:
  json::Fields fields_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace autoglm
