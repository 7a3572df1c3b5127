// Chat messages to a template's context. What the template itself decides (parts of content, tool
// arguments as objects) is done where the template is known: text/chat_context.h.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/prompts.h"

namespace autoglm::serve {
namespace {

constexpr size_t kMaxMessages = 10'000;
constexpr size_t kMaxTools = 1024;
// Of all messages together, parts of content and tool calls. Each is an object that is read,
// checked and shown to the template: 10,000 take some 40 ms.
constexpr size_t kMaxParts = 10'000;

// The text of a thinking part: {"thinking": text or text parts}, or {"text": ...}.
std::string thinking_text(const json::object& part) {
  const json::value* found = part.if_contains("thinking");
  if (found == nullptr) found = part.if_contains("text");
  if (found == nullptr) return {};
  if (found->is_string()) return std::string(found->get_string());
  std::string text;
  if (!found->is_array()) return text;
  for (const json::value& item : found->get_array()) {
    const json::object* inner = item.if_object();
    const json::value* words = inner == nullptr ? nullptr : inner->if_contains("text");
    if (words != nullptr && words->is_string()) text += words->get_string();
  }
  return text;
}

// An assistant's thoughts among the parts of its content, as Anthropic's and Mistral's clients send
// them back, become its reasoning_content. Thoughts that a provider has encrypted are left out.
void take_thoughts(json::object& message) {
  json::array& parts = message.at("content").get_array();
  std::string thoughts;
  json::array others;
  for (json::value& part : parts) {
    const json::object* fields = part.if_object();
    const json::value* type = fields == nullptr ? nullptr : fields->if_contains("type");
    if (type != nullptr && (*type == "thinking" || *type == "reasoning")) {
      thoughts += thinking_text(*fields);
    } else if (type == nullptr || *type != "redacted_thinking") {
      others.push_back(std::move(part));
    }
  }
  // `parts` lies in the message, and moves when that gets another field.
  if (others.empty()) {
    message["content"] = "";
  } else {
    parts = std::move(others);
  }
  if (!thoughts.empty() && !message.contains("reasoning_content")) {
    message["reasoning_content"] = thoughts;
  }
}

// The models served today read text alone; a picture that a template would pass over in silence is
// refused.
Result<void> check_parts(const json::array& parts, const std::string& where) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string param = fmt::format("{}.content[{}]", where, i);
    const json::Fields part = AGLM_TRY(json::fields_of(parts[i], param));
    const std::string type = AGLM_TRY(required_string(part, "type"));
    if (type != "text" && type != "input_text" && type != "output_text" && type != "refusal") {
      return not_offered(param, fmt::format("content of type \"{}\" is not supported by this model",
                                            repair_utf8(utf8_prefix(type, 40))));
    }
  }
  return {};
}

// Counts the list `key` of a message among those of the request.
Result<void> count_parts(const json::object& message, std::string_view key,
                         const std::string& where, size_t& n_parts) {
  const json::value* list = message.if_contains(key);
  if (list == nullptr || !list->is_array()) return {};
  n_parts += list->get_array().size();
  if (n_parts <= kMaxParts) return {};
  return bad_field(fmt::format("{}.{}", where, key), "too many parts and tool calls",
                   fmt::format("at most {} in all messages", kMaxParts),
                   fmt::format("{} up to here", n_parts));
}

Result<void> normalise_message(json::object& message, const std::string& where) {
  const json::value* role = message.if_contains("role");
  if (role == nullptr || !role->is_string()) {
    return bad_field(where + ".role", "field is missing or of the wrong kind", "a string");
  }
  // OpenAI's later name; the templates of open models know the earlier one.
  if (*role == "developer") message["role"] = "system";
  // What typed clients write for "none". Templates ask whether a field is there.
  json::object given;
  for (auto& field : message) {
    const json::value& value = field.value();
    const bool none = value.is_null() || (value.is_array() && value.get_array().empty());
    if (!none || field.key() == "content") given[field.key()] = std::move(field.value());
  }
  message = std::move(given);
  if (json::value* content = message.if_contains("content");
      content != nullptr && content->is_array() && message.at("role") == "assistant") {
    take_thoughts(message);
  }
  const json::value* content = message.if_contains("content");
  const bool has_calls = message.contains("tool_calls");
  if (content == nullptr || content->is_null()) {
    if (!has_calls && message.at("role") != "assistant") {
      return bad_field(where + ".content", "field is missing", "a string or a list of parts");
    }
    message["content"] = "";
  } else if (content->is_array()) {
    AGLM_TRY(check_parts(content->get_array(), where));
  } else if (!content->is_string()) {
    return bad_field(where + ".content", "wrong kind", "a string or a list of parts",
                     json::kind_name(*content));
  }
  return {};
}

// Formats end a name at a space, a line's end or a bracket: one with such in it could not be read
// back.
Result<void> check_tool_name(const std::string& name, const std::string& param) {
  constexpr size_t kMostBytes = 256;
  if (name.empty()) return bad_field(param, "the name is empty");
  const bool readable = std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f ||
           std::string_view("<>{}[]()\"'`,").find(c) != std::string_view::npos;
  });
  if (readable && name.size() <= kMostBytes) return {};
  return bad_field(
      param, "not a name",
      fmt::format("at most {} bytes without spaces, quotes, commas and brackets", kMostBytes),
      repair_utf8(utf8_prefix(name, 100)));
}

// "auto", "none", "required", or {"type": "function", "function": {"name": ...}}.
Result<void> read_tool_choice(const json::Fields& fields, ToolWish& wish) {
  constexpr std::string_view kForms =
      "\"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": ...}}";
  const json::value* choice = fields.find("tool_choice");
  if (choice == nullptr || *choice == "auto") return {};
  if (*choice == "none") {
    wish.choice = ToolWish::Choice::kNone;
    return {};
  }
  wish.choice = ToolWish::Choice::kRequired;
  if (*choice == "required") return {};
  if (!choice->is_object()) return bad_field("tool_choice", "unknown choice", kForms);
  const json::Fields named = AGLM_TRY(required_object(fields, "tool_choice"));
  const std::string type = AGLM_TRY(required_string(named, "type"));
  if (type != "function") {
    return bad_field("tool_choice.type", "unknown choice", "\"function\"");
  }
  const json::Fields function = AGLM_TRY(required_object(named, "function"));
  wish.name = AGLM_TRY(required_string(function, "name"));
  return {};
}

Result<ToolWish> read_tools(const json::Fields& fields) {
  ToolWish wish;
  AGLM_TRY(read_tool_choice(fields, wish));
  wish.parallel = AGLM_TRY(boolean_field(fields, "parallel_tool_calls", true));
  bool found = wish.name.empty();
  if (fields.find("tools") != nullptr) {
    const json::array& tools = *AGLM_TRY(fields.list("tools"));
    if (tools.size() > kMaxTools) {
      return bad_field("tools", "too many tools", fmt::format("at most {}", kMaxTools),
                       fmt::to_string(tools.size()));
    }
    for (size_t i = 0; i < tools.size(); ++i) {
      const std::string param = fmt::format("tools[{}]", i);
      const json::Fields tool = AGLM_TRY(json::fields_of(tools[i], param));
      const json::Fields function = AGLM_TRY(required_object(tool, "function"));
      const std::string name = AGLM_TRY(required_string(function, "name"));
      AGLM_TRY(check_tool_name(name, param + ".function.name"));
      const json::value* parameters = function.find("parameters");
      if (parameters != nullptr && !parameters->is_object()) {
        return bad_field(param + ".function.parameters", "wrong kind", "a JSON schema, an object",
                         json::kind_name(*parameters));
      }
      AGLM_TRY(function.boolean_or("strict", false));
      found = found || name == wish.name;
    }
    if (wish.choice != ToolWish::Choice::kNone) wish.tools = tools;
  }
  if (wish.choice == ToolWish::Choice::kRequired && wish.tools.empty()) {
    return bad_field("tool_choice", "a call is required of no tools", "a list of tools beside it");
  }
  if (!found) {
    return bad_field("tool_choice", "no such tool", "the name of one in tools",
                     repair_utf8(utf8_prefix(wish.name, 100)));
  }
  return wish;
}

// `enable_thinking`, and `thinking` as GLM's and Anthropic's API have it, {"type": "enabled"}, or
// as the switch that DeepSeek's templates know.
Result<void> read_thinking(const json::Fields& fields, json::object& context) {
  if (const json::value* thinking = fields.find("thinking")) {
    bool enabled = false;
    if (thinking->is_object()) {
      const json::Fields inner = AGLM_TRY(required_object(fields, "thinking"));
      const std::string type = AGLM_TRY(required_string(inner, "type"));
      if (type != "enabled" && type != "disabled" && type != "adaptive" && type != "auto") {
        return bad_field("thinking.type", "unknown kind", "\"enabled\" or \"disabled\"",
                         repair_utf8(utf8_prefix(type, 40)));
      }
      enabled = type != "disabled";
    } else if (thinking->is_bool()) {
      enabled = thinking->get_bool();
    } else {
      return bad_field("thinking", "wrong kind", "{\"type\": \"enabled\"}, or true or false",
                       json::kind_name(*thinking));
    }
    context["thinking"] = enabled;
    context["enable_thinking"] = enabled;
  }
  // OpenRouter's, {"effort": "low"} or {"enabled": false}.
  if (fields.find("reasoning") != nullptr) {
    const json::Fields inner = AGLM_TRY(required_object(fields, "reasoning"));
    if (inner.find("enabled") != nullptr) {
      context["enable_thinking"] = AGLM_TRY(boolean_field(inner, "enabled", true));
    }
    if (const auto effort = AGLM_TRY(string_field(inner, "effort"))) {
      context["reasoning_effort"] = *effort;
    }
  }
  if (fields.find("enable_thinking") != nullptr) {
    context["enable_thinking"] = AGLM_TRY(boolean_field(fields, "enable_thinking", true));
  }
  return {};
}

}  // namespace

Result<ChatContext> read_chat(const json::Fields& fields) {
  ChatContext chat;
  if (const auto source = AGLM_TRY(string_field(fields, "chat_template"));
      source && !source->empty()) {
    return not_offered("chat_template",
                       "requests cannot bring a template; start the server with --chat-template");
  }
  if (fields.find("chat_template_kwargs") != nullptr) {
    chat.context = AGLM_TRY(fields.child("chat_template_kwargs")).raw();
  }
  if (fields.find("messages") == nullptr) {
    return bad_field("messages", "field is missing", "a list of messages");
  }
  json::array messages = *AGLM_TRY(fields.list("messages"));
  if (messages.empty()) return bad_field("messages", "the list is empty", "at least one message");
  if (messages.size() > kMaxMessages) {
    return bad_field("messages", "too many messages", fmt::format("at most {}", kMaxMessages),
                     fmt::to_string(messages.size()));
  }
  size_t n_parts = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    if (!messages[i].is_object()) {
      return bad_field(where, "wrong kind", "an object", json::kind_name(messages[i]));
    }
    json::object& message = messages[i].get_object();
    AGLM_TRY(count_parts(message, "content", where, n_parts));
    AGLM_TRY(count_parts(message, "tool_calls", where, n_parts));
    AGLM_TRY(normalise_message(message, where));
  }
  const json::object& last = messages.back().get_object();
  const bool last_is_text = last.at("content").is_string();
  if (last_is_text) chat.last_content = last.at("content").get_string();
  chat.last_role = last.at("role").get_string();
  chat.context["messages"] = std::move(messages);
  chat.tools = AGLM_TRY(read_tools(fields));
  if (!chat.tools.tools.empty()) chat.context["tools"] = chat.tools.tools;
  chat.continue_final_message = AGLM_TRY(boolean_field(fields, "continue_final_message", false));
  const bool generation_prompt =
      AGLM_TRY(boolean_field(fields, "add_generation_prompt", !chat.continue_final_message));
  if (chat.continue_final_message && !last_is_text) {
    return bad_field("continue_final_message", "the last message is not plain text", "a string");
  }
  if (generation_prompt && chat.continue_final_message) {
    return bad_field("continue_final_message",
                     "cannot be true together with add_generation_prompt");
  }
  chat.context["add_generation_prompt"] = generation_prompt;
  AGLM_TRY(read_thinking(fields, chat.context));
  // What templates of retrieval show beside the messages.
  if (fields.find("documents") != nullptr) {
    chat.context["documents"] = *AGLM_TRY(fields.list("documents"));
  }
  if (const auto effort = AGLM_TRY(string_field(fields, "reasoning_effort"))) {
    chat.context["reasoning_effort"] = *effort;
  }
  // Templates that know no effort know this.
  if (const json::value* effort = chat.context.if_contains("reasoning_effort");
      effort != nullptr && *effort == "none" && !chat.context.contains("enable_thinking")) {
    chat.context["enable_thinking"] = false;
  }
  chat.add_special_tokens = AGLM_TRY(boolean_field(fields, "add_special_tokens", false));
  return chat;
}

Result<RenderedChat> render_chat(const ModelBackend& backend, const ChatContext& chat) {
  if (!backend.info().has_chat_template) {
    return bad_field("messages", "the model has no chat template; use a completion instead");
  }
  Result<RenderedChat> rendered = backend.render_chat(dump(chat.context));
  if (!rendered) {
    Error error = rendered.error();
    if (error.reason != ErrorReason::kTemplateRefused) return error;
    // Where the template's source lies is no business of the client's.
    error.where = "messages";
    error.what = fmt::format("the chat template refuses the conversation: {}", error.what);
    return error;
  }
  if (!chat.continue_final_message) return rendered;
  std::string& text = rendered->text;
  // As transformers does it: the prompt ends with the last message's words, before what the
  // template puts behind a finished turn. Templates may trim the words.
  std::string_view words = chat.last_content;
  const size_t found_whole = text.rfind(words);
  if (found_whole != std::string::npos) {
    text.resize(found_whole + words.size());
    return rendered;
  }
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = words.find_first_not_of(kSpace);
  words = first == std::string_view::npos
              ? std::string_view()
              : words.substr(first, words.find_last_not_of(kSpace) - first + 1);
  const size_t found = text.rfind(words);
  if (found == std::string::npos) {
    return bad_field("continue_final_message",
                     "the chat template does not show the last message as it is");
  }
  text.resize(found + words.size());
  return rendered;
}

}  // namespace autoglm::serve
