// Typed, ranged reading of request fields; null counts as missing. Errors name the field.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/generation.h"
#include "base/json.h"

namespace autoglm::serve {

// What a body may be before it is looked at: a JSON object, not nested deeper than 64.
Result<json::object> parse_body(std::string_view body);

Result<std::optional<double>> number_field(const json::Fields& fields, std::string_view key,
                                           double low, double high);
Result<std::optional<int64_t>> integer_field(const json::Fields& fields, std::string_view key,
                                             int64_t low, int64_t high);
Result<bool> boolean_field(const json::Fields& fields, std::string_view key, bool otherwise);
Result<std::optional<std::string>> string_field(const json::Fields& fields, std::string_view key);
// `keys` are names of one thing: those of them that are given must say the same.
Result<void> check_same(const json::Fields& fields, std::span<const std::string_view> keys);
// Must be there. The error names the whole path ("tools[0].function.name").
Result<json::Fields> required_object(const json::Fields& fields, std::string_view key);
Result<std::string> required_string(const json::Fields& fields, std::string_view key);
// Token ids of a vocabulary of that size.
Result<std::vector<TokenId>> token_ids(const json::array& list, std::string_view param,
                                       int64_t vocab_size);

}  // namespace autoglm::serve
