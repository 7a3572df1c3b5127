// The services of a render: bounds, making values, calling, and the context's conversion.
#include "text/jinja/interpreter.h"

#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/represent.h"

namespace autoglm::jinja {
namespace {

Error exhausted(std::string what) {
  return Error{ErrorCode::kTooLarge, std::move(what), {}, {}, {}};
}

constexpr int64_t kBytesPerStep = 256;  // text handled at the price of one evaluation
constexpr int64_t kValueBytes = 48;     // a value and its share of a container
constexpr int64_t kScanCost = 16;       // decoding a code point and asking for its properties
constexpr int64_t kSearchCost = 8;      // measured for the worst needles
constexpr int64_t kWriteCost = 16;      // repr(): escapes, digits

}  // namespace

Interpreter::~Interpreter() {
  // Namespaces and scopes may hold each other in circles; emptied one by one, none of them can
  // take another along.
  for (auto& fields : namespaces_) {
    const Dict gone = std::move(fields->fields);
    fields->fields = {};
  }
  for (auto& scope : held_scopes_) {
    const auto gone = std::move(scope->variables);
    scope->variables.clear();
  }
}

Result<std::string> Interpreter::run(const json::object& context) {
  for (const auto& [key, v] : context) {
    context_.emplace(std::string(key), AGLM_TRY(from_json(v)));
  }
  memory_ = 0;  // the caller bounds the context; what follows is the template's
  root_ = std::make_shared<Scope>();
  scope_ = root_;
  std::string out;
  out_ = &out;
  AGLM_TRY(run_body(template_.body));
  return out;
}

Result<Value> Interpreter::from_json(const json::value& v) {
  const Deeper deeper(*this);
  AGLM_TRY(deeper.check());
  switch (v.kind()) {
    case boost::json::kind::null: return Value::none();
    case boost::json::kind::bool_: return Value::boolean(v.get_bool());
    case boost::json::kind::int64: return Value::integer(v.get_int64());
    case boost::json::kind::uint64:
      return template_error(
          fmt::format("integer {} of the context does not fit into 64 bits", v.get_uint64()));
    case boost::json::kind::double_: return Value::real(v.get_double());
    case boost::json::kind::string:
      return Value::string(std::string(v.get_string().data(), v.get_string().size()));
    case boost::json::kind::array: {
      std::vector<Value> items;
      items.reserve(v.get_array().size());
      for (const json::value& item : v.get_array()) items.push_back(AGLM_TRY(from_json(item)));
      return make_list(std::move(items));
    }
    case boost::json::kind::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : v.get_object()) {
        dict->set(std::string_view(key.data(), key.size()), AGLM_TRY(from_json(item)));
      }
      return make_dict(std::move(dict));
    }
  }
  return Value::none();
}

Error Interpreter::located(Error error, Position position) const {
  if (error.where.empty()) {
    error.where = fmt::format("{}:{}:{}", template_.where, position.line, position.column);
  }
  return error;
}

Result<void> Deeper::check() const {
  if (interpreter_->depth_ <= interpreter_->limits_.depth) return {};
  return exhausted(
      fmt::format("template nests deeper than {} evaluations", interpreter_->limits_.depth));
}

Result<void> Interpreter::spend(int64_t bytes) {
  ++steps_;
  return spend_more(bytes);
}

Result<void> Interpreter::spend_more(int64_t bytes) {
  steps_ += bytes / kBytesPerStep;
  if (steps_ <= limits_.steps) return {};
  return exhausted(fmt::format("template takes more than {} steps", limits_.steps));
}

Result<void> Interpreter::spend_scan(std::string_view text) {
  return spend_more(static_cast<int64_t>(text.size()) * kScanCost);
}

Result<void> Interpreter::spend_search(std::string_view text, std::string_view needle) {
  if (needle.size() > text.size()) return {};
  const auto size = static_cast<int64_t>(text.size());
  return spend_more(needle.size() <= 1 ? size : size * kSearchCost);
}

Result<void> Interpreter::spend_call(const Value& self, const Arguments& arguments) {
  const auto text_bytes = [](const Value& v) {
    return v.is_string() ? static_cast<int64_t>(v.text().size()) : 0;
  };
  int64_t bytes = text_bytes(self);
  for (const Value& v : arguments.positional) bytes += kValueBytes + text_bytes(v);
  for (const auto& [name, v] : arguments.named) {
    bytes += kValueBytes + static_cast<int64_t>(name.size()) + text_bytes(v);
  }
  return spend(bytes);
}

Result<void> Interpreter::allocate(int64_t bytes) {
  AGLM_TRY(spend(bytes));
  memory_ += bytes;
  if (memory_ <= limits_.memory_bytes) return {};
  return exhausted(fmt::format("template allocates more than {} bytes", limits_.memory_bytes));
}

Result<void> Interpreter::check_count(int64_t items) const {
  if (items <= limits_.container_items) return {};
  return exhausted(fmt::format("list or dict grows over {} items", limits_.container_items));
}

Result<void> Interpreter::check_bytes(int64_t bytes) const {
  if (bytes <= limits_.output_bytes) return {};
  return exhausted(fmt::format("text grows over {} bytes", limits_.output_bytes));
}

Result<Value> Interpreter::make_string(std::string bytes, bool markup) {
  const auto size = static_cast<int64_t>(bytes.size());
  AGLM_TRY(check_bytes(size));
  AGLM_TRY(allocate(size));
  return Value::string(std::move(bytes), markup);
}

namespace {

Result<void> check_shape(const Value& v) {
  if (v.depth() > kMaxValueDepth) {
    return exhausted(fmt::format("values nest deeper than {}", kMaxValueDepth));
  }
  if (v.weight() > kMaxValueWeight) {
    return exhausted(fmt::format("value spans more than {} values", kMaxValueWeight));
  }
  return {};
}

}  // namespace

Result<Value> Interpreter::make_list(std::vector<Value> items) {
  const auto count = static_cast<int64_t>(items.size());
  AGLM_TRY(check_count(count));
  AGLM_TRY(allocate(count * kValueBytes));
  Value v = Value::list(std::move(items));
  AGLM_TRY(check_shape(v));
  return v;
}

Result<Value> Interpreter::make_tuple(std::vector<Value> items, bool group) {
  const Value list = AGLM_TRY(make_list(std::move(items)));
  return Value::tuple(list.items(), group);
}

Result<Value> Interpreter::make_dict(std::shared_ptr<Dict> dict) {
  const auto count = static_cast<int64_t>(dict->entries.size());
  AGLM_TRY(check_count(count));
  AGLM_TRY(allocate(2 * count * kValueBytes));
  Value v = Value::object(Kind::kDict, std::move(dict));
  AGLM_TRY(check_shape(v));
  return v;
}

Result<Value> Interpreter::make_iterator(std::shared_ptr<Iterator> iterator) {
  AGLM_TRY(spend(0));
  Value v = Value::object(Kind::kIterator, std::move(iterator));
  AGLM_TRY(check_shape(v));
  return v;
}

Result<Value> Interpreter::make_namespace(std::shared_ptr<Namespace> fields) {
  if (static_cast<int64_t>(namespaces_.size()) >= limits_.held_scopes) {
    return exhausted(fmt::format("template makes more than {} namespaces", limits_.held_scopes));
  }
  const auto count = static_cast<int64_t>(fields->fields.entries.size());
  AGLM_TRY(check_count(count));
  AGLM_TRY(allocate(2 * count * kValueBytes));
  namespaces_.push_back(fields);
  return Value::object(Kind::kNamespace, std::move(fields));
}

Result<void> Interpreter::hold(ScopePtr scope) {
  for (; scope != nullptr && !scope->held; scope = scope->outer) {
    if (static_cast<int64_t>(held_scopes_.size()) >= limits_.held_scopes) {
      return exhausted(fmt::format("macros close over more than {} scopes", limits_.held_scopes));
    }
    scope->held = true;
    held_scopes_.push_back(scope);
  }
  return {};
}

Result<std::vector<Value>> Interpreter::collect(const Value& source) {
  if (source.is_sequence()) {
    AGLM_TRY(spend(static_cast<int64_t>(source.items().size()) * kValueBytes));
    return source.items();
  }
  Cursor cursor = AGLM_TRY(Cursor::over(source));
  std::vector<Value> items;
  Value item;
  while (AGLM_TRY(cursor.next(*this, item))) {
    items.push_back(std::move(item));
    AGLM_TRY(check_count(static_cast<int64_t>(items.size())));
  }
  return items;
}

Result<std::string> Interpreter::to_text(const Value& v) {
  if (!v.is_string() && !v.is_undefined()) return to_representation(v);
  AGLM_TRY(spend_more(v.is_string() ? static_cast<int64_t>(v.text().size()) : 0));
  return v.is_string() ? std::string(v.text()) : std::string();
}

Result<std::string> Interpreter::to_representation(const Value& v) {
  AGLM_TRY(spend(v.weight() * kValueBytes * kWriteCost));
  std::string text = AGLM_TRY(python_repr(v, static_cast<size_t>(limits_.output_bytes)));
  AGLM_TRY(spend(static_cast<int64_t>(text.size())));
  return text;
}

template <class Compare>
auto Interpreter::counted(Compare compare) -> Result<decltype(compare(std::declval<Work&>()))> {
  const int64_t before = (limits_.steps - steps_) * kBytesPerStep;
  Work work{before};
  auto result = compare(work);
  AGLM_TRY(work.left < 0 ? spend(before) : spend_more(before - work.left));
  return result;
}

Result<bool> Interpreter::equals(const Value& a, const Value& b) {
  return counted([&](Work& work) { return equal(a, b, work); });
}

Result<int> Interpreter::ordered(const Value& a, const Value& b, std::string_view operation) {
  Result<int> c = 0;
  AGLM_TRY(counted([&](Work& work) {
    c = order(a, b, operation, work);
    return true;
  }));
  return c;
}

Result<void> Interpreter::check_hashable(const Value& key) {
  if (key.is(Kind::kTuple)) AGLM_TRY(spend(key.weight() * kValueBytes));
  if (hashable(key)) return {};
  return template_error(fmt::format("unhashable type: '{}'", type_name(key)));
}

Result<const Value*> Interpreter::find(const Dict& dict, const Value& key) {
  AGLM_TRY(check_hashable(key));
  return counted([&](Work& work) { return dict.find(key, work); });
}

Result<void> Interpreter::put(Dict& dict, const Value& key, Value v) {
  AGLM_TRY(check_hashable(key));
  AGLM_TRY(check_count(static_cast<int64_t>(dict.entries.size())));
  AGLM_TRY(counted([&](Work& work) {
    dict.set(key, std::move(v), work);
    return true;
  }));
  return {};
}

Result<Value> Interpreter::apply(Builtin builtin, const Value& self, Arguments arguments) {
  const Deeper deeper(*this);
  AGLM_TRY(deeper.check());
  AGLM_TRY(spend_call(self, arguments));
  return builtin(*this, self, arguments);
}

Result<Value> Interpreter::call_filter(std::string_view name, const Value& v, Arguments arguments) {
  const Builtin builtin = find_filter(name);
  if (builtin == nullptr) return template_error(fmt::format("No filter named '{}'", name));
  return apply(builtin, v, std::move(arguments));
}

Result<Value> Interpreter::call_test(std::string_view name, const Value& v, Arguments arguments) {
  const Builtin builtin = find_test(name);
  if (builtin == nullptr) return template_error(fmt::format("No test named '{}'", name));
  return apply(builtin, v, std::move(arguments));
}

}  // namespace autoglm::jinja
