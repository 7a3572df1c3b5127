#include "text/glm_messages.h"

#include <string>
#include <utility>

namespace autoglm {
namespace {

// As ChatGLM3 was trained on (THUDM/ChatGLM3, tools_using_demo).
constexpr std::string_view kChatGlm3Tools =
    "Answer the following questions as best as you can. You have access to the following tools:\n";

std::string string_member(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

// JSON as a Python literal; JSON's strings are Python's too.
std::string python_literal(const json::value& value) {
  if (value.is_null()) return "None";
  if (value.is_bool()) return value.get_bool() ? "True" : "False";
  if (value.is_array()) {
    std::string text = "[";
    for (const json::value& item : value.get_array()) {
      if (text.size() > 1) text += ", ";
      text += python_literal(item);
    }
    return text + "]";
  }
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& [key, item] : value.get_object()) {
      if (text.size() > 1) text += ", ";
      text += boost::json::serialize(json::value(key)) + ": " + python_literal(item);
    }
    return text + "}";
  }
  return boost::json::serialize(value);
}

std::string python_call(const json::value& arguments) {
  std::string text = "```python\ntool_call(";
  if (arguments.is_object()) {
    bool first = true;
    for (const auto& [key, value] : arguments.get_object()) {
      if (!std::exchange(first, false)) text += ", ";
      text += std::string(key) + "=" + python_literal(value);
    }
  }
  return text + ")\n```";
}

// One message for each call, after what the assistant said with them.
void add_calls(ToolMessages form, const json::object& message, json::array& messages) {
  const std::string said = string_member(message, "content");
  if (!said.empty()) messages.push_back({{"role", "assistant"}, {"content", said}});
  for (const json::value& call : message.at("tool_calls").as_array()) {
    const json::value* function = call.as_object().if_contains("function");
    const json::object none;
    const json::object& fields =
        function != nullptr && function->is_object() ? function->get_object() : none;
    const std::string name = string_member(fields, "name");
    const json::value* found = fields.if_contains("arguments");
    const json::value arguments = found != nullptr ? *found : json::value(json::object());
    if (form == ToolMessages::kAsText) {
      messages.push_back(
          {{"role", "assistant"}, {"content", name + "\n " + python_call(arguments)}});
    } else {
      messages.push_back({{"role", "assistant"},
                          {"metadata", name},
                          {"content", boost::json::serialize(arguments)}});
    }
  }
}

json::array rewritten(ToolMessages form, const json::array& given) {
  json::array messages;
  for (const json::value& each : given) {
    json::object message = each.as_object();
    const json::value* calls = message.if_contains("tool_calls");
    if (calls != nullptr && calls->is_array() && !calls->get_array().empty()) {
      add_calls(form, message, messages);
      continue;
    }
    if (string_member(message, "role") == "tool") message["role"] = "observation";
    messages.push_back(std::move(message));
  }
  return messages;
}

// The system message that the tools go into.
json::object& system_message(json::array& messages) {
  const bool has_one =
      !messages.empty() && string_member(messages.front().as_object(), "role") == "system";
  if (!has_one) {
    messages.insert(messages.begin(), json::object{{"role", "system"}, {"content", ""}});
  }
  return messages.front().as_object();
}

}  // namespace

ToolMessages tool_messages_of(std::string_view source) {
  const auto has = [&](std::string_view words) { return source.find(words) != source.npos; };
  if (has("tool_calls") || !has("[gMASK]")) return ToolMessages::kOpenAi;
  if (has("[gMASK]sop")) return ToolMessages::kAsText;
  // A variable of the template, or a field of its messages?
  if (has("if tools") || !has("['tools']")) return ToolMessages::kMetadata;
  return ToolMessages::kInSystem;
}

void write_tool_messages(ToolMessages form, json::object& context) {
  if (form == ToolMessages::kOpenAi) return;
  json::array messages = rewritten(form, context.at("messages").as_array());
  const json::value* tools = context.if_contains("tools");
  if (tools != nullptr && tools->is_array() && !tools->get_array().empty()) {
    if (form == ToolMessages::kInSystem) {
      system_message(messages)["tools"] = *tools;
    } else if (form == ToolMessages::kAsText) {
      json::array functions;
      for (const json::value& tool : tools->get_array()) {
        const json::value* function = tool.as_object().if_contains("function");
        functions.push_back(function != nullptr ? *function : tool);
      }
      json::object& system = system_message(messages);
      const std::string said = string_member(system, "content");
      system["content"] = said + (said.empty() ? "" : "\n") + std::string(kChatGlm3Tools) +
                          boost::json::serialize(functions);
    }
  }
  context["messages"] = std::move(messages);
}

}  // namespace autoglm
