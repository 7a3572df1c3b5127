#include "cli/load/request_form.h"

#include <algorithm>
#include <cmath>

namespace autoglm::load {

int64_t RequestForm::words_for(int64_t tokens) const {
  return std::max<int64_t>(1, std::llround(static_cast<double>(tokens) / tokens_per_word));
}

Dialogue::Dialogue(const RequestForm& form, const Conversation& conversation)
    : form_(form), conversation_(conversation) {
  if (conversation.prefix_tokens == 0 || form.token_ids) return;
  const std::string prefix =
      random_words(conversation.prefix_seed, form.words_for(conversation.prefix_tokens));
  if (form.chat()) {
    messages_.push_back({{"role", "system"}, {"content", prefix}});
  } else {
    text_ = prefix + " ";
  }
}

std::string Dialogue::user_text(const Turn& turn) const {
  // The first turn carries what the server adds of its own.
  const double around = next_ == 0 ? form_.tokens_around : 0;
  const int64_t wanted = turn.input_tokens - std::llround(around);
  return random_words(turn.content_seed, form_.words_for(std::max<int64_t>(1, wanted)));
}

std::string Dialogue::next_body() {
  const Turn& turn = conversation_.turns[next_];
  json::object body = form_.extra;
  if (!form_.model.empty()) body["model"] = form_.model;
  if (form_.chat()) {
    messages_.push_back({{"role", "user"}, {"content", user_text(turn)}});
    body["messages"] = messages_;
  } else if (form_.token_ids) {
    std::vector<int32_t> ids =
        random_ids(conversation_.prefix_seed, conversation_.prefix_tokens, form_.vocab_size);
    for (const int32_t id : random_ids(turn.content_seed, turn.input_tokens, form_.vocab_size)) {
      ids.push_back(id);
    }
    body["prompt"] = boost::json::value_from(ids);
  } else {
    text_ += user_text(turn);
    body["prompt"] = text_;
  }
  body["max_tokens"] = turn.output_tokens;
  body["stream"] = true;
  body["stream_options"] = json::object{{"include_usage", true}};
  if (turn.structured) {
    const json::object schema{{"name", "record"}, {"strict", true}, {"schema", form_.json_schema}};
    body["response_format"] = json::object{{"type", "json_schema"}, {"json_schema", schema}};
  }
  ++next_;
  return boost::json::serialize(body);
}

void Dialogue::answered(const std::string& text) {
  if (form_.chat()) messages_.push_back({{"role", "assistant"}, {"content", text}});
}

json::object default_schema() {
  const json::object text{{"type", "string"}, {"maxLength", 24}};
  return json::object{
      {"type", "object"},
      {"properties", json::object{{"name", text},
                                  {"age", {{"type", "integer"}, {"minimum", 0}, {"maximum", 150}}},
                                  {"role", {{"enum", json::array{"reader", "writer", "owner"}}}},
                                  {"tags", {{"type", "array"}, {"items", text}, {"maxItems", 4}}}}},
      {"required", json::array{"name", "age", "role", "tags"}},
      {"additionalProperties", false}};
}

}  // namespace autoglm::load
