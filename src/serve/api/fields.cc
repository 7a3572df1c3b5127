// Reading of single fields.
#include "serve/api/fields.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

// Of a document's reader, in a client's terms: a path, and a request that is wrong as it stands; a
// field that is missing in it is no page that is not found.
Error in_request(Error error) {
  const size_t colon = error.where.find(": ");
  if (colon != std::string::npos) {
    const std::string_view where = error.where;
    error.where = fmt::format("{}.{}", where.substr(0, colon), where.substr(colon + 2));
  }
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kInvalidArgument;
  return error;
}

template <class T>
Result<T> in_request(Result<T> result) {
  if (!result) return in_request(std::move(result).error());
  return result;
}

// The whole path ("stream_options.include_usage").
std::string path_of(const json::Fields& fields, std::string_view key) {
  return fields.where().empty() ? std::string(key) : fmt::format("{}.{}", fields.where(), key);
}

std::string short_text(const json::value& value) {
  constexpr size_t kMost = 40;
  std::string text = dump(value);
  if (text.size() > kMost) text = repair_utf8(utf8_prefix(text, kMost)) + "...";
  return text;
}

}  // namespace

Result<json::object> parse_body(std::string_view body) {
  if (body.empty()) {
    return bad_field("", "the request has no body", "a JSON object");
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (body.starts_with(kByteOrderMark)) body.remove_prefix(kByteOrderMark.size());
  json::value value =
      AGLM_TRY(json::parse(body, "request body", {.max_bytes = body.size(), .max_depth = 64}));
  if (!value.is_object()) {
    return bad_field("", "the request body has the wrong kind", "a JSON object",
                     json::kind_name(value));
  }
  return std::move(value.get_object());
}

Result<std::optional<double>> number_field(const json::Fields& fields, std::string_view key,
                                           double low, double high) {
  if (fields.find(key) == nullptr) return std::optional<double>();
  const double number = AGLM_TRY(in_request(fields.number(key)));
  // Written so that a NaN is out of range too.
  if (!(number >= low && number <= high)) {
    return bad_field(path_of(fields, key), "out of range",
                     fmt::format("a number from {} to {}", low, high), fmt::to_string(number));
  }
  return std::optional<double>(number);
}

Result<std::optional<int64_t>> integer_field(const json::Fields& fields, std::string_view key,
                                             int64_t low, int64_t high) {
  if (fields.find(key) == nullptr) return std::optional<int64_t>();
  const int64_t number = AGLM_TRY(in_request(fields.integer(key)));
  if (number < low || number > high) {
    return bad_field(path_of(fields, key), "out of range",
                     fmt::format("an integer from {} to {}", low, high), fmt::to_string(number));
  }
  return std::optional<int64_t>(number);
}

Result<bool> boolean_field(const json::Fields& fields, std::string_view key, bool otherwise) {
  return in_request(fields.boolean_or(key, otherwise));
}

Result<std::optional<std::string>> string_field(const json::Fields& fields, std::string_view key) {
  if (fields.find(key) == nullptr) return std::optional<std::string>();
  return std::optional<std::string>(AGLM_TRY(in_request(fields.string(key))));
}

Result<void> check_same(const json::Fields& fields, std::span<const std::string_view> keys) {
  const json::value* first = nullptr;
  std::string_view first_key;
  for (const std::string_view key : keys) {
    const json::value* value = fields.find(key);
    if (value == nullptr) continue;
    if (first != nullptr && *first != *value) {
      return bad_field(key, fmt::format("{} and {} mean the same and differ", first_key, key),
                       "one of them, or the same in both",
                       fmt::format("{} and {}", short_text(*first), short_text(*value)));
    }
    if (first == nullptr) first_key = key;
    first = value;
  }
  return {};
}

Result<json::Fields> required_object(const json::Fields& fields, std::string_view key) {
  return in_request(fields.child(key));
}

Result<std::string> required_string(const json::Fields& fields, std::string_view key) {
  return in_request(fields.string(key));
}

Result<std::vector<TokenId>> token_ids(const json::array& list, std::string_view param,
                                       int64_t vocab_size) {
  std::vector<TokenId> ids;
  ids.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const json::value& item = list[i];
    if (!item.is_int64() || item.get_int64() < 0 || item.get_int64() >= vocab_size) {
      return bad_field(fmt::format("{}[{}]", param, i), "not a token id",
                       fmt::format("an integer from 0 to {}", vocab_size - 1),
                       std::string(utf8_prefix(dump(item), 40)));
    }
    ids.push_back(TokenId{static_cast<int32_t>(item.get_int64())});
  }
  return ids;
}

}  // namespace autoglm::serve
