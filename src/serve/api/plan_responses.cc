// OpenAI's Responses API: new responses, and those that are kept.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/plan_generation.h"
#include "serve/api/plans.h"
#include "serve/api/responses_format.h"
#include "serve/api/responses_request.h"

namespace autoglm::serve {
namespace {

Result<GenerationPlan> plan(const ServiceContext& context, std::string_view body,
                            const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  ResponsesRequest request =
      AGLM_TRY(read_responses_request(context, json::Fields(object, ""), task.context()));
  ResponsesStyle style{.told = std::move(request.told)};
  if (request.store) {
    style.keep = [&context, owner = request.owner,
                  input = dump(request.input)](const json::object& response) {
      const std::string id(response.at("id").as_string());
      context.responses.put(owner, id, {dump(response), input, dump(response.at("output"))});
    };
  }
  return plan_chat_request(
      context, request.chat, task,
      {.id_prefix = "resp_",
       .format = [style = std::move(style)](AnswerFacts facts, const ChatStyle&) {
         return responses_format(std::move(facts), style);
       }});
}

Result<std::string> count(const ServiceContext& context, std::string_view body,
                          const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  const ResponsesRequest request =
      AGLM_TRY(read_responses_request(context, json::Fields(object, ""), task.context()));
  const int64_t n_tokens = AGLM_TRY(count_chat_request(context, request.chat));
  return dump(json::object{{"object", "response.input_tokens"}, {"input_tokens", n_tokens}});
}

Error no_such_response(std::string_view id) {
  Error error{ErrorCode::kNotFound, "no such response is kept", "response_id", "",
              repair_utf8(utf8_prefix(id, 100))};
  error.reason = ErrorReason::kUnknownItem;
  return error;
}

}  // namespace

Result<GenerationPlan> plan_responses(const ServiceContext& context, std::string_view body,
                                      const RequestTask& task) {
  Result<GenerationPlan> made = plan(context, body, task);
  if (!made) return in_responses_names(std::move(made).error());
  return made;
}

Result<std::string> answer_response_tokens(const ServiceContext& context, std::string_view body,
                                           const RequestTask& task) {
  Result<std::string> counted = count(context, body, task);
  if (!counted) return in_responses_names(std::move(counted).error());
  return counted;
}

Result<std::string> answer_response(const ServiceContext& context, const RequestContext& request,
                                    const std::string& id) {
  auto stored = context.responses.get(response_owner(request), id);
  if (!stored) return no_such_response(id);
  return std::move(stored->response);
}

Result<std::string> answer_response_input(const ServiceContext& context,
                                          const RequestContext& request, const std::string& id) {
  const auto stored = context.responses.get(response_owner(request), id);
  if (!stored) return no_such_response(id);
  const json::value items = AGLM_TRY(json::parse(stored->input, "input items"));
  // Newest first, as OpenAI lists them by default; each with an id, which clients want.
  json::array data;
  const json::array& given = items.as_array();
  for (size_t i = given.size(); i > 0; --i) {
    json::object item = given[i - 1].as_object();
    if (!item.contains("type")) item["type"] = "message";
    if (!item.contains("id")) item["id"] = fmt::format("item_{}_{}", id, i - 1);
    data.push_back(std::move(item));
  }
  json::object list{{"object", "list"}, {"has_more", false}};
  list["first_id"] = data.empty() ? json::value(nullptr) : data.front().at("id");
  list["last_id"] = data.empty() ? json::value(nullptr) : data.back().at("id");
  list["data"] = std::move(data);
  return dump(list);
}

Result<std::string> delete_response(const ServiceContext& context, const RequestContext& request,
                                    const std::string& id) {
  if (!context.responses.erase(response_owner(request), id)) return no_such_response(id);
  return dump(json::object{{"id", id}, {"object", "response.deleted"}, {"deleted", true}});
}

}  // namespace autoglm::serve
