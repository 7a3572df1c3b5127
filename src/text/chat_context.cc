// Normalising a chat request, one message after the other.
#include "text/chat_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "text/tools/json_scanner.h"

namespace autoglm {
namespace {

Error wrong(std::string where, std::string expected, const json::value& found) {
  return Error{ErrorCode::kInvalidArgument, "field has the wrong kind", std::move(where),
               std::move(expected), std::string(json::kind_name(found))};
}

// Counts a request's values before anything is copied.
class Measure {
 public:
  explicit Measure(const ChatContextLimits& limits) : limits_(limits) {}

  Result<void> value(const json::value& v, size_t depth) {
    if (depth > limits_.max_depth) return too_much("levels of nesting", limits_.max_depth);
    if (++n_values_ > limits_.max_values) return too_much("values", limits_.max_values);
    if (v.is_string()) {
      n_bytes_ += v.get_string().size();
    } else if (v.is_array()) {
      for (const json::value& item : v.get_array()) AGLM_TRY(value(item, depth + 1));
    } else if (v.is_object()) {
      for (const auto& [key, item] : v.get_object()) {
        n_bytes_ += key.size();
        AGLM_TRY(value(item, depth + 1));
      }
    }
    if (n_bytes_ > limits_.max_bytes) return too_much("bytes of text", limits_.max_bytes);
    return {};
  }

 private:
  Error too_much(std::string_view what, size_t limit) const {
    return Error{ErrorCode::kTooLarge, "chat request is too large", "messages",
                 fmt::format("at most {} {}", limit, what), "more"};
  }

  const ChatContextLimits& limits_;
  size_t n_values_ = 0;
  size_t n_bytes_ = 0;
};

// OpenAI clients send arguments as JSON text; templates loop over them as an object.
Result<void> parse_arguments(json::object& call, const std::string& where, size_t max_depth) {
  json::value* function = call.if_contains("function");
  if (function == nullptr) return {};
  if (!function->is_object()) return wrong(where + ".function", "an object", *function);
  json::value& arguments = function->get_object()["arguments"];
  if (arguments.is_object() || arguments.is_array()) return {};
  const std::string at = where + ".function.arguments";
  if (arguments.is_null() || (arguments.is_string() && arguments.get_string().empty())) {
    arguments = json::object();
    return {};
  }
  if (!arguments.is_string()) return wrong(at, "an object or its JSON text", arguments);
  const std::string text(arguments.get_string().data(), arguments.get_string().size());
  const json::ParseLimits limits{.max_bytes = text.size() + 2 * max_depth, .max_depth = max_depth};
  Result<json::value> parsed = json::parse(text, at, limits);
  if (!parsed) {
    // A call that was cut off by a limit comes back in the history as its client got it; so does
    // half a character that a model has written and its client's reader took.
    const std::optional<std::string> closed =
        tools::closed_object(tools::without_lone_surrogates(text));
    if (closed) parsed = json::parse(*closed, at, limits);
  }
  arguments = AGLM_TRY(std::move(parsed));
  return {};
}

// "text", and what OpenAI's interfaces call it besides.
bool is_text_part(std::string_view kind) {
  return kind == "text" || kind == "input_text" || kind == "output_text" || kind == "refusal";
}

// The words of a part whose kind is_text_part().
Result<std::string_view> words_of(const json::Fields& part, std::string_view kind) {
  const char* name = kind == "refusal" ? "refusal" : "text";
  const json::value* v = part.find(name);
  if (v == nullptr || !v->is_string()) return part.wrong(name, "a string");
  return std::string_view(v->get_string());
}

// Templates that take parts look for "text" and pass over texts by other names.
Result<void> name_text_parts(json::value& content, const std::string& where) {
  size_t i = 0;
  for (json::value& part : content.get_array()) {
    const std::string at = fmt::format("{}[{}]", where, i++);
    if (!part.is_object()) continue;
    const json::Fields fields(part.get_object(), at);
    const std::string kind = AGLM_TRY(fields.string_or("type", "text"));
    if (kind == "text" || !is_text_part(kind)) continue;
    const std::string words(AGLM_TRY(words_of(fields, kind)));
    part = json::object{{"type", "text"}, {"text", words}};
  }
  return {};
}

Result<void> join_parts(json::value& content, const std::string& where) {
  std::string text;
  bool first = true;
  size_t i = 0;
  for (const json::value& part : content.get_array()) {
    const std::string at = fmt::format("{}[{}]", where, i++);
    std::string_view piece;
    if (part.is_string()) {
      piece = part.get_string();
    } else if (!part.is_object()) {
      return wrong(at, "a text part", part);
    } else {
      const json::Fields fields(part.get_object(), at);
      const std::string kind = AGLM_TRY(fields.string_or("type", "text"));
      if (!is_text_part(kind)) {
        return Error{ErrorCode::kUnsupported, "content part is not text", at,
                     "text: this model's template takes nothing else", kind};
      }
      piece = AGLM_TRY(words_of(fields, kind));
    }
    if (!first) text += "\n";
    first = false;
    text += piece;
  }
  content = json::value(text);
  return {};
}

// The same reasoning under the name each template reads, as transformers fills it.
json::object with_reasoning(json::object message) {
  for (const std::string_view name : {"reasoning_content", "thinking", "reasoning"}) {
    const json::value* found = message.if_contains(name);
    if (found == nullptr || found->is_null()) continue;
    const json::value reasoning = *found;
    message["reasoning_content"] = reasoning;
    if (!message.contains("thinking")) message["thinking"] = reasoning;
    break;
  }
  return message;
}

Result<json::object> normalised(const json::value& v, const std::string& where,
                                const ChatContextOptions& options) {
  if (!v.is_object()) return wrong(where, "an object", v);
  json::object message = v.get_object();
  const json::Fields fields(message, where);
  const std::string role = AGLM_TRY(fields.string("role"));
  if (json::value* content = message.if_contains("content")) {
    const bool as_parts =
        options.content_format && options.content_format(role) == ContentFormat::kParts;
    if (content->is_array()) {
      const std::string at = where + ".content";
      AGLM_TRY(as_parts ? name_text_parts(*content, at) : join_parts(*content, at));
    }
  }
  if (json::value* calls = message.if_contains("tool_calls");
      calls != nullptr && !calls->is_null()) {
    if (!calls->is_array()) return wrong(where + ".tool_calls", "an array", *calls);
    size_t i = 0;
    for (json::value& call : calls->get_array()) {
      const std::string at = fmt::format("{}.tool_calls[{}]", where, i++);
      if (!call.is_object()) return wrong(at, "an object", call);
      AGLM_TRY(parse_arguments(call.get_object(), at, options.limits.max_depth));
    }
  }
  return with_reasoning(std::move(message));
}

Result<json::value> list_or_null(const json::object& request, std::string_view name) {
  const json::value* v = request.if_contains(name);
  if (v == nullptr || v->is_null()) return json::value(nullptr);
  if (!v->is_array()) return wrong(std::string(name), "an array or null", *v);
  size_t i = 0;
  for (const json::value& item : v->get_array()) {
    if (!item.is_object()) return wrong(fmt::format("{}[{}]", name, i), "an object", item);
    ++i;
  }
  return *v;
}

}  // namespace

Result<json::object> chat_context(const json::object& request, const ChatContextOptions& options) {
  AGLM_TRY(Measure(options.limits).value(request, 0));
  const json::Fields fields(request, "");
  json::object context;
  if (const json::value* extra = fields.find("chat_template_kwargs")) {
    if (!extra->is_object()) return wrong("chat_template_kwargs", "an object", *extra);
    for (const auto& [name, v] : extra->get_object()) context[name] = v;
  }
  for (const auto& [name, v] : request) {
    if (name != "chat_template_kwargs") context[name] = v;
  }
  json::array messages;
  size_t i = 0;
  for (const json::value& message : *AGLM_TRY(fields.list("messages"))) {
    messages.push_back(AGLM_TRY(normalised(message, fmt::format("messages[{}]", i), options)));
    ++i;
  }
  context["messages"] = std::move(messages);
  context["tools"] = AGLM_TRY(list_or_null(context, "tools"));
  context["documents"] = AGLM_TRY(list_or_null(context, "documents"));
  if (!context.contains("add_generation_prompt")) context["add_generation_prompt"] = false;
  for (const auto& [name, spelling] : options.special_tokens) {
    if (!context.contains(name)) context[name] = spelling;
  }
  return context;
}

}  // namespace autoglm
