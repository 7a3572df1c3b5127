// The `attribute` argument of filters: "name", "user.name", "0.role", 3; or several, "age,name".
#pragma once

#include <vector>

#include "text/jinja/value.h"

namespace autoglm::jinja {

class AttributePath {
 public:
  // Null or none: the item itself.
  static Result<AttributePath> parse(Interpreter& interpreter, const Value* attribute);
  // A comma separates paths, as sort's argument allows.
  static Result<std::vector<AttributePath>> parse_several(Interpreter& interpreter,
                                                          const Value* attribute);

  // What is missing on the way becomes `otherwise` when that is given.
  Result<Value> look_up(Interpreter& interpreter, const Value& item,
                        const Value* otherwise = nullptr) const;

 private:
  std::vector<Value> parts_;
};

// Lower case for strings, anything else as it is: how filters compare without case.
Result<Value> fold_case(Interpreter& interpreter, const Value& v);

}  // namespace autoglm::jinja
