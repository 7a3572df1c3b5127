#include "serve/api/responses_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

constexpr std::array kNames = {FieldName{"max_completion_tokens", "max_output_tokens"},
                               FieldName{"response_format", "text.format"},
                               FieldName{"messages", "input"}};

// Functions have their members at the top here.
Result<json::array> read_tools(const json::Fields& fields) {
  json::array tools;
  if (fields.find("tools") == nullptr) return tools;
  const json::array& given = *AGLM_TRY(fields.list("tools"));
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const json::Fields tool = AGLM_TRY(json::fields_of(given[i], where));
    const std::string type = AGLM_TRY(required_string(tool, "type"));
    if (type != "function") {
      return not_offered(where + ".type", fmt::format("tools of type \"{}\" are not offered here; "
                                                      "\"function\" ones are",
                                                      short_name(type)));
    }
    json::object function;
    for (const std::string_view key : {"name", "description", "parameters", "strict"}) {
      if (const json::value* value = tool.find(key)) function[key] = *value;
    }
    tools.push_back(json::object{{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

// Those of `tools` that are named in `allowed`.
Result<json::array> allowed_tools(const json::Fields& choice, const json::array& tools) {
  json::array kept;
  const json::array& allowed = *AGLM_TRY(choice.list("tools"));
  for (size_t i = 0; i < allowed.size(); ++i) {
    const std::string where = fmt::format("tool_choice.tools[{}]", i);
    const json::Fields one = AGLM_TRY(json::fields_of(allowed[i], where));
    const std::string name = AGLM_TRY(required_string(one, "name"));
    const auto found = std::ranges::find_if(tools, [&](const json::value& tool) {
      const json::value* has = tool.at("function").as_object().if_contains("name");
      return has != nullptr && has->is_string() && has->get_string() == name;
    });
    if (found == tools.end()) {
      return bad_field(where + ".name", "no such tool", "the name of one in tools",
                       short_name(name));
    }
    kept.push_back(*found);
  }
  return kept;
}

Result<void> read_tool_choice(const json::Fields& fields, json::array& tools, json::object& chat) {
  const json::value* given = fields.find("tool_choice");
  if (given == nullptr) return {};
  if (given->is_string()) {
    chat["tool_choice"] = *given;
    return {};
  }
  const json::Fields choice = AGLM_TRY(required_object(fields, "tool_choice"));
  const std::string type = AGLM_TRY(required_string(choice, "type"));
  if (type == "function") {
    const std::string name = AGLM_TRY(required_string(choice, "name"));
    chat["tool_choice"] =
        json::object{{"type", "function"}, {"function", json::object{{"name", name}}}};
  } else if (type == "allowed_tools") {
    tools = AGLM_TRY(allowed_tools(choice, tools));
    chat["tool_choice"] = AGLM_TRY(choice.string_or("mode", "auto"));
  } else {
    return not_offered("tool_choice.type", fmt::format("\"{}\" is not offered here; \"function\" "
                                                       "and \"allowed_tools\" are",
                                                       short_name(type)));
  }
  return {};
}

// `text.format`: the schema's members stand at the top here, too.
Result<void> read_format(const json::Fields& fields, json::object& chat) {
  if (fields.find("text") == nullptr) return {};
  const json::Fields text = AGLM_TRY(required_object(fields, "text"));
  if (text.find("format") == nullptr) return {};
  const json::Fields format = AGLM_TRY(required_object(text, "format"));
  const std::string type = AGLM_TRY(required_string(format, "type"));
  if (type != "json_schema") {
    chat["response_format"] = json::object{{"type", type}};
    return {};
  }
  const json::Fields schema = AGLM_TRY(required_object(format, "schema"));
  const std::string name = AGLM_TRY(format.string_or("name", "answer"));
  chat["response_format"] =
      json::object{{"type", "json_schema"},
                   {"json_schema", json::object{{"name", name}, {"schema", schema.raw()}}}};
  return {};
}

// What would make it another answer, or one that comes in another way.
Result<void> refuse_others(const json::Fields& fields) {
  for (const std::string_view key : {"conversation", "prompt", "moderation", "image"}) {
    if (fields.find(key) != nullptr) return not_offered(key, "this field is not supported");
  }
  if (AGLM_TRY(boolean_field(fields, "background", false))) {
    return not_offered("background", "answers are given while the client waits");
  }
  const std::string truncation = AGLM_TRY(fields.string_or("truncation", "disabled"));
  if (truncation != "disabled") {
    return not_offered("truncation", "conversations are not cut; \"disabled\" is as without");
  }
  return {};
}

Result<bool> wants_logprobs(const json::Fields& fields) {
  if (fields.find("include") == nullptr) return false;
  const json::array& include = *AGLM_TRY(fields.list("include"));
  return std::ranges::any_of(
      include, [](const json::value& one) { return one == "message.output_text.logprobs"; });
}

// The items before, of a response that is the client's.
Result<json::array> read_history(const ServiceContext& context, const json::Fields& fields,
                                 const RequestContext& request, const std::string& owner) {
  const auto id = AGLM_TRY(string_field(fields, "previous_response_id"));
  if (!id) return json::array();
  const auto stored = context.responses.get(owner, *id);
  if (!stored) {
    return bad_field("previous_response_id", "no such response is kept", "", short_name(*id));
  }
  const auto kept = [&](const std::string& text) {
    return context.redaction ? context.redaction->kept(request.tenant, text) : text;
  };
  json::value items = AGLM_TRY(json::parse(kept(stored->input), "previous_response_id"));
  const json::value output = AGLM_TRY(json::parse(kept(stored->output), "previous_response_id"));
  for (const json::value& item : output.as_array()) items.as_array().push_back(item);
  return std::move(items.as_array());
}

Result<json::array> read_items(const json::Fields& fields) {
  const json::value* input = fields.find("input");
  if (input == nullptr) {
    return bad_field("input", "field is missing", "a string or a list of items");
  }
  if (input->is_string()) {
    return json::array{json::object{
        {"type", "message"},
        {"role", "user"},
        {"content",
         json::array{json::object{{"type", "input_text"}, {"text", input->get_string()}}}}}};
  }
  if (!input->is_array() || input->get_array().empty()) {
    return bad_field("input", "wrong kind", "a string or a list of items", json::kind_name(*input));
  }
  return input->get_array();
}

// As the answer repeats them; with their defaults where they are missing.
json::object told_of(const json::Fields& fields) {
  const auto given = [&](std::string_view key, json::value otherwise) {
    const json::value* value = fields.find(key);
    return value == nullptr ? std::move(otherwise) : *value;
  };
  return {{"instructions", given("instructions", nullptr)},
          {"max_output_tokens", given("max_output_tokens", nullptr)},
          {"metadata", given("metadata", json::object())},
          {"parallel_tool_calls", given("parallel_tool_calls", true)},
          {"previous_response_id", given("previous_response_id", nullptr)},
          {"reasoning", given("reasoning", json::object())},
          {"store", given("store", true)},
          {"temperature", given("temperature", nullptr)},
          {"text", given("text", json::object{{"format", json::object{{"type", "text"}}}})},
          {"tool_choice", given("tool_choice", "auto")},
          {"tools", given("tools", json::array())},
          {"top_p", given("top_p", nullptr)},
          {"truncation", "disabled"},
          {"user", given("user", nullptr)}};
}

}  // namespace

std::string response_owner(const RequestContext& request) {
  return request.tenant_outranks ? request.tenant : std::string();
}

Result<ResponsesRequest> read_responses_request(const ServiceContext& context,
                                                const json::Fields& fields,
                                                const RequestContext& request) {
  ResponsesRequest result{.owner = response_owner(request)};
  AGLM_TRY(refuse_others(fields));
  result.store = AGLM_TRY(boolean_field(fields, "store", true));
  const json::array items = AGLM_TRY(read_items(fields));
  AGLM_TRY(messages_of_items(items, "input"));  // its faults are named by their place in it
  result.input = AGLM_TRY(read_history(context, fields, request, result.owner));
  result.input.insert(result.input.end(), items.begin(), items.end());
  json::array messages;
  if (const auto text = AGLM_TRY(string_field(fields, "instructions")); text && !text->empty()) {
    messages.push_back(json::object{{"role", "system"}, {"content", *text}});
  }
  for (json::value& message : AGLM_TRY(messages_of_items(result.input, "input"))) {
    messages.push_back(std::move(message));
  }
  json::object& chat = result.chat;
  chat["messages"] = std::move(messages);
  json::array tools = AGLM_TRY(read_tools(fields));
  AGLM_TRY(read_tool_choice(fields, tools, chat));
  if (!tools.empty()) chat["tools"] = std::move(tools);
  AGLM_TRY(read_format(fields, chat));
  if (AGLM_TRY(wants_logprobs(fields))) chat["logprobs"] = true;
  if (const json::value* length = fields.find("max_output_tokens")) {
    chat["max_completion_tokens"] = *length;
  }
  // Read by the same names; from `seed` on what this server's clients may add.
  for (const std::string_view key :
       {"model", "temperature", "top_p", "parallel_tool_calls", "reasoning", "stream", "user",
        "service_tier", "seed", "top_k", "min_p", "stop", "priority", "cache_salt", "timeout_ms",
        "chat_template_kwargs"}) {
    if (const json::value* value = fields.find(key)) chat[key] = *value;
  }
  if (chat.contains("logprobs") && fields.find("top_logprobs") != nullptr) {
    chat["top_logprobs"] = *fields.find("top_logprobs");
  }
  result.told = told_of(fields);
  return result;
}

Error in_responses_names(Error error) { return renamed(std::move(error), kNames); }

}  // namespace autoglm::serve
