#include "serve/redaction.h"

#include "base/log.h"
#include "base/utf8.h"
#include "serve/backend.h"
#include "state/state_dir.h"

namespace autoglm::serve {
namespace {

using namespace guard::redact;

bool is_turned_back(Operator which) {
  return which == Operator::kPseudonym || which == Operator::kSurrogate ||
         which == Operator::kVault;
}

// Whether the body may give a prompt as token ids: it has a list that begins with a number.
bool may_have_token_ids(std::string_view body) {
  for (size_t at = body.find('['); at != std::string_view::npos; at = body.find('[', at + 1)) {
    const size_t next = body.find_first_not_of(" \t\r\n", at + 1);
    if (next != std::string_view::npos && body[next] >= '0' && body[next] <= '9') return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<const Redaction>> Redaction::of(const ServiceOptions& options) {
  if (options.redact == "off") return std::unique_ptr<const Redaction>();
  if (options.redact != "answers" && options.redact != "both") {
    return Error{ErrorCode::kInvalidArgument, "no such mode", "redact", "off, answers or both",
                 options.redact};
  }
  auto made = std::make_unique<Redaction>();
  made->prompts_ = options.redact == "both";
  if (!options.redact_policy.empty()) made->policy_ = AGLM_TRY(Policy::read(options.redact_policy));
  if (made->policy_.needs_keys()) {
    const std::string folder = AGLM_TRY(state::open_state_dir(options.state_dir));
    made->keys_ = AGLM_TRY(operator_keys(folder));
  }
  // Whatever a policy leaves in answers, nothing of it is for the log.
  set_log_filter([](std::string_view text) { return redact(text, Rules()); });
  return std::unique_ptr<const Redaction>(std::move(made));
}

std::string Redaction::redacted(const std::string& tenant, std::string_view text) const {
  return redact(text, rules(tenant), scope(tenant));
}

std::string Redaction::kept(const std::string& tenant, std::string_view json) const {
  if (!prompts_) return std::string(json);
  return redact(json, rules(tenant), scope(tenant), TextForm::kJson);
}

std::string_view RequestRedaction::prompt(std::string_view body) {
  if (!all_.prompts()) return body;
  ids_may_be_prompts_ = may_have_token_ids(body);
  const Rules& rules = all_.rules(tenant_);
  const OperatorScope scope = all_.scope(tenant_);
  uint64_t given = 0;
  for (const Finding& finding : find(body, rules.filter, TextForm::kJson, rules.names.get())) {
    if (!finding.in_string) continue;  // a number of the request: a seed, a limit
    body_.append(body.substr(given, finding.begin - given));
    given = finding.end;
    const Operator which = rules.of(finding.entity);
    const std::string alias = replacement(finding, which, scope);
    body_.append(alias);
    if (!is_turned_back(which)) continue;
    std::string value;
    for (const char32_t c : finding.value) append_utf8(value, c);
    aliases_.add(alias, std::move(value));
  }
  if (given == 0) return body;
  body_.append(body.substr(given));
  return body_;
}

Result<void> RequestRedaction::check(const ModelBackend& backend,
                                     const std::vector<GenerationRequest>& requests) const {
  if (!ids_may_be_prompts_) return {};
  for (const GenerationRequest& request : requests) {
    const std::string text = AGLM_TRY(backend.detokenize(request.prompt, false));
    const Rules& rules = all_.rules(tenant_);
    if (find(text, rules.filter, TextForm::kPlain, rules.names.get()).empty()) continue;
    return Error{ErrorCode::kInvalidArgument,
                 "token ids hold what the server's policy takes out of prompts", "prompt",
                 "the prompt as text", ""};
  }
  return {};
}

StreamRedactor RequestRedaction::stream(TextForm form) const {
  return {all_.rules(tenant_), all_.scope(tenant_), form, aliases_.empty() ? nullptr : &aliases_};
}

Scanner RequestRedaction::scanner() const { return {all_.rules(tenant_).filter, TextForm::kPlain}; }

}  // namespace autoglm::serve
