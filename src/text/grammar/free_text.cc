#include "text/grammar/free_text.h"

#include <array>

namespace autoglm::grammar {
namespace {

struct State {
  std::array<int32_t, 256> next;
  int32_t fallback = 0;  // the longest suffix that is a state, too
  int32_t text = -1;     // one that ends here
};

}  // namespace

void build_free_text(GrammarBuilder& builder, int32_t from, std::span<const std::string> texts,
                     std::span<const int32_t> found, int32_t to) {
  std::vector<State> states(1);
  states[0].next.fill(-1);
  for (size_t i = 0; i < texts.size(); ++i) {
    int32_t at = 0;
    for (const char c : texts[i]) {
      int32_t& next = states[static_cast<size_t>(at)].next[static_cast<uint8_t>(c)];
      if (next < 0) {
        next = static_cast<int32_t>(states.size());
        at = next;
        states.emplace_back().next.fill(-1);
      } else {
        at = next;
      }
    }
    states[static_cast<size_t>(at)].text = static_cast<int32_t>(i);
  }
  // Breadth first: a fallback is shorter, and so complete.
  std::vector<int32_t> order{0};
  for (size_t i = 0; i < order.size(); ++i) {
    const int32_t at = order[i];
    for (size_t byte = 0; byte < 256; ++byte) {
      const int32_t fallback = states[static_cast<size_t>(at)].fallback;
      const int32_t other = at == 0 ? 0 : states[static_cast<size_t>(fallback)].next[byte];
      int32_t& next = states[static_cast<size_t>(at)].next[byte];
      if (next < 0) {
        next = other;
        continue;
      }
      State& child = states[static_cast<size_t>(next)];
      child.fallback = other;
      if (child.text < 0) child.text = states[static_cast<size_t>(other)].text;
      order.push_back(next);
    }
  }
  const int32_t rule = builder.rule_of(from);
  std::vector<int32_t> nodes;
  for (size_t i = 0; i < states.size() && !builder.failed(); ++i) {
    nodes.push_back(builder.add_node(rule));
  }
  if (builder.failed()) return;
  builder.empty(from, nodes[0]);
  for (size_t i = 0; i < states.size(); ++i) {
    if (states[i].text >= 0) continue;  // it was left where the text was found
    builder.empty(nodes[i], to);
    for (size_t first = 0; first < 256; ++first) {
      const int32_t next = states[i].next[first];
      size_t last = first;
      while (last < 255 && states[i].next[last + 1] == next) ++last;
      const int32_t text = states[static_cast<size_t>(next)].text;
      const int32_t target = text < 0        ? nodes[static_cast<size_t>(next)]
                             : found.empty() ? -1
                                             : found[static_cast<size_t>(text)];
      if (target >= 0) {
        builder.bytes(nodes[i], static_cast<uint8_t>(first), static_cast<uint8_t>(last), target);
      }
      first = last;
    }
  }
}

}  // namespace autoglm::grammar
