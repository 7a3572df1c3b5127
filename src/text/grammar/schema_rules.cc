#include "text/grammar/schema_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace autoglm::grammar {

Result<int32_t> SchemaRules::rule_of(Schemas schemas) {
  Conjunction c{.schemas = std::move(schemas)};
  if (c.schemas.size() == 1) c.origin = c.schemas[0];
  return rule_of(std::move(c));
}

Result<int32_t> SchemaRules::rule_of(Conjunction c) {
  // True says nothing.
  std::erase_if(c.schemas, [](Schema s) {
    return (s->is_bool() && s->get_bool()) || (s->is_object() && s->get_object().empty());
  });
  if (c.schemas.empty()) return context_.prelude.value;
  AGLM_TRY(context_.spend(kStepsOfSchema * (c.schemas.size() + c.chosen.size() + 1)));
  auto key = std::pair(c.schemas, std::pair(c.chosen, c.origin));
  std::sort(key.first.begin(), key.first.end());
  std::sort(key.second.first.begin(), key.second.first.end());
  const auto found = rules_.find(key);
  if (found != rules_.end()) return found->second;
  if (rules_.size() >= kMaxRules) {
    return context_.index.error(
        *c.schemas[0], "", ErrorCode::kTooLarge,
        fmt::format("the schema's combinations come to more than {} rules", kMaxRules));
  }
  const int32_t rule = context_.builder.add_rule(context_.index.pointer(*c.schemas[0]));
  rules_.emplace(std::move(key), rule);
  pending_.push_back({std::move(c), rule});
  return rule;
}

std::optional<SchemaRules::Pending> SchemaRules::take() {
  if (pending_.empty()) return std::nullopt;
  std::optional<Pending> next(std::move(pending_.front()));
  pending_.pop_front();
  return next;
}

}  // namespace autoglm::grammar
