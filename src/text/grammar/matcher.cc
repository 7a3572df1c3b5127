#include "text/grammar/matcher.h"

#include <algorithm>
#include <utility>

#include "text/grammar/work.h"

namespace autoglm::grammar {
namespace {

// States, transitions and masks of one grammar. A mask of 150,000 tokens is 19 kB.
constexpr size_t kMaxKnowledgeBytes = size_t{48} << 20;

// Steps (work.h) for one mask, some 70 ms; more than a tenth of that is dear, and a text has a few
// dozen such masks at most. MaskBench's schemas over 150,000 tokens take a hundredth.
constexpr uint64_t kMostWork = 20'000'000;
constexpr uint64_t kDearWork = kMostWork / 10;
constexpr uint64_t kMostDearWork = 20 * kMostWork;

Error error_of(MaskFault fault) {
  if (fault == MaskFault::kTooMuchWork) return Work::error("grammar");
  return {
      .code = ErrorCode::kTooLarge,
      .what = "the grammar is too ambiguous here",
      .where = "grammar",
      .expected = "at most " + std::to_string(LazyAutomaton::kMaxItems) + " places in it at once"};
}

}  // namespace

std::shared_ptr<const Vocabulary> Vocabulary::of(const Tokenizer& tokenizer, int32_t n_ids,
                                                 size_t mask_bytes) {
  auto first = TokenTrie::needs_first_trie(tokenizer)
                   ? std::make_unique<const TokenTrie>(tokenizer, n_ids, true, mask_bytes)
                   : nullptr;
  return std::shared_ptr<const Vocabulary>(
      new Vocabulary{TokenTrie(tokenizer, n_ids, false, mask_bytes), std::move(first)});
}

CompiledGrammar::CompiledGrammar(Program program, std::shared_ptr<const Vocabulary> vocabulary)
    : program_(std::move(program)),
      vocabulary_(std::move(vocabulary)),
      knowledge_(std::make_shared<Knowledge>(program_)) {}

std::shared_ptr<CompiledGrammar> CompiledGrammar::make(
    Program program, std::shared_ptr<const Vocabulary> vocabulary) {
  return std::shared_ptr<CompiledGrammar>(
      new CompiledGrammar(std::move(program), std::move(vocabulary)));
}

size_t CompiledGrammar::size_bytes() const {
  const std::lock_guard lock(mutex_);
  return program_.size_bytes() + knowledge_->automaton.size_bytes() + knowledge_->mask_bytes +
         groups_.size_bytes() + first_groups_.size_bytes();
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<CompiledGrammar> grammar, bool begins_text)
    : grammar_(std::move(grammar)), first_(begins_text && grammar_->vocabulary().first != nullptr) {
  const std::lock_guard lock(grammar_->mutex_);
  knowledge_ = grammar_->knowledge_;
  state_ = knowledge_->automaton.start();
}

const TokenTrie& GrammarMatcher::trie() const {
  return first_ ? *grammar_->vocabulary_->first : grammar_->vocabulary_->trie;
}

// Precondition: the grammar is locked.
void GrammarMatcher::catch_up() const {
  std::shared_ptr<CompiledGrammar::Knowledge>& newest = grammar_->knowledge_;
  // A text that is nested so deeply that it alone needs much must not begin anew at every token.
  const bool anew = newest->automaton.size_bytes() + newest->mask_bytes >
                    std::max(kMaxKnowledgeBytes, 2 * newest->first_bytes);
  if (anew) newest = std::make_shared<CompiledGrammar::Knowledge>(grammar_->program_);
  if (knowledge_ == newest) return;
  state_ = newest->automaton.import(knowledge_->automaton, state_);
  knowledge_ = newest;
  if (anew) newest->first_bytes = newest->automaton.size_bytes();
}

Result<std::shared_ptr<const TokenMask>> GrammarMatcher::mask() {
  const std::lock_guard lock(grammar_->mutex_);
  catch_up();
  CompiledGrammar::Knowledge& known = *knowledge_;
  auto& masks = first_ ? known.first_masks : known.masks;
  const auto found = masks.find(state_);
  if (found != masks.end() && found->second.mask != nullptr) return found->second.mask;
  if (found != masks.end()) return error_of(found->second.fault);
  if (dear_work_ > kMostDearWork) return error_of(MaskFault::kTooMuchWork);
  MaskMaker maker(known.automaton, trie(), first_ ? grammar_->first_groups_ : grammar_->groups_,
                  kMostWork);
  auto made = maker.make(state_);
  if (maker.work() > kDearWork) dear_work_ += maker.work();
  known.mask_bytes += (made == nullptr ? 0 : made->words.size() * 8) + 100;
  masks.emplace(state_, CompiledGrammar::Knowledge::Mask{made, maker.fault()});
  if (made == nullptr) return error_of(maker.fault());
  return made;
}

bool GrammarMatcher::accept(TokenId token) {
  const std::string_view bytes = trie().bytes(static_cast<int32_t>(token));
  if (bytes.empty() || !accept_text(bytes)) return false;
  first_ = false;
  return true;
}

bool GrammarMatcher::accept_text(std::string_view bytes) {
  const std::lock_guard lock(grammar_->mutex_);
  catch_up();
  int32_t state = state_;
  for (const char byte : bytes) {
    state = knowledge_->automaton.next(state, static_cast<uint8_t>(byte));
    if (state <= LazyAutomaton::kTooLarge) return false;
  }
  state_ = state;
  return true;
}

bool GrammarMatcher::may_end() const {
  const std::lock_guard lock(grammar_->mutex_);
  return knowledge_->automaton.complete(state_);
}

bool GrammarMatcher::must_end() const {
  const std::lock_guard lock(grammar_->mutex_);
  return !knowledge_->automaton.continues(state_);
}

}  // namespace autoglm::grammar
