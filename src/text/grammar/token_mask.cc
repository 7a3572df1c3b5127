#include "text/grammar/token_mask.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/utf8.h"

namespace autoglm::grammar {
namespace {

// Fewer ids than this are kept as a list: the bits of 150,000 tokens are 19 kB.
constexpr size_t kFewIds = 2048;
// Of a run that is found by looking at what follows each character.
constexpr int kMostCharacters = 15;
// Below nodes of the vocabulary with fewer than so many others each is looked at.
constexpr int32_t kLargeSubtree = 32;

void set_bit(std::vector<uint64_t>& words, int32_t id) {
  words[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
}

}  // namespace

void MaskMaker::set(int32_t begin, int32_t end, std::vector<uint64_t>& words) const {
  for (const int32_t token : trie_.tokens(begin, end)) set_bit(words, token);
}

int MaskMaker::known_run(int32_t state, bool pass_ends) {
  const int32_t key = state * 2 + (pass_ends ? 1 : 0);
  if (const auto known = runs_.find(key); known != runs_.end()) return known->second;
  const int run = plain_run(state, pass_ends);
  runs_.emplace(key, run);
  return run;
}

int MaskMaker::run_through(int32_t state, uint8_t byte, bool pass_ends) {
  int32_t target = -1;
  if (byte < 0x80) {
    target = automaton_.next(state, byte);
    if (target <= LazyAutomaton::kTooLarge) return 0;
  } else {
    const Utf8Row* row = utf8_row(static_cast<char>(byte));
    if (row == nullptr || !after_first_byte(state, byte, byte, *row, target)) return 0;
  }
  if (automaton_.complete(target) && !pass_ends) return 0;
  return std::min(1 + known_run(target, pass_ends), TokenTrie::kAnyLength);
}

template <class Reached>
bool MaskMaker::walk(int32_t root, int32_t state, bool pass_ends, std::vector<uint64_t>& words,
                     Reached&& reached) {
  const TokenTrie::Node& top = trie_.node(root);
  const size_t base = top.depth;
  stack_.resize(
      std::max<size_t>(stack_.size(), static_cast<size_t>(trie_.longest_token_bytes()) + 2));
  stack_[0] = state;
  for (int32_t i = root + 1; i < top.end;) {
    ++visited_;
    if (work() > most_work_) {
      fault_ = MaskFault::kTooMuchWork;
      return false;
    }
    const TokenTrie::Node& node = trie_.node(i);
    const size_t depth = node.depth - base;
    const int32_t from = stack_[depth - 1];
    const bool large = node.end - i >= kLargeSubtree;
    if (large && node.plain_characters > 0 &&
        node.plain_characters <= run_through(from, node.byte, pass_ends)) {
      set(i, node.end, words);
      i = node.end;
      continue;
    }
    const int32_t next = automaton_.next(from, node.byte);
    if (next == LazyAutomaton::kDead) {
      i = node.end;
      continue;
    }
    if (next == LazyAutomaton::kTooLarge) {
      fault_ = MaskFault::kTooManyPlaces;
      return false;
    }
    set(i, i + 1, words);
    reached(i, next);
    if (!automaton_.continues(next)) {
      i = node.end;
      continue;
    }
    stack_[depth] = next;
    ++i;
  }
  return true;
}

// The state that all characters with a first byte in [first, last] lead to. `target`: that it has
// to be, if not -1; else it is found.
bool MaskMaker::after_first_byte(int32_t state, int first, int last, const Utf8Row& row,
                                 int32_t& target) {
  const auto same = [&](int32_t from, int begin, int end, int32_t& to) {
    for (int b = begin; b <= end; ++b) {
      const int32_t next = automaton_.next(from, static_cast<uint8_t>(b));
      if (to < 0) to = next;
      if (next != to || next <= LazyAutomaton::kTooLarge) return false;
    }
    return true;
  };
  int32_t at = -1;
  if (!same(state, first, last, at)) return false;
  for (int i = 1; i < row.length; ++i) {
    const int begin = i == 1 ? row.second_first : kFirstContinuation;
    const int end = i == 1 ? row.second_last : kLastContinuation;
    int32_t next = i + 1 == row.length ? target : -1;
    if (!same(at, begin, end, next)) return false;
    at = next;
  }
  target = at;
  return true;
}

// The state that every plain character leads to; -1 when there is none.
int32_t MaskMaker::after_plain_character(int32_t state) {
  int32_t target = -1;
  for (int b = 0x20; b < 0x80; ++b) {
    if (b == '"' || b == '\\') continue;
    const int32_t next = automaton_.next(state, static_cast<uint8_t>(b));
    if (target < 0) target = next;
    if (next != target || next <= LazyAutomaton::kTooLarge) return -1;
  }
  for (const Utf8Row& row : kUtf8Rows) {
    if (!after_first_byte(state, row.first, row.last, row, target)) return -1;
  }
  return target;
}

bool MaskMaker::takes_plain_characters(int32_t rule) {
  const auto known = takes_plain_characters_.find(rule);
  if (known != takes_plain_characters_.end()) return known->second;
  const int32_t start = automaton_.program().rule(rule).start;
  const int32_t after =
      after_plain_character(automaton_.state_of({{start, LazyAutomaton::kRootFrame}}));
  const bool takes = after >= 0 && automaton_.complete(after) && !automaton_.continues(after);
  takes_plain_characters_.emplace(rule, takes);
  return takes;
}

bool MaskMaker::minds_plain_characters(int32_t node) const {
  if (Program::is_counted(node)) return true;
  const Program& program = automaton_.program();
  const Program::Node& n = program.node(node);
  return n.accepting || n.n_calls > 0 ||
         std::ranges::any_of(program.edges(n), [](const ByteEdge& edge) {
           return edge.first != edge.last || (edge.first != '"' && edge.first != '\\');
         });
}

// Of strings whose length is bounded, each character leads to another state. A state may be in one
// repetition and where that goes on, which in JSON is at a quote.
int MaskMaker::counted_run(int32_t state, bool pass_ends) {
  const Program& program = automaton_.program();
  const std::vector<LazyAutomaton::Item> items = automaton_.items(state);
  int run = -1;
  int32_t exit = -1;
  for (const LazyAutomaton::Item& item : items) {
    if (!Program::is_counted(item.node)) continue;
    const Counted& repetition = program.counted(item.node);
    if (run >= 0 || repetition.rule < 0 || !takes_plain_characters(repetition.rule)) return -1;
    const int32_t count = item.node - repetition.first_node;
    run = repetition.most < 0 ? TokenTrie::kAnyLength
                              : std::min<int>(repetition.most - count, TokenTrie::kAnyLength);
    exit = repetition.exit;
  }
  if (run < 0 || pass_ends) return run;
  if (minds_plain_characters(exit)) return -1;
  for (const LazyAutomaton::Item& item : items) {
    if (!Program::is_counted(item.node) && minds_plain_characters(item.node)) return -1;
  }
  return run;
}

int MaskMaker::plain_run(int32_t state, bool pass_ends) {
  if (const int run = counted_run(state, pass_ends); run >= 0) return run;
  for (int n = 0; n < kMostCharacters; ++n) {
    const int32_t next = after_plain_character(state);
    if (next < 0 || (automaton_.complete(next) && !pass_ends)) return n;
    if (next == state) return TokenTrie::kAnyLength;
    state = next;
  }
  return kMostCharacters;
}

// No token is long enough to notice how far away a distant bound of a repetition is: all such
// counts behave alike.
int32_t MaskMaker::representative(int32_t node) const {
  if (!Program::is_counted(node)) return node;
  const Counted& repetition = automaton_.program().counted(node);
  const int32_t count = node - repetition.first_node;
  const int32_t far = trie_.longest_token_bytes() + 2;
  const auto most_is_far = [&](int32_t c) {
    return repetition.most < 0 || repetition.most - c >= far;
  };
  if (!most_is_far(count)) return node;
  if (count >= repetition.least) return repetition.first_node + repetition.least;
  return repetition.least - count >= far ? repetition.first_node : node;
}

std::shared_ptr<const GroupMask> MaskMaker::work_out(const std::vector<int32_t>& nodes,
                                                     bool at_root) {
  std::vector<LazyAutomaton::Item> items;
  for (const int32_t node : nodes) items.push_back({node, LazyAutomaton::kRootFrame});
  const int32_t state = automaton_.state_of(std::move(items));
  auto mask = std::make_shared<GroupMask>();
  std::vector<uint64_t> words(trie_.n_words(), 0);
  std::vector<std::pair<uint8_t, int32_t>> escapes;
  const auto note_end = [&](int32_t i, int32_t reached) {
    if (at_root || !automaton_.complete(reached)) return;
    for (int32_t child = i + 1; child < trie_.node(i).end; child = trie_.node(child).end) {
      escapes.emplace_back(trie_.node(child).byte, child);
    }
  };
  for (const int32_t root : trie_.roots()) {
    if (walk(root, state, at_root, words, note_end)) continue;
    if (fault_ == MaskFault::kTooMuchWork) return nullptr;
    mask->too_large = true;
  }
  std::sort(escapes.begin(), escapes.end());
  size_t next = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    mask->offsets[byte] = static_cast<int32_t>(next);
    for (; next < escapes.size() && escapes[next].first == byte; ++next) {
      mask->escapes.push_back(escapes[next].second);
    }
  }
  mask->offsets[256] = static_cast<int32_t>(next);
  size_t n_ids = 0;
  for (const uint64_t word : words) n_ids += static_cast<size_t>(std::popcount(word));
  if (n_ids > kFewIds) {
    mask->words = std::move(words);
    return mask;
  }
  for (size_t word = 0; word < words.size(); ++word) {
    for (uint64_t bits = words[word]; bits != 0; bits &= bits - 1) {
      mask->ids.push_back(static_cast<int32_t>(word * 64) + std::countr_zero(bits));
    }
  }
  return mask;
}

std::shared_ptr<const GroupMask> MaskMaker::group(std::vector<int32_t> nodes, bool at_root) {
  const Program& program = automaton_.program();
  bool prelude = true;
  for (int32_t& node : nodes) {
    node = representative(node);
    prelude &= Program::is_counted(node) ? node < program.n_prelude_counted()
                                         : node < program.n_prelude_nodes();
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.push_back(at_root ? -1 : -2);
  const GroupCache& cache = prelude ? trie_.cache() : own_;
  if (auto known = cache.find(nodes)) return known;
  std::vector<int32_t> key = nodes;
  nodes.pop_back();
  auto made = work_out(nodes, at_root);
  if (made == nullptr) return nullptr;
  (prelude ? trie_.cache() : own_).insert(key, made);
  return made;
}

std::shared_ptr<const TokenMask> MaskMaker::make(int32_t state) {
  auto mask = std::make_shared<TokenMask>();
  const std::vector<LazyAutomaton::Item> items = automaton_.items(state);
  bool first = true;
  for (size_t begin = 0; begin < items.size();) {
    const int32_t frame = items[begin].frame;
    std::vector<int32_t> nodes;
    size_t end = begin;
    for (; end < items.size() && items[end].frame == frame; ++end) nodes.push_back(items[end].node);
    begin = end;
    const bool at_root = frame == LazyAutomaton::kRootFrame;
    const auto part = group(std::move(nodes), at_root);
    if (part == nullptr) return nullptr;
    if (part->too_large) {
      fault_ = MaskFault::kTooManyPlaces;
      return nullptr;
    }
    if (first && !part->words.empty()) {
      mask->words = part->words;
    } else {
      mask->words.resize(trie_.n_words(), 0);
      for (size_t word = 0; word < part->words.size(); ++word)
        mask->words[word] |= part->words[word];
    }
    first = false;
    for (const int32_t id : part->ids) set_bit(mask->words, id);
    if (part->escapes.empty()) continue;
    const int32_t after = automaton_.popped(frame);
    for (size_t byte = 0; byte < 256; ++byte) {
      const int32_t from = part->offsets[byte], to = part->offsets[byte + 1];
      if (from == to) continue;
      const int32_t next = automaton_.next(after, static_cast<uint8_t>(byte));
      if (next == LazyAutomaton::kDead) continue;
      if (next == LazyAutomaton::kTooLarge) {
        fault_ = MaskFault::kTooManyPlaces;
        return nullptr;
      }
      for (int32_t i = from; i < to; ++i) {
        const int32_t node = part->escapes[static_cast<size_t>(i)];
        set(node, node + 1, mask->words);
        if (!walk(node, next, true, mask->words, [](int32_t, int32_t) {})) return nullptr;
      }
    }
  }
  mask->words.resize(trie_.n_words(), 0);
  for (const uint64_t word : mask->words) mask->n_allowed += std::popcount(word);
  if (mask->n_allowed == 1) {
    const auto word = std::find_if(mask->words.begin(), mask->words.end(),
                                   [](uint64_t bits) { return bits != 0; });
    mask->only = static_cast<int32_t>((word - mask->words.begin()) * 64) + std::countr_zero(*word);
  }
  return mask;
}

}  // namespace autoglm::grammar
