// The tables of filters, tests, methods and globals by name, and how they read their arguments.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace autoglm::jinja {

struct BuiltinEntry {
  std::string_view name;
  Builtin builtin;
};

// Null when there is none of that name.
Builtin find_filter(std::string_view name);
Builtin find_test(std::string_view name);
Builtin find_global(std::string_view name);
// A method of the value's type. `unsafe` tells that Python has it and the sandbox hides it.
struct MethodLookup {
  Builtin builtin = nullptr;
  std::string_view name;
  bool unsafe = false;
};
MethodLookup find_method(const Value& v, std::string_view name);

// Tables by topic; the lookups above go through them.
std::span<const BuiltinEntry> text_filters();
std::span<const BuiltinEntry> markup_filters();
std::span<const BuiltinEntry> sequence_filters();
std::span<const BuiltinEntry> selection_filters();
std::span<const BuiltinEntry> number_filters();
std::span<const BuiltinEntry> string_methods();
std::span<const BuiltinEntry> string_predicates();
std::span<const BuiltinEntry> container_methods(Kind kind);
std::span<const BuiltinEntry> tests();
std::span<const BuiltinEntry> globals();

// Arguments matched to a Python signature. Each entry points at the argument or is null when the
// call leaves it out.
using Bound = std::vector<const Value*>;
// Names beginning with '/' can only be given by position. Too many, too few or unknown arguments
// are errors that name the function.
Result<Bound> bind(std::string_view function, const Arguments& arguments,
                   std::initializer_list<std::string_view> names, size_t n_required = 0);

Result<int64_t> integer_argument(std::string_view function, const Value& v);
Result<std::string_view> string_argument(std::string_view function, const Value& v);

}  // namespace autoglm::jinja
