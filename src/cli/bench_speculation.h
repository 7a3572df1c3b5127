// What speculative decoding gives: one sequence decoded plainly, with the speculation that the
// settings ask for, and with drafts that are all right.
#pragma once

#include <string>
#include <vector>

#include "autoglm/model.h"

namespace autoglm {

struct SpeculationBench {
  std::vector<TokenId> prompt;
  int generate_tokens = 128;
  int repetitions = 5;
};

struct SpeculationRow {
  std::string test;
  std::vector<double> tokens_per_second;  // after the first token
  double tokens_per_step = 0;             // over all repetitions
};

// Turn by turn, greedy. An error when an answer is not the one of plain decoding. Precondition: the
// model was loaded with a method of speculation, and nobody else uses it meanwhile.
Result<std::vector<SpeculationRow>> bench_speculation(const GLMModel& model,
                                                      const SpeculationBench& bench);

// `block` tokens over and over, `length` in all: a text that repeats itself.
std::vector<TokenId> repeating_prompt(int64_t vocab_size, int length, int block);

}  // namespace autoglm
