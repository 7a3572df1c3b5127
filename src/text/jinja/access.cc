// Attributes, items and slices, in the order in which jinja2's sandbox tries them: `a.b` prefers
// methods, `a["b"]` prefers items, and both fall back to the other.
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/represent.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

std::string described(const Value& v) {
  return v.is_none() ? "None" : fmt::format("{} object", type_name(v));
}

Value no_attribute(const Value& base, std::string_view name) {
  return Value::undefined(fmt::format("'{}' has no attribute '{}'", described(base), name));
}

bool is_private(std::string_view name) { return name.starts_with("__") && name.ends_with("__"); }

// Methods and fields that Python objects have; nothing when there is none of that name.
Result<std::optional<Value>> member(Interpreter& interpreter, const Value& base,
                                    std::string_view name) {
  const auto unsafe = [&] {
    return Value::undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(base)));
  };
  if (is_private(name)) return std::optional(unsafe());
  switch (base.kind()) {
    case Kind::kNamespace: {
      const Value* field = base.as<Namespace>().fields.find(name);
      return field == nullptr ? std::optional<Value>() : *field;
    }
    case Kind::kLoop: {
      const Value v = AGLM_TRY(interpreter.loop_attribute(base.heap(), name));
      return std::optional(v);
    }
    case Kind::kTuple:
      if (base.as<Sequence>().group && name == "grouper") return std::optional(base.items()[0]);
      if (base.as<Sequence>().group && name == "list") return std::optional(base.items()[1]);
      break;
    case Kind::kCycler: {
      const Cycler& cycler = base.as<Cycler>();
      if (name == "current") return std::optional(cycler.items[cycler.position]);
      break;
    }
    case Kind::kRange: {
      const Range& range = base.as<Range>();
      if (name == "start") return std::optional(Value::integer(range.start));
      if (name == "stop") return std::optional(Value::integer(range.stop));
      if (name == "step") return std::optional(Value::integer(range.step));
      break;
    }
    case Kind::kMacro: {
      const Signature& signature = base.as<Macro>().definition->signature;
      if (name == "name") {
        return std::optional(signature.name.empty() ? Value::none()
                                                    : Value::string(signature.name));
      }
      if (name == "arguments") {
        std::vector<Value> names;
        for (const std::string& parameter : signature.parameters)
          names.push_back(Value::string(parameter));
        return std::optional(Value::tuple(std::move(names)));
      }
      if (name == "catch_kwargs") return std::optional(Value::boolean(signature.uses_kwargs));
      if (name == "catch_varargs") return std::optional(Value::boolean(signature.uses_varargs));
      if (name == "caller") return std::optional(Value::boolean(signature.uses_caller));
      break;
    }
    default: break;
  }
  if (base.is_number() && name == "real") {
    return std::optional(base.is(Kind::kFloat) ? base : Value::integer(base.as_int()));
  }
  const MethodLookup found = find_method(base, name);
  if (found.unsafe) return std::optional(unsafe());
  if (found.builtin == nullptr) return std::optional<Value>();
  auto function = std::make_shared<Function>();
  function->name = found.name;
  function->builtin = found.builtin;
  function->self = base;
  return std::optional(Value::object(Kind::kFunction, std::move(function)));
}

// base[index]; nothing where Python raises TypeError or LookupError.
Result<std::optional<Value>> element(Interpreter& interpreter, const Value& base,
                                     const Value& index) {
  if (base.is(Kind::kDict)) {
    AGLM_TRY(interpreter.spend_more(index.weight() * 64));
    if (!hashable(index)) return std::optional<Value>();
    const Value* found = AGLM_TRY(interpreter.find(base.as<Dict>(), index));
    return found == nullptr ? std::optional<Value>() : *found;
  }
  if (!index.is_integral()) return std::optional<Value>();
  const int64_t length = base.is_undefined() ? -1 : length_of(base);
  int64_t at = index.as_int();
  if (at < 0) at += length;
  if (at < 0 || at >= length) return std::optional<Value>();
  switch (base.kind()) {
    case Kind::kList:
    case Kind::kTuple: return std::optional(base.items()[static_cast<size_t>(at)]);
    case Kind::kRange: {
      const Range& range = base.as<Range>();
      return std::optional(Value::integer(range.start + at * range.step));
    }
    case Kind::kString: {
      const std::string_view text = base.text();
      const bool single_bytes = static_cast<size_t>(base.text_length()) == text.size();
      AGLM_TRY(interpreter.spend(single_bytes ? 0 : at * 8));
      const size_t begin = single_bytes ? static_cast<size_t>(at) : byte_offset(text, at);
      size_t end = begin;
      next_code_point(text, end);
      return std::optional(Value::string(std::string(text.substr(begin, end - begin))));
    }
    default: return std::optional<Value>();
  }
}

// Python's slice.indices().
struct SliceBounds {
  int64_t start, stop, step;
  int64_t count() const { return range_size(start, stop, step); }
};

Result<SliceBounds> slice_bounds(const Value& start, const Value& stop, const Value& step,
                                 int64_t length) {
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->is_integral()) {
      return template_error("slice indices must be integers or None or have an __index__ method");
    }
  }
  const int64_t by = step.is_none() ? 1 : step.as_int();
  if (by == 0) return template_error("slice step cannot be zero");
  if (by == INT64_MIN) return template_error("slice step does not fit into 63 bits");
  const auto clamp = [&](const Value& bound, int64_t otherwise) {
    if (bound.is_none()) return otherwise;
    int64_t at = bound.as_int();
    if (at < 0) at += length;
    const int64_t low = by < 0 ? -1 : 0;
    const int64_t high = by < 0 ? length - 1 : length;
    return std::clamp(at, low, std::max(low, high));
  };
  return SliceBounds{clamp(start, by < 0 ? length - 1 : 0), clamp(stop, by < 0 ? -1 : length), by};
}

}  // namespace

Result<Value> Interpreter::get_attribute(const Value& base, std::string_view name) {
  if (base.is_undefined()) return template_error(base.undefined_message());
  if (std::optional<Value> v = AGLM_TRY(member(*this, base, name))) return *v;
  if (base.is(Kind::kDict)) {
    if (const Value* found = base.as<Dict>().find(name)) return *found;
  }
  return no_attribute(base, name);
}

Result<Value> Interpreter::get_item(const Value& base, const Value& index) {
  if (base.is_undefined()) return template_error(base.undefined_message());
  if (index.is_string()) AGLM_TRY(spend_more(static_cast<int64_t>(index.text().size())));
  if (std::optional<Value> v = AGLM_TRY(element(*this, base, index))) return *v;
  if (index.is_string()) {
    if (std::optional<Value> v = AGLM_TRY(member(*this, base, index.text()))) return *v;
    return no_attribute(base, index.text());
  }
  return Value::undefined(
      fmt::format("{} has no element {}", described(base), AGLM_TRY(to_representation(index))));
}

Result<Value> Interpreter::get_slice(const Value& base, const Value& start, const Value& stop,
                                     const Value& step) {
  if (base.is_undefined()) return template_error(base.undefined_message());
  if (!base.is_string() && !base.is_sequence() && !base.is(Kind::kRange)) {
    return template_error(
        fmt::format("'{}' object is not subscriptable by a slice", type_name(base)));
  }
  const SliceBounds bounds = AGLM_TRY(slice_bounds(start, stop, step, length_of(base)));
  const int64_t count = bounds.count();
  if (base.is(Kind::kRange)) {
    const Range& range = base.as<Range>();
    auto part = std::make_shared<Range>();
    part->start = range.start + bounds.start * range.step;
    part->step = range.step * bounds.step;
    part->stop = part->start + count * part->step;
    return Value::object(Kind::kRange, std::move(part));
  }
  if (base.is_sequence()) {
    std::vector<Value> items;
    items.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      items.push_back(base.items()[static_cast<size_t>(bounds.start + i * bounds.step)]);
    }
    return base.is(Kind::kList) ? make_list(std::move(items)) : make_tuple(std::move(items));
  }
  const std::string_view text = base.text();
  AGLM_TRY(spend(static_cast<int64_t>(text.size())));
  if (bounds.step == 1) {
    const size_t begin = byte_offset(text, bounds.start);
    const size_t size = byte_offset(text.substr(begin), count);
    return make_string(std::string(text.substr(begin, size)));
  }
  AGLM_TRY(spend(static_cast<int64_t>(text.size()) * 32));  // each code point is placed by itself
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size(); next_code_point(text, at)) offsets.push_back(at);
  offsets.push_back(text.size());
  std::string out;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(bounds.start + i * bounds.step);
    out += text.substr(offsets[at], offsets[at + 1] - offsets[at]);
  }
  return make_string(std::move(out));
}

}  // namespace autoglm::jinja
