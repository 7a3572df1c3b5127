#include "guard/redact/aliases.h"

#include "guard/redact/units.h"

namespace autoglm::guard::redact {

void Aliases::add(std::string_view alias, std::string value) {
  std::vector<Unit> units;
  Normalizer normalizer(TextForm::kPlain);
  normalizer.push(alias, units);
  normalizer.finish(units);
  if (units.empty()) return;
  size_t node = 0;
  for (const Unit& unit : units) {
    const auto [next, is_new] = nodes_[node].next.emplace(unit.code, nodes_.size());
    node = next->second;
    if (is_new) nodes_.emplace_back();
  }
  if (nodes_[node].alias != kNone) return;
  nodes_[node].alias = values_.size();
  values_.push_back(std::move(value));
}

Aliases::Found Aliases::at(const Window& window) const {
  Found found;
  size_t node = 0;
  for (size_t i = 0;; ++i) {
    if (nodes_[node].alias != kNone) found = {.length = i, .index = nodes_[node].alias};
    if (nodes_[node].next.empty()) return found;
    const auto next = nodes_[node].next.find(window[i]);
    if (next == nodes_[node].next.end()) return found;
    node = next->second;
  }
}

}  // namespace autoglm::guard::redact
