// A text that comes in pieces, less what must not leave. For every text and every way to cut it,
// what comes out is redact() of the whole.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "guard/redact/operators.h"
#include "guard/redact/scanner.h"

namespace autoglm::guard::redact {

// What is looked for, and what is done about it.
struct Rules {
  Rules();  // every entity becomes a tag
  std::array<Operator, kEntities> operators{};
  Filter filter;
  // Names of people that are known, each of them found wherever it stands; may be empty.
  std::shared_ptr<const Aliases> names;
  Operator of(Entity entity) const { return operators[static_cast<size_t>(entity)]; }
};
inline constexpr float kThreshold = 0.5F;

class StreamRedactor {
 public:
  // `rules` must outlive it, as must the keys of `scope`.
  StreamRedactor(const Rules& rules, OperatorScope scope, TextForm form = TextForm::kPlain)
      : StreamRedactor(rules, std::move(scope), form, nullptr) {}
  // `aliases`, which must outlive it, become their values again.
  StreamRedactor(const Rules& rules, OperatorScope scope, TextForm form, const Aliases* aliases)
      : rules_(&rules),
        scope_(std::move(scope)),
        form_(form),
        aliases_(aliases),
        scanner_(rules.filter, form, aliases, rules.names.get()) {}

  // What may leave now.
  std::string push(std::string_view text);
  // The rest. Nothing may be pushed after it.
  std::string finish();
  size_t held() const { return held_.size(); }

 private:
  std::string give(const std::vector<Finding>& findings);

  const Rules* rules_;
  const OperatorScope scope_;
  const TextForm form_;
  const Aliases* aliases_;
  Scanner scanner_;
  std::string held_;    // of the source
  uint64_t given_ = 0;  // where held_ begins in it
};

// From the findings of a whole text, apart from how streams are put together.
std::string redact(std::string_view text, const Rules& rules, const OperatorScope& scope = {},
                   TextForm form = TextForm::kPlain);

}  // namespace autoglm::guard::redact
