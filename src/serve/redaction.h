// Redaction as a server does it: what its options say (docs/guard.md), and what of it belongs to
// one request. The text itself is taken apart by guard/redact.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/service.h"
#include "guard/redact/aliases.h"
#include "guard/redact/policy.h"

namespace autoglm::serve {

class ModelBackend;

class Redaction {
 public:
  // nullptr: it is off. The log is redacted, too, from here on. Errors: a policy that cannot be
  // read, no state folder where the policy needs keys.
  static Result<std::unique_ptr<const Redaction>> of(const ServiceOptions& options);

  bool prompts() const { return prompts_; }
  const guard::redact::Rules& rules(const std::string& tenant) const { return policy_.of(tenant); }
  guard::redact::OperatorScope scope(const std::string& tenant) const {
    return {.keys = &keys_, .tenant = tenant};
  }
  std::string redacted(const std::string& tenant, std::string_view text) const;
  // JSON that was kept of earlier answers, values turned back in them included, for another prompt.
  std::string kept(const std::string& tenant, std::string_view json) const;

 private:
  guard::redact::Policy policy_;
  guard::redact::OperatorKeys keys_;
  bool prompts_ = false;
};

// Must not outlive the service.
class RequestRedaction {
 public:
  RequestRedaction(const Redaction& all, std::string tenant)
      : all_(all), tenant_(std::move(tenant)) {}

  // The body that plans are made of. Where prompts are redacted, so are all its strings, and what
  // has an alias there gets its value back in the answers. Valid as long as `body` and this.
  std::string_view prompt(std::string_view body);
  // Prompts of token ids cannot be changed: an error where one holds what a policy takes out.
  Result<void> check(const ModelBackend& backend,
                     const std::vector<GenerationRequest>& requests) const;

  // For one text of an answer; of one thread, while this lives.
  guard::redact::StreamRedactor stream(guard::redact::TextForm form) const;
  // For what is only looked through.
  guard::redact::Scanner scanner() const;

 private:
  const Redaction& all_;
  const std::string tenant_;
  std::string body_;
  bool ids_may_be_prompts_ = false;
  guard::redact::Aliases aliases_;
};

}  // namespace autoglm::serve
