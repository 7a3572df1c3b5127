// Where things are in a JSON Schema: what a $ref means, and the JSON pointer of any part, for
// errors. The document must outlive it and stay where it is.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "autoglm/result.h"
#include "base/json.h"

namespace autoglm::grammar {

class SchemaIndex {
 public:
  // `where` names the document in errors.
  static Result<SchemaIndex> of(const json::value& document, std::string_view where);

  const json::value& document() const { return *document_; }
  // The schema that `reference`, found in the schema `from`, stands for.
  Result<const json::value*> resolve(const json::value& from, std::string_view reference) const;
  // Draft 2020-12 has other rules than those before 2019-09: a $ref has siblings.
  bool legacy() const { return legacy_; }

  // A schema made while compiling: errors speak of it as of `like`.
  void add_made(const json::value& made, const json::value& like);
  std::string pointer(const json::value& part) const;
  Error error(const json::value& schema, std::string_view keyword, ErrorCode code,
              std::string what) const;
  Error unsupported(const json::value& schema, std::string_view keyword, std::string what) const {
    return error(schema, keyword, ErrorCode::kUnsupported, std::move(what));
  }
  Error invalid(const json::value& schema, std::string_view keyword, std::string what) const {
    return error(schema, keyword, ErrorCode::kInvalidArgument, std::move(what));
  }

 private:
  struct Place {
    const json::value* parent = nullptr;
    std::string key;                    // in the parent
    const json::value* base = nullptr;  // the resource it belongs to
  };
  // A part is a schema (or a list of them), schemas by name, or anything else.
  enum class Role { kSchema, kSchemas, kData };
  static Role role_of(std::string_view keyword);
  Result<void> walk(const json::value& part, Place place, Role role, int depth);

  const json::value* document_ = nullptr;
  std::string where_;
  bool legacy_ = false;
  std::unordered_map<const json::value*, Place> places_;
  std::map<std::string, const json::value*, std::less<>> by_id_;
  std::map<std::pair<const json::value*, std::string>, const json::value*> anchors_;
  std::unordered_map<const json::value*, std::string> ids_;  // of resources
};

// `reference` as seen from `base` (RFC 3986, as far as schemas use it).
std::string resolve_uri(std::string_view base, std::string_view reference);

}  // namespace autoglm::grammar
