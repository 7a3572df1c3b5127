#include "text/grammar/schema_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "text/grammar/reader.h"

namespace autoglm::grammar {
namespace {

// "a%20b~1c" to "a b/c".
std::string unescaped(std::string_view token) {
  std::string text;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '%' && i + 2 < token.size()) {
      int byte = 0;
      const char* end = token.data() + i + 3;
      if (std::from_chars(token.data() + i + 1, end, byte, 16).ptr == end) {
        text += static_cast<char>(byte);
        i += 2;
        continue;
      }
    }
    text += token[i];
  }
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '~' && i + 1 < text.size() && (text[i + 1] == '0' || text[i + 1] == '1')) {
      plain += text[++i] == '0' ? '~' : '/';
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string escaped(std::string_view key) {
  std::string text;
  for (const char c : key) {
    if (c == '~') {
      text += "~0";
    } else if (c == '/') {
      text += "~1";
    } else {
      text += c;
    }
  }
  return text;
}

std::string without_dots(std::string_view path) {
  std::vector<std::string_view> parts;
  size_t at = 0;
  while (at <= path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part == "..") {
      if (parts.size() > 1) parts.pop_back();
    } else if (part != ".") {
      parts.push_back(part);
    }
    at = end + 1;
  }
  return fmt::format("{}", fmt::join(parts, "/"));
}

}  // namespace

std::string resolve_uri(std::string_view base, std::string_view reference) {
  base = base.substr(0, base.find('#'));
  const size_t colon = reference.find(':');
  if (colon != std::string_view::npos &&
      reference.substr(0, colon).find('/') == std::string_view::npos) {
    return std::string(reference);
  }
  if (reference.empty() || reference[0] == '#') return std::string(base) + std::string(reference);
  const size_t scheme = base.find("://");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t path = std::min(base.find('/', host), base.size());
  if (reference.starts_with("//"))
    return std::string(base.substr(0, scheme + 1)) + std::string(reference);
  std::string joined;
  if (reference[0] == '/') {
    joined = std::string(reference);
  } else {
    const size_t last = base.rfind('/');
    const bool has_folder = last != std::string_view::npos && last >= path;
    joined = has_folder ? std::string(base.substr(path, last + 1 - path)) : std::string();
    if (!has_folder && host > 0) joined = "/";
    joined += reference;
  }
  return std::string(base.substr(0, path)) + without_dots(joined);
}

Result<SchemaIndex> SchemaIndex::of(const json::value& document, std::string_view where) {
  SchemaIndex index;
  index.document_ = &document;
  index.where_ = where;
  if (document.is_object()) {
    const json::value* dialect = document.get_object().if_contains("$schema");
    const std::string_view name =
        dialect != nullptr && dialect->is_string() ? std::string_view(dialect->get_string()) : "";
    index.legacy_ = name.find("draft-0") != std::string_view::npos;
  }
  AGLM_TRY(index.walk(document, {.base = &document}, Role::kSchema, 0));
  return index;
}

// What a keyword of a schema holds. Elsewhere "$id" is a member like any other.
SchemaIndex::Role SchemaIndex::role_of(std::string_view keyword) {
  constexpr std::string_view kSchemas[] = {"not",
                                           "if",
                                           "then",
                                           "else",
                                           "items",
                                           "contains",
                                           "propertyNames",
                                           "additionalItems",
                                           "extends",
                                           "disallow",
                                           "contentSchema",
                                           "additionalProperties",
                                           "allOf",
                                           "anyOf",
                                           "oneOf",
                                           "prefixItems",
                                           "unevaluatedItems",
                                           "unevaluatedProperties"};
  constexpr std::string_view kMaps[] = {"properties",  "patternProperties", "$defs",
                                        "definitions", "dependentSchemas",  "dependencies"};
  if (std::ranges::find(kSchemas, keyword) != std::end(kSchemas)) return Role::kSchema;
  return std::ranges::find(kMaps, keyword) != std::end(kMaps) ? Role::kSchemas : Role::kData;
}

Result<void> SchemaIndex::walk(const json::value& part, Place place, Role role, int depth) {
  if (depth > kMaxNesting) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the schema is nested too deeply",
                 .where = where_,
                 .expected = fmt::format("at most {} levels", kMaxNesting)};
  }
  if (part.is_object() && role == Role::kSchema) {
    const json::object& object = part.get_object();
    const auto text = [&](std::string_view key) -> std::string_view {
      const json::value* v = object.if_contains(key);
      return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : "";
    };
    std::string_view id = text("$id");
    if (id.empty() && legacy_ && depth == 0) id = text("id");
    const bool sibling_of_ref = legacy_ && object.contains("$ref") && depth > 0;
    if (!id.empty() && !sibling_of_ref) {
      if (legacy_ && id.starts_with('#')) {
        anchors_.emplace(std::pair(place.base, std::string(id.substr(1))), &part);
      } else {
        const auto outer = ids_.find(place.base);
        const std::string full =
            resolve_uri(outer == ids_.end() ? std::string_view() : outer->second, id);
        place.base = &part;
        ids_.emplace(&part, full);
        by_id_.emplace(full.substr(0, full.find('#')), &part);
      }
    }
    for (const std::string_view keyword : {"$anchor", "$dynamicAnchor"}) {
      const std::string_view anchor = text(keyword);
      if (!anchor.empty()) anchors_.emplace(std::pair(place.base, std::string(anchor)), &part);
    }
    places_.emplace(&part, place);
    for (const auto& member : object) {
      const Place inner{&part, std::string(member.key()), place.base};
      AGLM_TRY(walk(member.value(), inner, role_of(member.key()), depth + 1));
    }
    return {};
  }
  places_.emplace(&part, place);
  if (part.is_object()) {
    const Role inner = role == Role::kSchemas ? Role::kSchema : Role::kData;
    for (const auto& member : part.get_object()) {
      AGLM_TRY(
          walk(member.value(), {&part, std::string(member.key()), place.base}, inner, depth + 1));
    }
  }
  if (!part.is_array()) return {};
  size_t i = 0;
  for (const json::value& item : part.get_array()) {
    AGLM_TRY(walk(item, {&part, fmt::to_string(i++), place.base}, role, depth + 1));
  }
  return {};
}

Result<const json::value*> SchemaIndex::resolve(const json::value& from,
                                                std::string_view reference) const {
  const auto place = places_.find(&from);
  const json::value* base = place == places_.end() ? document_ : place->second.base;
  const size_t hash = std::min(reference.find('#'), reference.size());
  std::string_view fragment = reference.substr(std::min(hash + 1, reference.size()));
  if (hash > 0) {
    const auto own = ids_.find(base);
    const std::string full = resolve_uri(own == ids_.end() ? std::string_view() : own->second,
                                         reference.substr(0, hash));
    const auto found = by_id_.find(full);
    if (found == by_id_.end()) {
      return unsupported(from, "$ref", fmt::format("a reference to another document, {}", full));
    }
    base = found->second;
  }
  const auto nothing = [&] {
    return invalid(from, "$ref", fmt::format("{} is not in the schema", reference));
  };
  if (fragment.empty()) return base;
  if (fragment[0] != '/') {
    const auto found = anchors_.find(std::pair(base, unescaped(fragment)));
    if (found == anchors_.end()) return nothing();
    return found->second;
  }
  const json::value* at = base;
  while (!fragment.empty()) {
    fragment.remove_prefix(1);
    const size_t end = std::min(fragment.find('/'), fragment.size());
    const std::string key = unescaped(fragment.substr(0, end));
    fragment.remove_prefix(end);
    if (at->is_object()) {
      at = at->get_object().if_contains(key);
    } else if (at->is_array()) {
      size_t i = 0;
      const char* last = key.data() + key.size();
      const auto [stop, code] = std::from_chars(key.data(), last, i);
      const bool good = code == std::errc() && stop == last && i < at->get_array().size();
      at = good ? &at->get_array()[i] : nullptr;
    } else {
      at = nullptr;
    }
    if (at == nullptr) return nothing();
  }
  return at;
}

void SchemaIndex::add_made(const json::value& made, const json::value& like) {
  const auto place = places_.find(&like);
  places_.emplace(&made, place == places_.end() ? Place{} : place->second);
}

std::string SchemaIndex::pointer(const json::value& part) const {
  std::vector<std::string> keys;
  const json::value* at = &part;
  for (auto place = places_.find(at); place != places_.end() && place->second.parent != nullptr;
       place = places_.find(at)) {
    keys.push_back(escaped(place->second.key));
    at = place->second.parent;
  }
  std::string text = "#";
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) text += "/" + *key;
  return text;
}

Error SchemaIndex::error(const json::value& schema, std::string_view keyword, ErrorCode code,
                         std::string what) const {
  std::string place = pointer(schema);
  if (!keyword.empty()) place += "/" + escaped(keyword);
  return {.code = code,
          .what = fmt::format("keyword \"{}\" at {}: {}", keyword, place, what),
          .where = where_};
}

}  // namespace autoglm::grammar
