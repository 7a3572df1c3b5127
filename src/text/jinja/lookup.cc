// Attribute paths, after jinja2.filters.make_attrgetter.
#include "text/jinja/lookup.h"

#include "text/jinja/interpreter.h"
#include "text/jinja/literals.h"
#include "text/jinja/split.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {

Result<AttributePath> AttributePath::parse(Interpreter& interpreter, const Value* attribute) {
  AttributePath path;
  if (attribute == nullptr || attribute->is_none()) return path;
  if (!attribute->is_string()) {
    path.parts_.push_back(*attribute);
    return path;
  }
  for (const std::string_view part : AGLM_TRY(split_text(interpreter, attribute->text(), "."))) {
    AGLM_TRY(interpreter.spend(static_cast<int64_t>(part.size())));
    const bool digits =
        !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    if (digits) {
      const auto index = AGLM_TRY(read_integer(part, 10));
      path.parts_.push_back(Value::integer(*index));
    } else {
      path.parts_.push_back(Value::string(std::string(part)));
    }
  }
  return path;
}

Result<std::vector<AttributePath>> AttributePath::parse_several(Interpreter& interpreter,
                                                                const Value* attribute) {
  std::vector<AttributePath> paths;
  if (attribute == nullptr || !attribute->is_string()) {
    paths.push_back(AGLM_TRY(parse(interpreter, attribute)));
    return paths;
  }
  for (const std::string_view part : AGLM_TRY(split_text(interpreter, attribute->text(), ","))) {
    const Value name = Value::string(std::string(part));
    paths.push_back(AGLM_TRY(parse(interpreter, &name)));
  }
  return paths;
}

Result<Value> AttributePath::look_up(Interpreter& interpreter, const Value& item,
                                     const Value* otherwise) const {
  Value v = item;
  for (const Value& part : parts_) {
    AGLM_TRY(interpreter.spend(0));
    v = AGLM_TRY(interpreter.get_item(v, part));
    if (v.is_undefined() && otherwise != nullptr && !otherwise->is_none()) v = *otherwise;
  }
  return v;
}

Result<Value> fold_case(Interpreter& interpreter, const Value& v) {
  if (!v.is_string()) return v;
  AGLM_TRY(interpreter.spend_scan(v.text()));
  return interpreter.make_string(to_lower(v.text()));
}

}  // namespace autoglm::jinja
