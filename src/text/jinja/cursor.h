// One pass over anything a template may loop over.
#pragma once

#include "text/jinja/value.h"

namespace autoglm::jinja {

class Cursor {
 public:
  Cursor() = default;  // at its end
  // An error for what Python cannot iterate.
  static Result<Cursor> over(const Value& iterable);

  // False at the end.
  Result<bool> next(Interpreter& interpreter, Value& out);
  // How many items there were at the beginning; nothing for one-pass iterators.
  int64_t size() const;
  bool has_size() const { return !source_.is(Kind::kIterator); }

 private:
  Value source_;
  size_t position_ = 0;
};

bool iterable(const Value& v);
// len(v), or -1 for what has none.
int64_t length_of(const Value& v);

}  // namespace autoglm::jinja
