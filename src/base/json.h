// Strict JSON reading over Boost.JSON: parse with limits, and read fields with errors that name the
// document, the path inside it, what was expected and what was found. Not a JSON library of its
// own.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"

namespace autoglm::json {

using boost::json::array;
using boost::json::object;
using boost::json::value;

struct ParseLimits {
  size_t max_bytes = size_t{256} << 20;
  size_t max_depth = 128;
};

// `where` names the document in errors ("config.json"). Trailing bytes, bad UTF-8 and a nesting
// deeper than the limit are errors.
Result<value> parse(std::string_view text, std::string_view where, ParseLimits limits = {});
Result<value> parse_file(const std::string& path, ParseLimits limits = {});

// "object", "array", "string", "integer", "number", "boolean", "null".
std::string_view kind_name(const value& v);

// A view of one object with the name under which errors speak of it. The object must outlive it.
class Fields {
 public:
  Fields(const object& fields, std::string where) : fields_(&fields), where_(std::move(where)) {}

  const object& raw() const { return *fields_; }
  const std::string& where() const { return where_; }
  // Absent and null both count as missing.
  const value* find(std::string_view key) const;

  // Required fields: missing or of the wrong kind is an error.
  Result<int64_t> integer(std::string_view key) const;
  Result<double> number(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<std::string> string(std::string_view key) const;
  Result<Fields> child(std::string_view key) const;
  Result<const array*> list(std::string_view key) const;

  // Optional fields: missing gives the default, the wrong kind is an error.
  Result<int64_t> integer_or(std::string_view key, int64_t otherwise) const;
  Result<double> number_or(std::string_view key, double otherwise) const;
  Result<bool> boolean_or(std::string_view key, bool otherwise) const;
  Result<std::string> string_or(std::string_view key, std::string_view otherwise) const;

  Error wrong(std::string_view key, std::string_view expected) const;

 private:
  const object* fields_;
  std::string where_;
};

// Errors when `v` is not an object.
Result<Fields> fields_of(const value& v, std::string_view where);

}  // namespace autoglm::json
