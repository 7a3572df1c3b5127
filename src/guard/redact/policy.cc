#include "guard/redact/policy.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>

#include "base/files.h"
#include "base/visible_text.h"
#include "state/state_dir.h"

namespace autoglm::guard::redact {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr size_t kKeyBytes = 32;

std::string place(const std::string& where, const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  return fmt::format("{}:{}:{}", where, mark.line + 1, mark.column + 1);
}

Error wrong(const std::string& where, const YAML::Node& node, std::string what,
            std::string expected) {
  std::string found;
  if (node.IsScalar()) found = visible(node.Scalar().substr(0, 100));
  return Error{ErrorCode::kInvalidArgument, std::move(what), place(where, node),
               std::move(expected), std::move(found)};
}

Result<Operator> read_operator(const std::string& where, const YAML::Node& node) {
  const auto which = node.IsScalar() ? operator_of(node.Scalar()) : std::nullopt;
  // YAML's own word for no.
  if (node.IsScalar() && node.Scalar() == "false") return Operator::kOff;
  if (which) return *which;
  return wrong(where, node, "no such operator",
               "off, tag, mask, drop, pseudonym, surrogate or vault");
}

Result<float> read_threshold(const std::string& where, const YAML::Node& node) {
  float value = 0;
  if (node.IsScalar() && YAML::convert<float>::decode(node, value) && value >= 0 && value <= 1) {
    return value;
  }
  return wrong(where, node, "not a threshold", "a number from 0 to 1");
}

// What a file says, before entities that are off get a threshold that nothing reaches.
Result<void> read_entities(const std::string& where, const YAML::Node& node, Rules& rules) {
  if (!node.IsMap()) return wrong(where, node, "not a map of entities", "NAME: OPERATOR");
  for (const auto& item : node) {
    const auto entity = entity_of(item.first.IsScalar() ? item.first.Scalar() : "");
    if (!entity) {
      return wrong(where, item.first, "no such entity", "one of autoglm redact --list");
    }
    const auto i = static_cast<size_t>(*entity);
    if (!item.second.IsMap()) {
      rules.operators[i] = AGLM_TRY(read_operator(where, item.second));
      continue;
    }
    for (const auto& field : item.second) {
      const std::string name = field.first.IsScalar() ? field.first.Scalar() : "";
      if (name == "operator") {
        rules.operators[i] = AGLM_TRY(read_operator(where, field.second));
      } else if (name == "threshold") {
        rules.filter.least[i] = AGLM_TRY(read_threshold(where, field.second));
      } else {
        return wrong(where, field.first, "unknown key", "operator or threshold");
      }
    }
  }
  return {};
}

// In place of those that hold for all.
Result<void> read_names(const std::string& where, const YAML::Node& node, Rules& rules) {
  constexpr size_t kLongest = 64;  // bytes: a name must not make a stream wait
  if (!node.IsSequence()) return wrong(where, node, "not a list of names", "[NAME, NAME]");
  const auto names = std::make_shared<Aliases>();
  for (const auto& item : node) {
    if (!item.IsScalar() || item.Scalar().size() < 2 || item.Scalar().size() > kLongest) {
      return wrong(where, item, "not a name", fmt::format("2 to {} bytes", kLongest));
    }
    names->add(item.Scalar(), item.Scalar());
  }
  rules.names = names;
  return {};
}

Result<void> read_rules(const std::string& where, const YAML::Node& node, bool top, Rules& rules) {
  if (!node.IsMap()) return wrong(where, node, "not a policy", "a map");
  // What holds for all comes before what holds for one.
  if (const YAML::Node all = node["default"]) {
    const Operator which = AGLM_TRY(read_operator(where, all));
    rules.operators.fill(which);
  }
  if (const YAML::Node threshold = node["threshold"]) {
    const float least = AGLM_TRY(read_threshold(where, threshold));
    rules.filter.least.fill(least);
  }
  for (const auto& item : node) {
    const std::string name = item.first.IsScalar() ? item.first.Scalar() : "";
    if (name == "entities") {
      AGLM_TRY(read_entities(where, item.second, rules));
    } else if (name == "names") {
      AGLM_TRY(read_names(where, item.second, rules));
    } else if (name != "default" && name != "threshold" && !(top && name == "tenants")) {
      return wrong(where, item.first, "unknown key",
                   top ? "default, threshold, entities, names or tenants"
                       : "default, threshold, entities or names");
    }
  }
  return {};
}

void close(Rules& rules) {
  constexpr float kNever = 2;
  for (size_t i = 0; i < kEntities; ++i) {
    if (rules.operators[i] == Operator::kOff) rules.filter.least[i] = kNever;
  }
}

Result<void> read_tenants(const std::string& where, const YAML::Node& node, const Rules& common,
                          std::map<std::string, Rules>& tenants) {
  if (!node.IsMap()) return wrong(where, node, "not a map of tenants", "NAME: {entities: ...}");
  for (const auto& item : node) {
    if (!item.first.IsScalar()) return wrong(where, item.first, "not a name", "a tenant");
    Rules rules = common;
    AGLM_TRY(read_rules(where, item.second, false, rules));
    close(rules);
    tenants.insert_or_assign(item.first.Scalar(), rules);
  }
  return {};
}

}  // namespace

Result<Policy> Policy::parse(const std::string& text, const std::string& where) {
  YAML::Node node;
  try {
    node = YAML::Load(text);
  } catch (const YAML::Exception& problem) {
    return Error{ErrorCode::kInvalidArgument, "not YAML",
                 fmt::format("{}:{}:{}", where, problem.mark.line + 1, problem.mark.column + 1), "",
                 visible(problem.msg)};
  }
  Policy policy;
  if (node.IsNull()) return policy;
  AGLM_TRY(read_rules(where, node, true, policy.rules_));
  if (const YAML::Node tenants = node["tenants"]) {
    AGLM_TRY(read_tenants(where, tenants, policy.rules_, policy.tenants_));
  }
  close(policy.rules_);
  return policy;
}

Result<Policy> Policy::read(const std::string& path) {
  const std::string text = AGLM_TRY(read_text_file(path, kMostBytes));
  return parse(text, path);
}

bool Policy::needs_keys() const {
  const auto needs = [](const Rules& rules) {
    return std::any_of(rules.operators.begin(), rules.operators.end(), [](Operator which) {
      return which == Operator::kPseudonym || which == Operator::kSurrogate ||
             which == Operator::kVault;
    });
  };
  return needs(rules_) || std::any_of(tenants_.begin(), tenants_.end(),
                                      [&](const auto& tenant) { return needs(tenant.second); });
}

Result<OperatorKeys> operator_keys(const std::string& folder) {
  OperatorKeys keys;
  keys.alias = AGLM_TRY(state::secret_file(folder + "/redact.alias", kKeyBytes));
  keys.vault = AGLM_TRY(state::secret_file(folder + "/redact.vault", kKeyBytes));
  return keys;
}

}  // namespace autoglm::guard::redact
