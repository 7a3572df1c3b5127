#include "serve/api/ollama_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

// Members of `options` that say how to sample, by the names under which the rest of the server
// knows them. Others say how to load a model (num_ctx, num_gpu, num_thread): that is settled when
// the server starts.
constexpr std::array kOptions = {FieldName{"max_tokens", "num_predict"},
                                 FieldName{"temperature", "temperature"},
                                 FieldName{"top_k", "top_k"},
                                 FieldName{"top_p", "top_p"},
                                 FieldName{"min_p", "min_p"},
                                 FieldName{"typical_p", "typical_p"},
                                 FieldName{"tfs_z", "tfs_z"},
                                 FieldName{"mirostat", "mirostat"},
                                 FieldName{"repeat_penalty", "repeat_penalty"},
                                 FieldName{"presence_penalty", "presence_penalty"},
                                 FieldName{"frequency_penalty", "frequency_penalty"},
                                 FieldName{"seed", "seed"},
                                 FieldName{"stop", "stop"}};
constexpr std::array kOthers = {FieldName{"response_format", "format"},
                                FieldName{"enable_thinking", "think"},
                                FieldName{"reasoning_effort", "think"}};

bool wished(const json::Fields& fields, std::string_view key) {
  const json::value* value = fields.find(key);
  if (value == nullptr) return false;
  if (value->is_array()) return !value->get_array().empty();
  if (value->is_string()) return !value->get_string().empty();
  return true;
}

Result<void> read_options(const json::Fields& fields, json::object& openai) {
  // Without a limit an answer may fill the context, also where OpenAI's default is 16 tokens.
  openai["max_tokens"] = -1;
  if (fields.find("options") == nullptr) return {};
  const json::Fields options = AGLM_TRY(required_object(fields, "options"));
  for (const FieldName& name : kOptions) {
    const json::value* value = options.find(name.theirs);
    if (value == nullptr) continue;
    const bool nothing = value->is_array() && value->get_array().empty();
    if (!nothing) openai[name.ours] = *value;
  }
  return {};
}

// "json", or a schema.
Result<void> read_format(const json::Fields& fields, json::object& openai) {
  if (!wished(fields, "format")) return {};
  const json::value& format = *fields.find("format");
  if (format == "json") {
    openai["response_format"] = json::object{{"type", "json_object"}};
  } else if (format.is_object()) {
    openai["response_format"] =
        json::object{{"type", "json_schema"},
                     {"json_schema", json::object{{"name", "answer"}, {"schema", format}}}};
  } else {
    return bad_field("format", "unknown format", "\"json\" or a JSON schema");
  }
  return {};
}

// A switch, or how much.
Result<void> read_think(const json::Fields& fields, json::object& openai) {
  const json::value* think = fields.find("think");
  if (think == nullptr) return {};
  if (think->is_bool()) {
    openai["enable_thinking"] = *think;
  } else if (think->is_string()) {
    openai["enable_thinking"] = true;
    openai["reasoning_effort"] = *think;
  } else {
    return bad_field("think", "wrong kind", "true, false, or \"low\", \"medium\" or \"high\"",
                     json::kind_name(*think));
  }
  return {};
}

// Calls without ids, whose arguments are objects; results name the tool, or come in order.
class Messages {
 public:
  Result<void> add(const json::value& value, const std::string& where) {
    const json::Fields given = AGLM_TRY(json::fields_of(value, where));
    if (wished(given, "images")) {
      return not_offered(where + ".images", "this model does not read images");
    }
    const std::string role = AGLM_TRY(required_string(given, "role"));
    const std::string content = AGLM_TRY(string_field(given, "content")).value_or("");
    json::object message{{"role", role}, {"content", content}};
    if (const auto thoughts = AGLM_TRY(string_field(given, "thinking"))) {
      if (!thoughts->empty()) message["reasoning_content"] = *thoughts;
    }
    if (wished(given, "tool_calls")) AGLM_TRY(add_calls(given, message));
    if (message.at("role") == "tool") AGLM_TRY(name_result(given, message));
    list_.push_back(std::move(message));
    return {};
  }
  json::array take() { return std::move(list_); }

 private:
  struct Open {
    std::string id, name;
  };

  Result<void> add_calls(const json::Fields& given, json::object& message) {
    open_.clear();
    json::array calls;
    const json::array& list = *AGLM_TRY(given.list("tool_calls"));
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = fmt::format("{}.tool_calls[{}]", given.where(), i);
      const json::Fields call = AGLM_TRY(json::fields_of(list[i], where));
      const json::Fields function = AGLM_TRY(required_object(call, "function"));
      const std::string name = AGLM_TRY(required_string(function, "name"));
      json::object arguments;
      if (function.find("arguments") != nullptr) {
        arguments = AGLM_TRY(required_object(function, "arguments")).raw();
      }
      std::string id = AGLM_TRY(string_field(call, "id")).value_or("");
      if (id.empty()) id = fmt::format("call_{}", n_calls_);
      ++n_calls_;
      calls.push_back(
          json::object{{"id", id},
                       {"type", "function"},
                       {"function", json::object{{"name", name}, {"arguments", dump(arguments)}}}});
      open_.push_back({std::move(id), name});
    }
    message["tool_calls"] = std::move(calls);
    return {};
  }

  Result<void> name_result(const json::Fields& given, json::object& message) {
    std::string name = AGLM_TRY(string_field(given, "tool_name")).value_or("");
    const auto id = AGLM_TRY(string_field(given, "tool_call_id"));
    const auto found = std::ranges::find_if(open_, [&](const Open& call) {
      return id ? call.id == *id : name.empty() || call.name == name;
    });
    if (id) message["tool_call_id"] = *id;
    if (found != open_.end()) {
      message["tool_call_id"] = found->id;
      name = found->name;
      open_.erase(found);
    }
    if (!name.empty()) message["name"] = name;
    return {};
  }

  json::array list_;
  std::vector<Open> open_;  // calls of the last turn that have no result yet
  size_t n_calls_ = 0;
};

// What both requests have.
Result<OllamaRequest> read_common(const ServiceContext& context, const json::Fields& fields) {
  OllamaRequest request;
  request.model = AGLM_TRY(required_string(fields, "model"));
  request.openai["model"] = ollama_model_name(context, request.model);
  request.stream = AGLM_TRY(boolean_field(fields, "stream", true));
  request.openai["stream"] = request.stream;
  AGLM_TRY(read_options(fields, request.openai));
  AGLM_TRY(read_format(fields, request.openai));
  AGLM_TRY(read_think(fields, request.openai));
  for (const std::string_view key : {"logprobs", "top_logprobs"}) {
    if (wished(fields, key) && *fields.find(key) != false) {
      return not_offered(key, "log-probabilities are at /v1/chat/completions");
    }
  }
  return request;
}

}  // namespace

std::string ollama_model_name(const ServiceContext& context, std::string name) {
  constexpr std::string_view kLatest = ":latest";
  const auto served = [&](const std::string& one) {
    return std::ranges::find(context.model_names, one) != context.model_names.end();
  };
  if (!served(name) && name.ends_with(kLatest)) name.resize(name.size() - kLatest.size());
  return name;
}

Result<OllamaRequest> read_ollama_chat(const ServiceContext& context, const json::Fields& fields) {
  OllamaRequest request = AGLM_TRY(read_common(context, fields));
  if (!wished(fields, "messages")) {
    request.loads = true;
    return request;
  }
  Messages messages;
  const json::array& given = *AGLM_TRY(fields.list("messages"));
  for (size_t i = 0; i < given.size(); ++i) {
    AGLM_TRY(messages.add(given[i], fmt::format("messages[{}]", i)));
  }
  request.openai["messages"] = messages.take();
  if (wished(fields, "tools")) request.openai["tools"] = *fields.find("tools");
  return request;
}

Result<OllamaRequest> read_ollama_generate(const ServiceContext& context,
                                           const json::Fields& fields) {
  OllamaRequest request = AGLM_TRY(read_common(context, fields));
  for (const std::string_view key : {"suffix", "template", "context"}) {
    if (wished(fields, key)) return not_offered(key, "this field is not supported");
  }
  if (wished(fields, "images")) return not_offered("images", "this model does not read images");
  const std::string prompt = AGLM_TRY(string_field(fields, "prompt")).value_or("");
  if (prompt.empty()) {
    request.loads = true;
    return request;
  }
  request.completion =
      AGLM_TRY(boolean_field(fields, "raw", false)) || !context.backend->info().has_chat_template;
  if (request.completion) {
    request.openai["prompt"] = prompt;
    return request;
  }
  json::array messages;
  const std::string system = AGLM_TRY(string_field(fields, "system")).value_or("");
  if (!system.empty()) messages.push_back(json::object{{"role", "system"}, {"content", system}});
  messages.push_back(json::object{{"role", "user"}, {"content", prompt}});
  request.openai["messages"] = std::move(messages);
  return request;
}

Error in_ollama_names(Error error) {
  error = renamed(std::move(error), kOthers);
  for (const FieldName& name : kOptions) {
    const std::string theirs = fmt::format("options.{}", name.theirs);
    const std::array one = {FieldName{name.ours, theirs}};
    error = renamed(std::move(error), one);
  }
  return error;
}

}  // namespace autoglm::serve
