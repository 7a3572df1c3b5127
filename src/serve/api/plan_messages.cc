// POST /v1/messages and /v1/messages/count_tokens.
#include "serve/api/anthropic_request.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/plan_generation.h"
#include "serve/api/plans.h"

namespace autoglm::serve {
namespace {

Result<GenerationPlan> plan(const ServiceContext& context, std::string_view body,
                            const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::object chat = AGLM_TRY(read_messages_request(json::Fields(object, ""), false));
  return plan_chat_request(
      context, chat, task,
      {.id_prefix = "msg_", .format = messages_format, .cuts_to_context = true});
}

Result<std::string> count(const ServiceContext& context, std::string_view body) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::object chat = AGLM_TRY(read_messages_request(json::Fields(object, ""), true));
  const int64_t n_tokens = AGLM_TRY(count_chat_request(context, chat));
  return dump(json::object{{"input_tokens", n_tokens}});
}

}  // namespace

Result<GenerationPlan> plan_messages(const ServiceContext& context, std::string_view body,
                                     const RequestTask& task) {
  Result<GenerationPlan> made = plan(context, body, task);
  if (!made) return in_messages_names(std::move(made).error());
  return made;
}

Result<std::string> answer_count_tokens(const ServiceContext& context, std::string_view body,
                                        const RequestTask&) {
  Result<std::string> counted = count(context, body);
  if (!counted) return in_messages_names(std::move(counted).error());
  return counted;
}

}  // namespace autoglm::serve
