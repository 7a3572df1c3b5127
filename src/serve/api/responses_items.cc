// Items of a conversation to messages of a chat: calls that follow each other, with the thoughts
// and the words before them, are one turn of the assistant.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/responses_request.h"

namespace autoglm::serve {
namespace {

// A string, or a list of text parts.
Result<std::string> text_of_content(const json::Fields& item, std::string_view key) {
  const json::value* content = item.find(key);
  const std::string where = fmt::format("{}.{}", item.where(), key);
  if (content == nullptr) return std::string();
  if (content->is_string()) return std::string(content->get_string());
  if (!content->is_array()) {
    return bad_field(where, "wrong kind", "a string or a list of parts", json::kind_name(*content));
  }
  std::string text;
  const json::array& parts = content->get_array();
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const json::Fields part = AGLM_TRY(json::fields_of(parts[i], at));
    const std::string type = AGLM_TRY(required_string(part, "type"));
    if (i > 0) text += '\n';
    if (type == "refusal") {
      text += AGLM_TRY(required_string(part, "refusal"));
    } else if (type == "input_text" || type == "output_text" || type == "text" ||
               type == "summary_text" || type == "reasoning_text") {
      text += AGLM_TRY(required_string(part, "text"));
    } else {
      return not_offered(at, fmt::format("content of type \"{}\" is not supported by this model",
                                         short_name(type)));
    }
  }
  return text;
}

class Conversation {
 public:
  Result<void> add(const json::Fields& item) {
    // Messages may come without a type.
    const std::string type = AGLM_TRY(item.string_or("type", "message"));
    if (type == "message") return add_message(item);
    if (type == "reasoning") return add_thoughts(item);
    if (type == "function_call") return add_call(item);
    if (type == "function_call_output") return add_result(item);
    return not_offered(item.where() + ".type",
                       fmt::format("items of type \"{}\" are not supported", short_name(type)));
  }

  json::array take() {
    finish_turn();
    return std::move(messages_);
  }

 private:
  // The assistant's turn that calls and thoughts belong to.
  json::object& turn() {
    if (turn_.empty()) turn_ = {{"role", "assistant"}, {"content", ""}};
    return turn_;
  }
  void finish_turn() {
    if (!turn_.empty()) messages_.push_back(std::move(turn_));
    turn_ = {};
  }

  Result<void> add_message(const json::Fields& item) {
    const std::string role = AGLM_TRY(required_string(item, "role"));
    std::string text = AGLM_TRY(text_of_content(item, "content"));
    if (role != "user" && role != "assistant" && role != "system" && role != "developer") {
      return bad_field(item.where() + ".role", "unknown role",
                       "user, assistant, system or developer", short_name(role));
    }
    if (role != "assistant") {
      finish_turn();
      messages_.push_back(json::object{{"role", role}, {"content", std::move(text)}});
      return {};
    }
    // Only thoughts may come before an answer's words.
    if (!turn_.empty() &&
        (turn_.contains("tool_calls") || !turn_.at("content").as_string().empty())) {
      finish_turn();
    }
    turn()["content"] = std::move(text);
    return {};
  }

  Result<void> add_thoughts(const json::Fields& item) {
    std::string text = AGLM_TRY(text_of_content(item, "content"));
    if (text.empty()) text = AGLM_TRY(text_of_content(item, "summary"));
    if (!turn_.empty()) finish_turn();
    if (!text.empty()) turn()["reasoning_content"] = std::move(text);
    return {};
  }

  Result<void> add_call(const json::Fields& item) {
    const std::string id = AGLM_TRY(required_string(item, "call_id"));
    const std::string name = AGLM_TRY(required_string(item, "name"));
    const std::string arguments = AGLM_TRY(required_string(item, "arguments"));
    json::value& calls = turn()["tool_calls"];
    if (calls.is_null()) calls = json::array();
    calls.as_array().push_back(
        json::object{{"id", id},
                     {"type", "function"},
                     {"function", json::object{{"name", name}, {"arguments", arguments}}}});
    return {};
  }

  Result<void> add_result(const json::Fields& item) {
    const std::string id = AGLM_TRY(required_string(item, "call_id"));
    std::string output = AGLM_TRY(text_of_content(item, "output"));
    finish_turn();
    messages_.push_back(
        json::object{{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(output)}});
    return {};
  }

  json::array messages_;
  json::object turn_;
};

}  // namespace

Result<json::array> messages_of_items(const json::array& items, const std::string& where) {
  Conversation conversation;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const json::Fields item = AGLM_TRY(json::fields_of(items[i], at));
    AGLM_TRY(conversation.add(item));
  }
  return conversation.take();
}

}  // namespace autoglm::serve
