#include "cli/load/workload.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace autoglm::load {
namespace {

// Short and frequent, so that most vocabularies hold each as one token.
constexpr std::array kWords = {
    "time",    "year",     "people", "way",    "day",     "man",    "thing",    "woman",
    "life",    "child",    "world",  "school", "state",   "family", "group",    "country",
    "problem", "hand",     "part",   "place",  "case",    "week",   "company",  "system",
    "program", "question", "work",   "number", "night",   "point",  "home",     "water",
    "room",    "mother",   "area",   "money",  "story",   "fact",   "month",    "lot",
    "right",   "study",    "book",   "eye",    "job",     "word",   "business", "issue",
    "side",    "kind",     "head",   "house",  "service", "friend", "father",   "power",
    "hour",    "game",     "line",   "end",    "member",  "law",    "car",      "city"};

// Seeds of different purposes must not meet: one step of SplitMix64 over seed and purpose.
uint64_t mix(uint64_t seed, uint64_t purpose) {
  uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (purpose + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

constexpr uint64_t kPrefixes = 1;
constexpr uint64_t kConversations = 2;
// Below it stand the special tokens, bytes and punctuation of most vocabularies.
constexpr int64_t kFirstId = 256;

}  // namespace

Conversation make_conversation(const WorkloadOptions& options, int64_t number) {
  Random random(mix(mix(options.seed, kConversations), static_cast<uint64_t>(number)));
  Conversation conversation{.number = number, .prefix_tokens = options.prefix_tokens};
  const uint64_t prefix = random() % static_cast<uint64_t>(options.n_prefixes);
  conversation.prefix_seed = mix(mix(options.seed, kPrefixes), prefix);
  std::uniform_real_distribution<double> share(0, 1);
  for (int64_t i = 0; i < options.turns; ++i) {
    Turn turn;
    turn.input_tokens = options.input.sample(random);
    turn.output_tokens = options.output.sample(random);
    turn.structured = share(random) < options.structured_ratio;
    turn.content_seed = random();
    conversation.turns.push_back(turn);
  }
  return conversation;
}

std::vector<int32_t> random_ids(uint64_t seed, int64_t n, int64_t vocab_size) {
  Random random(seed);
  const int64_t first = vocab_size > 2 * kFirstId ? kFirstId : 0;
  std::uniform_int_distribution<int32_t> id(static_cast<int32_t>(first),
                                            static_cast<int32_t>(std::max(first, vocab_size - 1)));
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t& each : ids) each = id(random);
  return ids;
}

std::string random_words(uint64_t seed, int64_t n) {
  Random random(seed);
  std::string text;
  for (int64_t i = 0; i < n; ++i) {
    if (i > 0) text += ' ';
    text += kWords[random() % kWords.size()];
  }
  return text;
}

}  // namespace autoglm::load
