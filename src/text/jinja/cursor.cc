// Iteration over strings (by code point), sequences, dicts, views, ranges and iterators.
#include "text/jinja/cursor.h"

#include <fmt/format.h>

#include "text/jinja/interpreter.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

Value view_item(const View& view, size_t position) {
  const auto& [key, value] = view.dict.as<Dict>().entries[position];
  switch (view.part) {
    case View::Part::kKeys: return key;
    case View::Part::kValues: return value;
    case View::Part::kItems: return Value::tuple({key, value});
  }
  return key;
}

}  // namespace

Result<Cursor> Cursor::over(const Value& source) {
  if (!iterable(source)) {
    return template_error(fmt::format("'{}' object is not iterable", type_name(source)));
  }
  Cursor cursor;
  cursor.source_ = source;
  return cursor;
}

Result<bool> Cursor::next(Interpreter& interpreter, Value& out) {
  AGLM_TRY(interpreter.spend(0));
  switch (source_.kind()) {
    case Kind::kString: {
      const std::string_view text = source_.text();
      if (position_ >= text.size()) return false;
      const size_t begin = position_;
      next_code_point(text, position_);
      out = AGLM_TRY(interpreter.make_string(std::string(text.substr(begin, position_ - begin))));
      return true;
    }
    case Kind::kList:
    case Kind::kTuple:
      if (position_ >= source_.items().size()) return false;
      out = source_.items()[position_++];
      return true;
    case Kind::kDict:
      if (position_ >= source_.as<Dict>().entries.size()) return false;
      out = source_.as<Dict>().entries[position_++].first;
      return true;
    case Kind::kView:
      if (position_ >= source_.as<View>().dict.as<Dict>().entries.size()) return false;
      out = view_item(source_.as<View>(), position_++);
      return true;
    case Kind::kRange: {
      const Range& range = source_.as<Range>();
      if (static_cast<int64_t>(position_) >= range.size()) return false;
      out = Value::integer(range.start + static_cast<int64_t>(position_++) * range.step);
      return true;
    }
    case Kind::kIterator: {
      const Deeper deeper(interpreter);
      AGLM_TRY(deeper.check());
      return source_.as<Iterator>().next(interpreter, out);
    }
    default: return false;
  }
}

int64_t Cursor::size() const { return std::max<int64_t>(length_of(source_), 0); }

bool iterable(const Value& v) {
  return v.is(Kind::kIterator) || v.is_undefined() || length_of(v) >= 0;
}

int64_t length_of(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: return v.text_length();
    case Kind::kList:
    case Kind::kTuple: return static_cast<int64_t>(v.items().size());
    case Kind::kDict: return static_cast<int64_t>(v.as<Dict>().entries.size());
    case Kind::kView: return length_of(v.as<View>().dict);
    case Kind::kRange: return v.as<Range>().size();
    default: return -1;
  }
}

}  // namespace autoglm::jinja
