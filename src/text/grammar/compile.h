// From a request's wish for structured output to a grammar that is ready to run. The room's front
// door, for engines and for whoever builds such wishes (tool calls: structural_tag.h says how).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "text/grammar/matcher.h"

namespace autoglm::grammar {

// Errors have wish.field as where.
Result<Program> compile_program(const StructuredOutput& wish);
Result<std::shared_ptr<CompiledGrammar>> compile(const StructuredOutput& wish,
                                                 std::shared_ptr<const Vocabulary> vocabulary);

struct CompileCounts {
  int64_t compiled = 0;  // grammars, since the beginning
  int64_t reused = 0;
  double seconds = 0;  // spent compiling
  // What is kept for later requests: grammars, as of when one was last compiled (they grow while
  // they are used), and masks that grammars share.
  int64_t bytes = 0;
};

// Keeps grammars that were compiled, and which were refused, the most recently used ones, as far as
// they fit. Any thread may use it.
class GrammarStore {
 public:
  // `n_ids`: of the model. The tokenizer must outlive it. `max_bytes`: of grammars, and an eighth
  // of it for masks that they share.
  GrammarStore(const Tokenizer& tokenizer, int32_t n_ids, size_t max_bytes = size_t{256} << 20)
      : tokenizer_(tokenizer), n_ids_(n_ids), max_bytes_(max_bytes) {}
  Result<std::shared_ptr<CompiledGrammar>> get(const StructuredOutput& wish);
  // Whether get() would only look it up: a grammar, or the reason why it is refused.
  bool knows(const StructuredOutput& wish) const;
  CompileCounts counts() const;

 private:
  struct Entry {
    std::string key;
    Result<std::shared_ptr<CompiledGrammar>> grammar;  // refusals are kept, too: they cost as much
    size_t size_bytes() const;
  };
  std::shared_ptr<const Vocabulary> vocabulary();
  void make_room();

  const Tokenizer& tokenizer_;
  const int32_t n_ids_;
  const size_t max_bytes_;
  mutable std::mutex mutex_;
  mutable std::mutex vocabulary_mutex_;
  std::shared_ptr<const Vocabulary> vocabulary_;  // once it is needed
  std::list<Entry> entries_;                      // the last used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
  CompileCounts counts_;
};

}  // namespace autoglm::grammar
