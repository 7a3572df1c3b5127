// A conversation of blocks to one of messages: a user's turn with results of tools becomes a tool's
// message for each, and one of the user's with what else it says.
#include "serve/api/anthropic_request.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

constexpr std::array kNames = {
    FieldName{"stop", "stop_sequences"}, FieldName{"response_format", "output_config.format"},
    FieldName{"user", "metadata.user_id"}, FieldName{"parallel_tool_calls", "tool_choice"}};

Error no_block(std::string_view type, const std::string& where) {
  return not_offered(where, fmt::format("blocks of type \"{}\" are not supported by this model",
                                        short_name(type)));
}

// A document that is plain text; others are not read.
Result<std::string> document_text(const json::Fields& block) {
  const json::Fields source = AGLM_TRY(required_object(block, "source"));
  const std::string type = AGLM_TRY(required_string(source, "type"));
  if (type != "text") {
    return not_offered(
        source.where() + ".type",
        fmt::format("documents of type \"{}\" are not supported; \"text\" is", short_name(type)));
  }
  std::string text = AGLM_TRY(required_string(source, "data"));
  if (const auto title = AGLM_TRY(string_field(block, "title"))) text = *title + "\n\n" + text;
  return text;
}

// The text of content that has nothing else: a string, or a list of text blocks.
Result<std::string> text_only(const json::value* content, const std::string& where) {
  if (content == nullptr || content->is_null()) return std::string();
  if (content->is_string()) return std::string(content->get_string());
  if (!content->is_array()) {
    return bad_field(where, "wrong kind", "a string or a list of blocks",
                     json::kind_name(*content));
  }
  std::string text;
  const json::array& blocks = content->get_array();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const json::Fields block = AGLM_TRY(json::fields_of(blocks[i], at));
    const std::string type = AGLM_TRY(required_string(block, "type"));
    if (i > 0) text += '\n';
    if (type == "text") {
      text += AGLM_TRY(required_string(block, "text"));
    } else if (type == "document") {
      text += AGLM_TRY(document_text(block));
    } else {
      return no_block(type, at);
    }
  }
  return text;
}

json::object text_part(std::string_view text) { return {{"type", "text"}, {"text", text}}; }

// The messages that one turn becomes.
class Turn {
 public:
  explicit Turn(std::string role) : role_(std::move(role)) {}

  Result<void> add(const json::value& value, const std::string& at) {
    const json::Fields block = AGLM_TRY(json::fields_of(value, at));
    const std::string type = AGLM_TRY(required_string(block, "type"));
    if (type == "text") {
      parts_.push_back(text_part(AGLM_TRY(required_string(block, "text"))));
      return {};
    }
    return role_ == "assistant" ? add_of_assistant(block, type) : add_of_user(block, type);
  }

  void finish(json::array& messages) {
    const bool says = !parts_.empty() || !calls_.empty();
    if (says || results_.empty()) {
      json::object message{{"role", role_}, {"content", content()}};
      if (!calls_.empty()) message["tool_calls"] = std::move(calls_);
      results_.push_back(std::move(message));
    }
    for (json::value& message : results_) messages.push_back(std::move(message));
  }

 private:
  Result<void> add_of_assistant(const json::Fields& block, const std::string& type) {
    if (type == "thinking" || type == "redacted_thinking") {
      parts_.push_back(block.raw());
      return {};
    }
    if (type != "tool_use") return no_block(type, block.where());
    const std::string id = AGLM_TRY(required_string(block, "id"));
    const std::string name = AGLM_TRY(required_string(block, "name"));
    const json::value* input = block.find("input");
    if (input != nullptr && !input->is_object()) return block.wrong("input", "an object");
    const std::string arguments = input == nullptr ? "{}" : dump(*input);
    calls_.push_back(
        json::object{{"id", id},
                     {"type", "function"},
                     {"function", json::object{{"name", name}, {"arguments", arguments}}}});
    return {};
  }

  Result<void> add_of_user(const json::Fields& block, const std::string& type) {
    if (type == "document") {
      parts_.push_back(text_part(AGLM_TRY(document_text(block))));
      return {};
    }
    if (type != "tool_result") return no_block(type, block.where());
    const std::string id = AGLM_TRY(required_string(block, "tool_use_id"));
    std::string text = AGLM_TRY(text_only(block.find("content"), block.where() + ".content"));
    // No other API says so apart from the text.
    if (AGLM_TRY(boolean_field(block, "is_error", false))) text = "Error: " + text;
    results_.push_back(json::object{{"role", "tool"}, {"tool_call_id", id}, {"content", text}});
    return {};
  }

  // A single text, or none, as a string: what an answer can go on with.
  json::value content() {
    if (parts_.empty()) return "";
    const json::object& first = parts_.front().get_object();
    if (parts_.size() == 1 && first.at("type") == "text") return first.at("text");
    return std::move(parts_);
  }

  const std::string role_;
  json::array results_, parts_, calls_;
};

Result<void> add_turn(const json::value& value, const std::string& where, json::array& messages) {
  const json::Fields turn = AGLM_TRY(json::fields_of(value, where));
  const std::string role = AGLM_TRY(required_string(turn, "role"));
  // "system" among the messages is of its newer models.
  if (role != "user" && role != "assistant" && role != "system") {
    return bad_field(where + ".role", "unknown role", "\"user\" or \"assistant\"",
                     short_name(role));
  }
  const json::value* content = turn.find("content");
  if (content == nullptr) {
    return bad_field(where + ".content", "field is missing", "a string or a list of blocks");
  }
  if (content->is_string()) {
    messages.push_back(json::object{{"role", role}, {"content", content->get_string()}});
    return {};
  }
  if (!content->is_array()) {
    return bad_field(where + ".content", "wrong kind", "a string or a list of blocks",
                     json::kind_name(*content));
  }
  Turn blocks(role);
  const json::array& list = content->get_array();
  for (size_t i = 0; i < list.size(); ++i) {
    AGLM_TRY(blocks.add(list[i], fmt::format("{}.content[{}]", where, i)));
  }
  blocks.finish(messages);
  return {};
}

Result<json::array> read_turns(const json::Fields& fields) {
  json::array messages;
  const std::string system = AGLM_TRY(text_only(fields.find("system"), "system"));
  if (!system.empty()) messages.push_back(json::object{{"role", "system"}, {"content", system}});
  if (fields.find("messages") == nullptr) {
    return bad_field("messages", "field is missing", "a list of messages");
  }
  const json::array& turns = *AGLM_TRY(fields.list("messages"));
  if (turns.empty()) return bad_field("messages", "the list is empty", "at least one message");
  for (size_t i = 0; i < turns.size(); ++i) {
    AGLM_TRY(add_turn(turns[i], fmt::format("messages[{}]", i), messages));
  }
  return messages;
}

// Tools that run at the caller's. Anthropic's own have a type and no schema; "custom" is the plain
// kind.
Result<void> read_tools(const json::Fields& fields, json::object& chat) {
  if (fields.find("tools") == nullptr) return {};
  const json::array& given = *AGLM_TRY(fields.list("tools"));
  json::array tools;
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const json::Fields tool = AGLM_TRY(json::fields_of(given[i], where));
    const auto type = AGLM_TRY(string_field(tool, "type"));
    if (type && *type != "custom") {
      return not_offered(where + ".type", fmt::format("tools of type \"{}\" are not offered here; "
                                                      "\"custom\" ones, with an input_schema, are",
                                                      short_name(*type)));
    }
    const std::string name = AGLM_TRY(required_string(tool, "name"));
    json::object function{{"name", name}};
    if (const auto text = AGLM_TRY(string_field(tool, "description"))) {
      function["description"] = *text;
    }
    function["parameters"] = AGLM_TRY(required_object(tool, "input_schema")).raw();
    function["strict"] = AGLM_TRY(boolean_field(tool, "strict", false));
    tools.push_back(json::object{{"type", "function"}, {"function", std::move(function)}});
  }
  if (!tools.empty()) chat["tools"] = std::move(tools);
  return {};
}

Result<void> read_tool_choice(const json::Fields& fields, json::object& chat) {
  if (fields.find("tool_choice") == nullptr) return {};
  const json::Fields choice = AGLM_TRY(required_object(fields, "tool_choice"));
  const std::string type = AGLM_TRY(required_string(choice, "type"));
  if (AGLM_TRY(boolean_field(choice, "disable_parallel_tool_use", false))) {
    chat["parallel_tool_calls"] = false;
  }
  if (type == "auto" || type == "none") {
    chat["tool_choice"] = type;
  } else if (type == "any") {
    chat["tool_choice"] = "required";
  } else if (type == "tool") {
    const std::string name = AGLM_TRY(required_string(choice, "name"));
    chat["tool_choice"] =
        json::object{{"type", "function"}, {"function", json::object{{"name", name}}}};
  } else {
    return bad_field("tool_choice.type", "unknown choice", "auto, any, tool or none",
                     short_name(type));
  }
  return {};
}

// {"type": "json_schema", "schema": {...}}, in `output_config` or in the older place.
Result<void> read_output(const json::Fields& fields, json::object& chat) {
  json::Fields holder = fields;
  std::string_view key = "output_format";
  if (fields.find("output_config") != nullptr) {
    holder = AGLM_TRY(required_object(fields, "output_config"));
    key = "format";
    if (const auto effort = AGLM_TRY(string_field(holder, "effort"))) {
      chat["reasoning_effort"] = *effort;
    }
  }
  if (holder.find(key) == nullptr) return {};
  const json::Fields format = AGLM_TRY(required_object(holder, key));
  const std::string type = AGLM_TRY(required_string(format, "type"));
  if (type != "json_schema") {
    return bad_field(format.where() + ".type", "unknown type", "\"json_schema\"", short_name(type));
  }
  const json::Fields schema = AGLM_TRY(required_object(format, "schema"));
  chat["response_format"] =
      json::object{{"type", "json_schema"},
                   {"json_schema", json::object{{"name", "answer"}, {"schema", schema.raw()}}}};
  return {};
}

// Without the field it is as the model's template has it.
Result<void> read_thinking(const json::Fields& fields, json::object& chat) {
  if (fields.find("thinking") == nullptr) return {};
  const json::Fields thinking = AGLM_TRY(required_object(fields, "thinking"));
  json::object passed = thinking.raw();
  // When to think is the model's to say.
  if (AGLM_TRY(required_string(thinking, "type")) == "between_tools") passed["type"] = "adaptive";
  chat["thinking"] = std::move(passed);
  if (AGLM_TRY(string_field(thinking, "display")) == "omitted") chat["include_reasoning"] = false;
  return {};
}

Result<void> refuse_others(const json::Fields& fields) {
  for (const std::string_view key : {"mcp_servers", "container", "fallbacks"}) {
    const json::value* value = fields.find(key);
    const bool empty = value == nullptr || (value->is_array() && value->get_array().empty());
    if (!empty) return not_offered(key, "this field is not supported");
  }
  return {};
}

}  // namespace

Result<json::object> read_messages_request(const json::Fields& fields, bool counts) {
  json::object chat;
  AGLM_TRY(refuse_others(fields));
  chat["messages"] = AGLM_TRY(read_turns(fields));
  AGLM_TRY(read_tools(fields, chat));
  AGLM_TRY(read_tool_choice(fields, chat));
  AGLM_TRY(read_output(fields, chat));
  // Read by the same names; the second line is what this server's clients may add.
  for (const std::string_view key :
       {"model", "temperature", "top_p", "top_k", "stream",  //
        "seed", "min_p", "priority", "cache_salt", "timeout_ms", "chat_template_kwargs"}) {
    if (const json::value* value = fields.find(key)) chat[key] = *value;
  }
  AGLM_TRY(read_thinking(fields, chat));
  if (const json::value* stops = fields.find("stop_sequences")) {
    if (!stops->is_array()) return fields.wrong("stop_sequences", "a list of strings");
    if (!stops->get_array().empty()) chat["stop"] = *stops;
  }
  if (fields.find("metadata") != nullptr) {
    const json::Fields metadata = AGLM_TRY(required_object(fields, "metadata"));
    if (const auto user = AGLM_TRY(string_field(metadata, "user_id"))) chat["user"] = *user;
  }
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (const auto length = AGLM_TRY(integer_field(fields, "max_tokens", 1, kMost))) {
    chat["max_tokens"] = *length;
  } else if (!counts) {
    return bad_field("max_tokens", "field is missing", "how long the answer may be, in tokens");
  }
  // A turn of the assistant at the end is the beginning of the answer.
  const json::object& last = chat.at("messages").get_array().back().get_object();
  if (last.at("role") == "assistant" && last.at("content").is_string() &&
      !last.contains("tool_calls")) {
    chat["continue_final_message"] = true;
  }
  return chat;
}

Error in_messages_names(Error error) { return renamed(std::move(error), kNames); }

}  // namespace autoglm::serve
