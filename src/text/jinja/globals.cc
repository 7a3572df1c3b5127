// What a template finds without being given it: range, dict, namespace, cycler, joiner, and
// transformers' raise_exception and strftime_now.
#include <fmt/format.h>

#include <ctime>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"

namespace autoglm::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // jinja2's sandbox: MAX_RANGE

Result<Value> make_range(Interpreter&, const Value&, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("range", arguments, {"/start", "/stop", "/step"}, 1));
  auto range = std::make_shared<Range>();
  range->stop = AGLM_TRY(integer_argument("range", *bound[0]));
  if (bound[1] != nullptr) {
    range->start = range->stop;
    range->stop = AGLM_TRY(integer_argument("range", *bound[1]));
  }
  if (bound[2] != nullptr) range->step = AGLM_TRY(integer_argument("range", *bound[2]));
  if (range->step == 0) return template_error("range() arg 3 must not be zero");
  if (range->size() > kMaxRange) {
    return template_error(fmt::format(
        "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange));
  }
  return Value::object(Kind::kRange, std::move(range));
}

// dict(mapping or pairs, **named): shared by dict() and namespace().
Result<void> fill_dict(Interpreter& interpreter, std::string_view function, Arguments& arguments,
                       Dict& dict) {
  if (arguments.positional.size() > 1) {
    return template_error(fmt::format("{}() takes at most 1 positional argument", function));
  }
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is_undefined()) return template_error(source.undefined_message());
    if (source.is(Kind::kDict)) {
      AGLM_TRY(interpreter.spend(static_cast<int64_t>(source.as<Dict>().entries.size()) * 96));
      dict = source.as<Dict>();
    } else {
      for (const Value& pair : AGLM_TRY(interpreter.collect(source))) {
        const std::vector<Value> parts = AGLM_TRY(interpreter.collect(pair));
        if (parts.size() != 2) {
          return template_error("dictionary update sequence element does not have length 2");
        }
        AGLM_TRY(interpreter.put(dict, parts[0], parts[1]));
      }
    }
  }
  for (auto& [name, v] : arguments.named) dict.set(name, std::move(v));
  return {};
}

Result<Value> make_dict(Interpreter& interpreter, const Value&, Arguments& arguments) {
  auto dict = std::make_shared<Dict>();
  AGLM_TRY(fill_dict(interpreter, "dict", arguments, *dict));
  return interpreter.make_dict(std::move(dict));
}

Result<Value> make_namespace(Interpreter& interpreter, const Value&, Arguments& arguments) {
  auto fields = std::make_shared<Namespace>();
  AGLM_TRY(fill_dict(interpreter, "namespace", arguments, fields->fields));
  for (const auto& [key, v] : fields->fields.entries) {
    if (key.is_string() && key.text().starts_with('_')) {
      return template_error(fmt::format(
          "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{}'",
          key.text()));
    }
  }
  return interpreter.make_namespace(std::move(fields));
}

Result<Value> make_cycler(Interpreter& interpreter, const Value&, Arguments& arguments) {
  if (!arguments.named.empty()) return template_error("cycler() takes no keyword arguments");
  if (arguments.positional.empty()) {
    return template_error("at least one item has to be provided");
  }
  const Value items = AGLM_TRY(interpreter.make_list(arguments.positional));  // checks their size
  auto cycler = std::make_shared<Cycler>();
  cycler->depth = items.depth();
  cycler->items = std::move(arguments.positional);
  return Value::object(Kind::kCycler, std::move(cycler));
}

Result<Value> make_joiner(Interpreter&, const Value&, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("joiner", arguments, {"sep"}));
  auto joiner = std::make_shared<Joiner>();
  joiner->separator = bound[0] == nullptr ? ", " : AGLM_TRY(string_argument("joiner", *bound[0]));
  return Value::object(Kind::kJoiner, std::move(joiner));
}

Result<Value> raise_exception(Interpreter& interpreter, const Value&, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("raise_exception", arguments, {"message"}, 1));
  return template_error(AGLM_TRY(interpreter.to_text(*bound[0])));
}

// A naive local time, as datetime.now() gives: %z and %Z are empty, %f is Python's own.
std::string python_format(std::string_view format, int64_t microseconds) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out.push_back(format[i]);
      continue;
    }
    const char c = format[++i];
    if (c == 'f') {
      out += fmt::format("{:06}", microseconds);
    } else if (c != 'z' && c != 'Z') {
      out.push_back('%');
      out.push_back(c);
    }
  }
  return out;
}

Result<Value> strftime_now(Interpreter& interpreter, const Value&, Arguments& arguments) {
  constexpr size_t kLongestFormat = 4096;  // dates are short; strftime's output grows with it
  const Bound bound = AGLM_TRY(bind("strftime_now", arguments, {"format"}, 1));
  const std::string_view format = AGLM_TRY(string_argument("strftime_now", *bound[0]));
  if (format.size() > kLongestFormat || format.find('\0') != std::string_view::npos) {
    return template_error("strftime_now() format is too long or holds a zero byte");
  }
  const std::time_t seconds = Interpreter::Clock::to_time_t(interpreter.now());
  const auto micro =
      std::chrono::duration_cast<std::chrono::microseconds>(interpreter.now().time_since_epoch())
          .count() %
      1'000'000;
  std::tm local{};
  localtime_r(&seconds, &local);
  // A last space tells an empty result from one that did not fit.
  std::string pattern = python_format(format, micro) + " ";
  std::string out(pattern.size() * 16 + 256, '\0');
  // Widths ("%500d") may ask for any length; what does not fit is refused.
  const size_t size = std::strftime(out.data(), out.size(), pattern.c_str(), &local);
  if (size == 0) return template_error("strftime_now() result is too long");
  out.resize(size - 1);
  return interpreter.make_string(std::move(out));
}

Result<Value> no_lipsum(Interpreter&, const Value&, Arguments&) {
  return template_error("lipsum() gives random text and is refused");
}

constexpr BuiltinEntry kGlobals[] = {
    {"range", make_range},          {"dict", make_dict},     {"namespace", make_namespace},
    {"cycler", make_cycler},        {"joiner", make_joiner}, {"raise_exception", raise_exception},
    {"strftime_now", strftime_now}, {"lipsum", no_lipsum},
};

}  // namespace

std::span<const BuiltinEntry> globals() { return kGlobals; }

}  // namespace autoglm::jinja
