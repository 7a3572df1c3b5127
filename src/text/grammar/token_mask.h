// Which tokens may come next at a state: worked out by group of places (group_cache.h), then
// completed by what each group's frame goes on with (docs/decisions/0090).
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/utf8.h"
#include "text/grammar/lazy_automaton.h"
#include "text/grammar/token_trie.h"

namespace autoglm::grammar {

struct TokenMask {
  std::vector<uint64_t> words;  // a bit for each id; set: allowed
  int32_t n_allowed = 0;
  int32_t only = -1;  // the token, when n_allowed is 1

  bool allows(int32_t id) const {
    const auto word = static_cast<size_t>(id) / 64;
    return id >= 0 && word < words.size() && (words[word] >> (id % 64) & 1) != 0;
  }
};

enum class MaskFault {
  kNone,
  kTooManyPlaces,  // the grammar is, somewhere within a token, in too many places at once
  kTooMuchWork,
};

// Makes masks for one automaton. `own` keeps the groups of this grammar; those of its prelude are
// kept in the trie's cache, for all grammars.
class MaskMaker {
 public:
  // `most_work`: steps (work.h).
  MaskMaker(LazyAutomaton& automaton, const TokenTrie& trie, GroupCache& own, uint64_t most_work)
      : automaton_(automaton),
        trie_(trie),
        own_(own),
        most_work_(most_work),
        work_before_(automaton.work()) {}

  // Null when there is none: fault() says why.
  std::shared_ptr<const TokenMask> make(int32_t state);
  MaskFault fault() const { return fault_; }
  uint64_t work() const { return automaton_.work() - work_before_ + visited_ * kStepsOfVisit; }

 private:
  std::shared_ptr<const GroupMask> group(std::vector<int32_t> nodes, bool at_root);
  std::shared_ptr<const GroupMask> work_out(const std::vector<int32_t>& nodes, bool at_root);
  int32_t representative(int32_t node) const;
  // How many plain characters may follow, whichever they are: a few, or
  // kAnyLength. `pass_ends`: ends on the way may be passed over.
  int plain_run(int32_t state, bool pass_ends);
  // The same, kept by state.
  int known_run(int32_t state, bool pass_ends);
  // The same with the first character's first byte given, and counting that character.
  int run_through(int32_t state, uint8_t byte, bool pass_ends);
  // The same where it shows from a count without a look at what follows; -1 where it does not.
  int counted_run(int32_t state, bool pass_ends);
  // Whether each plain character is all that the rule derives from a text that begins with it.
  bool takes_plain_characters(int32_t rule);
  // Whether a plain character, or an end, leads away from the node.
  bool minds_plain_characters(int32_t node) const;
  int32_t after_plain_character(int32_t state);
  bool after_first_byte(int32_t state, int first, int last, const Utf8Row& row, int32_t& target);
  // Walks the nodes below `root`, which is reached at `state`. All tokens on the way are set in
  // `words`, and `reached` is told of each node but those of plain runs, which hold no end (or ends
  // are passed over).
  template <class Reached>
  bool walk(int32_t root, int32_t state, bool pass_ends, std::vector<uint64_t>& words,
            Reached&& reached);
  // All tokens of nodes [begin, end).
  void set(int32_t begin, int32_t end, std::vector<uint64_t>& words) const;

  static constexpr uint64_t kStepsOfVisit = 4;
  LazyAutomaton& automaton_;
  const TokenTrie& trie_;
  GroupCache& own_;
  const uint64_t most_work_, work_before_;
  uint64_t visited_ = 0;  // nodes of the trie
  MaskFault fault_ = MaskFault::kNone;
  std::vector<int32_t> stack_;             // states, by depth
  std::unordered_map<int32_t, int> runs_;  // by state and whether ends are passed over
  std::unordered_map<int32_t, bool> takes_plain_characters_;  // by rule
};

}  // namespace autoglm::grammar
