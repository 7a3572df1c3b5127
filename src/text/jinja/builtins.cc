// Lookup by name, and argument binding. The lists are short: a scan is fast enough, and templates
// look filters up once, when they are parsed.
#include "text/jinja/builtins.h"

#include <fmt/format.h>

#include <algorithm>

namespace autoglm::jinja {
namespace {

Builtin search(std::span<const BuiltinEntry> table, std::string_view name) {
  for (const BuiltinEntry& entry : table) {
    if (entry.name == name) return entry.builtin;
  }
  return nullptr;
}

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Builtin find_filter(std::string_view name) {
  for (const auto table : {text_filters(), markup_filters(), sequence_filters(),
                           selection_filters(), number_filters()}) {
    if (const Builtin builtin = search(table, name)) return builtin;
  }
  return nullptr;
}

Builtin find_test(std::string_view name) { return search(tests(), name); }
Builtin find_global(std::string_view name) { return search(globals(), name); }

MethodLookup find_method(const Value& v, std::string_view name) {
  // The sandbox hides whatever would change a list or a dict.
  if (v.is(Kind::kList) &&
      one_of(name, {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"})) {
    return {.unsafe = true};
  }
  if (v.is(Kind::kDict) && one_of(name, {"clear", "pop", "popitem", "setdefault", "update"})) {
    return {.unsafe = true};
  }
  const auto find = [&](std::span<const BuiltinEntry> table) -> MethodLookup {
    for (const BuiltinEntry& entry : table) {
      if (entry.name == name) return {.builtin = entry.builtin, .name = entry.name};
    }
    return {};
  };
  if (!v.is_string()) return find(container_methods(v.kind()));
  const MethodLookup found = find(string_methods());
  return found.builtin != nullptr ? found : find(string_predicates());
}

Result<Bound> bind(std::string_view function, const Arguments& arguments,
                   std::initializer_list<std::string_view> names, size_t n_required) {
  if (arguments.positional.size() > names.size()) {
    return template_error(fmt::format("{}() takes at most {} arguments ({} given)", function,
                                      names.size(), arguments.positional.size()));
  }
  Bound bound(names.size(), nullptr);
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, v] : arguments.named) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end() || at->starts_with('/')) {
      return template_error(
          fmt::format("{}() got an unexpected keyword argument '{}'", function, name));
    }
    const Value*& place = bound[static_cast<size_t>(at - names.begin())];
    if (place != nullptr) {
      return template_error(
          fmt::format("{}() got multiple values for argument '{}'", function, name));
    }
    place = &v;
  }
  for (size_t i = 0; i < n_required; ++i) {
    if (bound[i] == nullptr) {
      return template_error(
          fmt::format("{}() missing required argument: '{}'", function, std::data(names)[i]));
    }
  }
  return bound;
}

Result<int64_t> integer_argument(std::string_view function, const Value& v) {
  if (v.is_integral()) return v.as_int();
  if (v.is_undefined()) return template_error(v.undefined_message());
  return template_error(
      fmt::format("{}(): '{}' object cannot be interpreted as an integer", function, type_name(v)));
}

Result<std::string_view> string_argument(std::string_view function, const Value& v) {
  if (v.is_string()) return v.text();
  return template_error(fmt::format("{}() argument must be str, not {}", function, type_name(v)));
}

}  // namespace autoglm::jinja
