// Every builtin against arguments meant to hurt: work is charged by the byte, so that a render ends
// after a number of calls that its limits allow. The texts are large enough for anything quadratic
// that nobody paid for to show as a test that does not end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "text/chat_template.h"
#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace autoglm::jinja {
namespace {

constexpr int64_t kSteps = 4000;
constexpr int64_t kBytesPerStep = 256;
constexpr size_t kTextBytes = 1 << 18;

Value text(std::string bytes) { return Value::string(std::move(bytes)); }
std::string letters(size_t n, char c = 'a') { return std::string(n, c); }

// A text, and a needle that nearly matches at each of its places.
Value long_text() { return text(letters(kTextBytes)); }
Value near_miss() { return text(letters(kTextBytes / 2) + "b"); }
Value near_miss_backwards() { return text("b" + letters(kTextBytes / 2)); }

Value dict_of(size_t n, bool string_keys) {
  auto dict = std::make_shared<Dict>();
  Work work{int64_t{1} << 40};
  for (size_t i = 0; i < n; ++i) {
    const Value key = string_keys ? text(letters(2000) + std::to_string(i))
                                  : Value::tuple({long_text(), Value::integer(int64_t(i))});
    dict->set(key, long_text(), work);
  }
  return Value::object(Kind::kDict, std::move(dict));
}

// Strings with a long common beginning, so that each comparison reads it.
Value list_of_texts(size_t n) {
  std::vector<Value> items;
  for (size_t i = 0; i < n; ++i) items.push_back(text(letters(4096) + std::to_string(n - i)));
  return Value::list(std::move(items));
}

// 2^20 values in 20 lists that share their parts.
Value shared_tuple() {
  Value v = text("leaf");
  for (int i = 0; i < 20; ++i) v = Value::tuple({v, v});
  return v;
}

Value range_of(int64_t n) {
  auto range = std::make_shared<Range>();
  range->stop = n;
  return Value::object(Kind::kRange, std::move(range));
}

std::vector<Value> receivers() {
  std::string spaces;
  while (spaces.size() < kTextBytes) spaces += "\xE3\x80\x80\t\n ";
  std::string marks;
  while (marks.size() < kTextBytes) marks += "<a>{}%s&amp;\x01";
  return {long_text(),
          text(spaces),
          text(marks),
          text(letters(kTextBytes, '7')),
          list_of_texts(500),
          dict_of(300, true),
          dict_of(100, false),
          shared_tuple(),
          range_of(100'000),
          Value::list({shared_tuple(), shared_tuple()}),
          Value::tuple({long_text(), long_text()}),
          Value::integer(7),
          Value::real(1e300)};
}

std::vector<Arguments> argument_lists() {
  std::string dots;
  while (dots.size() < kTextBytes) dots += "a.,";
  std::vector<Value> affixes(2000, near_miss());
  return {{},
          {{long_text()}, {}},
          {{near_miss()}, {}},
          {{near_miss_backwards()}, {}},
          {{text("a")}, {}},
          {{text("aa")}, {}},
          {{text("")}, {}},
          {{text(dots)}, {}},
          {{text("lower")}, {}},
          {{text("format")}, {}},
          {{text("items")}, {}},
          {{Value::integer(1)}, {}},
          {{Value::integer(100'000)}, {}},
          {{Value::integer(60'000'000)}, {}},
          {{shared_tuple()}, {}},
          {{Value::list({shared_tuple()})}, {}},
          {{list_of_texts(100)}, {}},
          {{Value::tuple(affixes)}, {}},
          {{dict_of(100, false)}, {}},
          {{text("a"), text("bb")}, {}},
          {{near_miss(), text("b")}, {}},
          {{text(""), long_text()}, {}},
          {{text("%d %m %Y")}, {}},
          {{text("a"), text("in"), long_text()}, {}},
          {std::vector<Value>(1000, long_text()), {}},
          {{}, {{"attribute", text("0")}}},
          {{}, {{"attribute", text(dots)}}},
          {{}, {{"indent", Value::integer(200'000)}}},
          {{}, {{"sort_keys", Value::boolean(true)}}},
          {{}, {{"keepends", Value::boolean(true)}}},
          {{}, {{"reverse", Value::boolean(true)}}}};
}

// What a text's size makes the least number of steps that one call may cost.
int64_t least_steps(const Value& self) {
  return self.is_string() ? static_cast<int64_t>(self.text().size()) / kBytesPerStep : 1;
}

struct Table {
  std::string name;
  std::span<const BuiltinEntry> entries;
  bool of_text = false;  // methods of strings
  std::optional<Kind> kind = std::nullopt;
};

std::vector<Table> tables() {
  std::vector<Table> all = {{"filter", text_filters()},
                            {"filter", markup_filters()},
                            {"filter", sequence_filters()},
                            {"filter", selection_filters()},
                            {"filter", number_filters()},
                            {"test", tests()},
                            {"function", globals()},
                            {"string method", string_methods(), true},
                            {"string method", string_predicates(), true}};
  for (const Kind kind :
       {Kind::kDict, Kind::kList, Kind::kTuple, Kind::kRange, Kind::kFloat, Kind::kInt}) {
    all.push_back({"method", container_methods(kind), false, kind});
  }
  return all;
}

// Calls until the render's limits say no; gives the number of calls, or nothing when the builtin
// refuses such arguments.
std::optional<int64_t> calls_until_exhausted(Builtin builtin, const Value& self,
                                             const Arguments& arguments) {
  const Template parsed = parse_template("", "test").value();
  Interpreter interpreter(parsed, {.steps = kSteps}, Interpreter::Clock::now());
  for (int64_t n = 1;; ++n) {
    Result<Value> v = interpreter.apply(builtin, self, arguments);
    // What is lazy does its work when it is read.
    Result<void> read;
    if (v && v->is(Kind::kIterator)) {
      const Result<std::vector<Value>> items = interpreter.collect(*v);
      if (!items) read = items.error();
    }
    if (v && read) continue;
    const Error& error = v ? read.error() : v.error();
    if (error.code == ErrorCode::kTooLarge) return n;
    return std::nullopt;
  }
}

TEST(TemplateWork, EveryBuiltinEndsWithinTheWorkItIsCharged) {
  const std::vector<Value> selves = receivers();
  const std::vector<Arguments> lists = argument_lists();
  for (const Table& table : tables()) {
    for (const BuiltinEntry& entry : table.entries) {
      int64_t n_tried = 0;
      for (const Value& self : selves) {
        if (table.of_text != self.is_string() && (table.of_text || table.kind)) continue;
        if (table.kind && !self.is(*table.kind)) continue;
        for (size_t i = 0; i < lists.size(); ++i) {
          const auto calls = calls_until_exhausted(entry.builtin, self, lists[i]);
          if (!calls) continue;
          ++n_tried;
          EXPECT_LE(*calls, kSteps / least_steps(self) + 1)
              << table.name << " " << entry.name << " of a " << type_name(self)
              << " with arguments no. " << i;
        }
      }
      // Those that always refuse: what chat templates never use, and raise_exception.
      static constexpr std::string_view kRefused[] = {"urlize", "xmlattr", "wordwrap",
                                                      "pprint", "random",  "raise_exception",
                                                      "lipsum", "reset"};
      const bool refused =
          std::find(std::begin(kRefused), std::end(kRefused), entry.name) != std::end(kRefused);
      EXPECT_TRUE(refused || n_tried > 0) << table.name << " " << entry.name << " was not tried";
    }
  }
}

// Operators and statements in place of builtins: each is repeated in a loop that the limits end.
TEST(TemplateWork, EveryOperatorEndsWithinTheWorkItIsCharged) {
  const std::string name(100'000, 'n');
  const std::vector<std::string> bodies = {
      "{{ needle in long }}",
      "{{ long == other }}",
      "{{ long < other }}",
      "{{ long + other }}",
      "{{ long ~ other }}",
      "{{ long * 2 }}",
      "{{ '%s' % long }}",
      "{{ '%0*d' % (long | length, 1) }}",
      "{{ long[::2] }}",
      "{{ long[5:] }}",
      "{{ wide[900000] }}",
      "{{ {long: 1}[long] }}",
      "{{ d[long] }}",
      "{{ d.get(long) }}",
      "{{ {1: 1, 2: 2, 3: 3, (long, 1): 2, (long, 2): 3}[(long, 3)] }}",
      "{% set x = namespace(d) %}",
      "{% set x = dict(d) %}",
      "{{ texts | sort }}",
      "{{ texts == texts2 }}",
      "{{ texts in [texts2] }}",
      "{{ texts }}",
      "{{ texts | tojson }}",
      "{{ cycler(*texts).current }}",
      "{% set " + name + " = 1 %}{{ " + name + " }}",
      "{% for c in long %}{% endfor %}",
      "{% for c in texts if long in c %}{% endfor %}",
      "{% for c in texts | map('string') %}{{ loop.length }}{{ loop.last }}{% endfor %}",
      "{% set x %}{{ long }}{% endset %}",
      "{% filter upper %}{{ long }}{% endfilter %}",
      "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(long) }}",
      "{{ joiner(long)() }}",
  };
  json::object context;
  context["long"] = letters(kTextBytes);
  context["other"] = letters(kTextBytes - 1) + "b";
  context["needle"] = letters(kTextBytes / 2) + "b";
  std::string wide;
  while (wide.size() < 3 * kTextBytes) wide += "\xE4\xBD\xA0";
  context["wide"] = wide;
  json::array texts;
  json::object d;
  for (int i = 0; i < 500; ++i) {
    texts.push_back(json::value(letters(4096) + std::to_string(i)));
    d[letters(2000) + std::to_string(i)] = i;
  }
  context["texts2"] = texts;
  context["texts"] = std::move(texts);
  context["d"] = std::move(d);
  for (const std::string& body : bodies) {
    const std::string source = "{% for i in range(100000) %}{% for j in range(100000) %}" + body +
                               "{% endfor %}{% endfor %}";
    const Result<Template> parsed = parse_template(source, "test");
    ASSERT_TRUE(parsed) << body.substr(0, 80) << ": " << parsed.error().message();
    const Result<std::string> out =
        Interpreter(*parsed, {.steps = 200'000}, Interpreter::Clock::now()).run(context);
    ASSERT_FALSE(out) << body.substr(0, 80);
    EXPECT_EQ(out.error().code, ErrorCode::kTooLarge)
        << body.substr(0, 80) << ": " << out.error().message();
  }
}

// Reading a template is work too: long sources that repeat what could make it quadratic.
TEST(TemplateWork, HostileSourcesAreReadInTime) {
  const std::vector<std::string> units = {"{% set a = b %}",
                                          "{{ x }}\n",
                                          "{# c #}",
                                          "{%- if a -%} {%- endif -%}",
                                          "{{ 'a' ~ 'b' }}",
                                          "{% raw %}{{{% endraw %}",
                                          "{{ a.b.c[0](1)|d }}",
                                          "\n",
                                          "{% macro m(a, b=1) %}{% endmacro %}",
                                          "{{ [[1], {'a': 1}] }}",
                                          "{% for x in y %}{% endfor %}"};
  for (const std::string& unit : units) {
    std::string source;
    while (source.size() < kTextBytes) source += unit;
    const Result<ChatTemplate> parsed = ChatTemplate::parse(source, "test");
    EXPECT_TRUE(parsed) << unit << ": " << parsed.error().message();
  }
  // Each name is known to be a message's content only after the one behind it.
  std::string chain;
  for (int i = 0; chain.size() < kTextBytes; ++i) {
    chain += fmt::format("{{% set n{} = n{} %}}", i, i + 1);
  }
  EXPECT_TRUE(ChatTemplate::parse(chain + "{% set n9 = message.content %}", "test"));
}

}  // namespace
}  // namespace autoglm::jinja
