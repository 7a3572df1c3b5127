#include "base/json.h"

#include <fmt/format.h>

#include <cmath>

#include "base/files.h"
#include "base/utf8.h"

namespace autoglm::json {

Result<value> parse(std::string_view text, std::string_view where, ParseLimits limits) {
  if (text.size() > limits.max_bytes) {
    return Error{ErrorCode::kTooLarge, "JSON document is too large", std::string(where),
                 fmt::format("at most {} bytes", limits.max_bytes),
                 fmt::format("{} bytes", text.size())};
  }
  boost::json::parse_options options;
  options.max_depth = limits.max_depth;
  boost::json::error_code code;
  boost::json::stream_parser parser({}, options);
  const size_t consumed = parser.write_some(text.data(), text.size(), code);
  if (!code && consumed < text.size()) {
    const std::string_view rest = text.substr(consumed);
    if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      code = boost::json::error::extra_data;
    }
  }
  if (!code) parser.finish(code);
  if (code) {
    return Error{ErrorCode::kCorrupt, fmt::format("JSON is malformed near byte {}", consumed),
                 std::string(where), "a JSON document", code.message()};
  }
  return parser.release();
}

Result<value> parse_file(const std::string& path, ParseLimits limits) {
  const std::string text = AGLM_TRY(read_file(path, limits.max_bytes));
  return parse(text, path, limits);
}

std::string_view kind_name(const value& v) {
  switch (v.kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64: return "integer";
    case boost::json::kind::double_: return "number";
    case boost::json::kind::string: return "string";
    case boost::json::kind::array: return "array";
    case boost::json::kind::object: return "object";
  }
  return "value";
}

const value* Fields::find(std::string_view key) const {
  const value* v = fields_->if_contains(key);
  return v == nullptr || v->is_null() ? nullptr : v;
}

Error Fields::wrong(std::string_view key, std::string_view expected) const {
  const value* v = find(key);
  std::string found = "nothing";
  if (v != nullptr) {
    found = boost::json::serialize(*v);
    if (found.size() > 60) found = std::string(utf8_prefix(found, 57)) + "...";
    found = fmt::format("{} {}", kind_name(*v), found);
  }
  return Error{v == nullptr ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
               v == nullptr ? "field is missing" : "field has the wrong value",
               where_.empty() ? std::string(key) : where_ + ": " + std::string(key),
               std::string(expected), std::move(found)};
}

Result<int64_t> Fields::integer(std::string_view key) const {
  const value* v = find(key);
  if (v != nullptr && v->is_int64()) return v->get_int64();
  // Writers in the wild spell whole numbers as 1e6 or 2.0.
  if (v != nullptr && v->is_double() && std::trunc(v->get_double()) == v->get_double() &&
      std::abs(v->get_double()) < 9e15) {
    return static_cast<int64_t>(v->get_double());
  }
  return wrong(key, "an integer");
}

Result<double> Fields::number(std::string_view key) const {
  const value* v = find(key);
  if (v != nullptr && v->is_double()) return v->get_double();
  if (v != nullptr && v->is_int64()) return static_cast<double>(v->get_int64());
  if (v != nullptr && v->is_uint64()) return static_cast<double>(v->get_uint64());
  return wrong(key, "a number");
}

Result<bool> Fields::boolean(std::string_view key) const {
  const value* v = find(key);
  if (v != nullptr && v->is_bool()) return v->get_bool();
  return wrong(key, "true or false");
}

Result<std::string> Fields::string(std::string_view key) const {
  const value* v = find(key);
  if (v != nullptr && v->is_string()) return std::string(v->get_string());
  return wrong(key, "a string");
}

Result<Fields> Fields::child(std::string_view key) const {
  const value* v = find(key);
  if (v != nullptr && v->is_object()) {
    return Fields(v->get_object(),
                  where_.empty() ? std::string(key) : where_ + "." + std::string(key));
  }
  return wrong(key, "an object");
}

Result<const array*> Fields::list(std::string_view key) const {
  const value* v = find(key);
  if (v != nullptr && v->is_array()) return &v->get_array();
  return wrong(key, "an array");
}

Result<int64_t> Fields::integer_or(std::string_view key, int64_t otherwise) const {
  return find(key) == nullptr ? Result<int64_t>(otherwise) : integer(key);
}

Result<double> Fields::number_or(std::string_view key, double otherwise) const {
  return find(key) == nullptr ? Result<double>(otherwise) : number(key);
}

Result<bool> Fields::boolean_or(std::string_view key, bool otherwise) const {
  return find(key) == nullptr ? Result<bool>(otherwise) : boolean(key);
}

Result<std::string> Fields::string_or(std::string_view key, std::string_view otherwise) const {
  return find(key) == nullptr ? Result<std::string>(std::string(otherwise)) : string(key);
}

Result<Fields> fields_of(const value& v, std::string_view where) {
  if (v.is_object()) return Fields(v.get_object(), std::string(where));
  return Error{ErrorCode::kInvalidArgument, "document has the wrong kind", std::string(where),
               "an object", std::string(kind_name(v))};
}

}  // namespace autoglm::json
