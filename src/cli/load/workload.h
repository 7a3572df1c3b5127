// What is asked of a server: conversations of one or more turns, each made from the seed and its
// number alone. So the same seed is the same load, whatever the server's speed and the order in
// which requests end, and nothing is held in memory before it is sent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/load/lengths.h"

namespace autoglm::load {

struct WorkloadOptions {
  LengthDistribution input = LengthDistribution::fixed(128);  // tokens of a user's turn
  LengthDistribution output = LengthDistribution::fixed(64);  // tokens asked for
  int64_t prefix_tokens = 0;  // before each conversation: one of `n_prefixes` texts
  int64_t n_prefixes = 1;
  int64_t turns = 1;
  double structured_ratio = 0;  // share of turns that ask for JSON
  uint64_t seed = 0;
};

struct Turn {
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  bool structured = false;
  uint64_t content_seed = 0;
};

struct Conversation {
  int64_t number = 0;
  uint64_t prefix_seed = 0;
  int64_t prefix_tokens = 0;
  std::vector<Turn> turns;
};

Conversation make_conversation(const WorkloadOptions& options, int64_t number);

// `n` token ids in [first, vocab_size): the ids below `first` are special in many vocabularies.
std::vector<int32_t> random_ids(uint64_t seed, int64_t n, int64_t vocab_size);

// `n` common English words, each with a space before it but the first.
std::string random_words(uint64_t seed, int64_t n);

}  // namespace autoglm::load
