// Bodies of requests in the forms of the OpenAI API: a prompt of token ids or of words, or a
// conversation.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/load/workload.h"

namespace autoglm::load {

// How this server is asked; found out by probe() or given by flags.
struct RequestForm {
  std::string path = "/v1/completions";
  std::string model;
  bool token_ids = false;      // prompts of ids; else of words
  int64_t vocab_size = 4096;   // ids are drawn below this
  double tokens_per_word = 1;  // of words
  double tokens_around = 0;    // that the server adds to each prompt: template, begin token
  json::object extra;          // fields of every body: sampling, ignore_eos
  json::object json_schema;    // of structured turns

  bool chat() const { return path.ends_with("/chat/completions"); }
  // Words whose tokens are about `tokens`; at least one.
  int64_t words_for(int64_t tokens) const;
};

// One conversation as the server is to see it, turn by turn.
class Dialogue {
 public:
  Dialogue(const RequestForm& form, const Conversation& conversation);

  // The body of the next turn. Precondition: turns are left.
  std::string next_body();
  // What the server said to it, for the turns that follow.
  void answered(const std::string& text);

 private:
  std::string user_text(const Turn& turn) const;

  const RequestForm& form_;
  const Conversation& conversation_;
  size_t next_ = 0;
  json::array messages_;  // of a chat
  std::string text_;      // of a completion in words
};

// {"type": "json_schema", ...}: what structured turns ask for when no schema is given is a record
// with a name, a number, a choice and a list.
json::object default_schema();

}  // namespace autoglm::load
