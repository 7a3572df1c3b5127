// /score and /rerank: how well texts answer a text. A classifier of one label reads both together;
// of a model that makes vectors it is the cosine of theirs, as vLLM has it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

#include "base/utf8.h"
#include "serve/api/encoder_plan.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/sampling.h"

namespace autoglm::serve {
namespace {

using Results = std::vector<std::vector<float>>;
constexpr std::string_view kApi = "Rerank (Score)";

// Which texts meet: all of `first` each its own of `second`, or the one of `first` all of them.
struct Pairs {
  std::vector<std::string> first, second;
  std::string first_field, second_field;

  const std::string& first_of(size_t i) const { return first[first.size() == 1 ? 0 : i]; }
};

Result<const EncoderInfo*> scoring_encoder(const ModelInfo& model) {
  if (!model.encoder) return no_such_api(kApi);
  if (model.encoder->labels.size() > 1) {
    Error error = no_such_api(kApi);
    error.what += ": its classifier has more than one label";
    return error;
  }
  return &*model.encoder;
}

bool reads_both(const EncoderInfo& encoder) { return !encoder.labels.empty(); }

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0, of_a = 0, of_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * double{b[i]};
    of_a += double{a[i]} * double{a[i]};
    of_b += double{b[i]} * double{b[i]};
  }
  // As torch.nn.functional.cosine_similarity.
  return product / std::max(std::sqrt(of_a) * std::sqrt(of_b), 1e-8);
}

// A text, or an object with one under "text".
Result<std::string> text_of(const json::value& value, const std::string& param) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_object()) {
    const json::Fields fields = AGLM_TRY(json::fields_of(value, param));
    if (const json::value* text = fields.find("text"); text != nullptr && text->is_string()) {
      return std::string(text->get_string());
    }
  }
  return bad_field(param, "wrong kind", "a string, or an object with one under \"text\"",
                   json::kind_name(value));
}

// One or a list of them.
Result<std::vector<std::string>> texts_of(const json::Fields& fields, std::string_view key) {
  const json::value* value = fields.find(key);
  if (value == nullptr) return bad_field(key, "field is missing", "a text or a list of texts");
  std::vector<std::string> texts;
  if (!value->is_array()) {
    texts.push_back(AGLM_TRY(text_of(*value, std::string(key))));
    return texts;
  }
  const json::array& list = value->get_array();
  if (list.empty()) return bad_field(key, "the list is empty", "at least one text");
  if (list.size() > kMaxTexts) {
    return bad_field(key, "too many texts", fmt::format("at most {}", kMaxTexts),
                     fmt::to_string(list.size()));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    texts.push_back(AGLM_TRY(text_of(list[i], fmt::format("{}[{}]", key, i))));
  }
  return texts;
}

// What the model reads: each pair, or each text of both sides once, the first ones before.
Result<EncodingRequest> read_pairs(const ServiceContext& context, const json::Fields& fields,
                                   const Pairs& pairs, const RequestTask& task) {
  const ModelInfo& model = context.backend->info();
  EncodingRequest request;
  const EncoderTextOptions options = AGLM_TRY(read_text_options(fields, model));
  request.scheduling = AGLM_TRY(read_scheduling(fields, task.context()));
  request.request_id = task.context().id;
  const bool old_name = AGLM_TRY(boolean_field(fields, "activation", true));
  request.activate = AGLM_TRY(boolean_field(fields, "use_activation", old_name));
  if (reads_both(*model.encoder)) {
    for (size_t i = 0; i < pairs.second.size(); ++i) {
      if (!task.wanted()) return not_wanted();
      request.texts.push_back(AGLM_TRY(read_pair(*context.backend, pairs.first_of(i),
                                                 pairs.second[i], options, pairs.second_field)));
    }
    return request;
  }
  const auto add = [&](const std::vector<std::string>& texts,
                       const std::string& field) -> Result<void> {
    for (const std::string& text : texts) {
      if (!task.wanted()) return not_wanted();
      request.texts.push_back(AGLM_TRY(read_text(*context.backend, text, options, field)));
    }
    return {};
  };
  AGLM_TRY(add(pairs.first, pairs.first_field));
  AGLM_TRY(add(pairs.second, pairs.second_field));
  return request;
}

// One for each pair. `n_first`: texts that come first, where the model does not read both together.
std::vector<double> scores_of(const Results& results, size_t n_first, bool together) {
  std::vector<double> scores;
  if (together) {
    for (const std::vector<float>& result : results) scores.push_back(result[0]);
    return scores;
  }
  for (size_t i = n_first; i < results.size(); ++i) {
    scores.push_back(cosine(results[n_first == 1 ? 0 : i - n_first], results[i]));
  }
  return scores;
}

std::string score_answer(const ServiceContext& context, const std::vector<double>& scores,
                         const Usage& usage) {
  std::string answer = answer_head(context, "score-", "list");
  add_member(answer, "data", [&](std::string& out) {
    out += '[';
    for (size_t i = 0; i < scores.size(); ++i) {
      fmt::format_to(std::back_inserter(out),
                     "{}{{\"index\":{},\"object\":\"score\",\"score\":{}}}", i > 0 ? "," : "", i,
                     static_cast<float>(scores[i]));
    }
    out += ']';
  });
  add_member(answer, "usage", text_usage(usage));
  return answer;
}

struct RerankWish {
  size_t top_n = 0;
  bool return_documents = true;
  std::vector<std::string> documents;
};

// Jina's shape, and what Cohere's clients read beside it.
std::string rerank_answer(const ServiceContext& context, const std::vector<double>& scores,
                          const RerankWish& wish, const Usage& usage) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(order.size(), wish.top_n));
  std::string answer =
      dump(json::object{{"id", new_id("rerank-")}, {"model", context.model_name()}});
  add_member(answer, "results", [&](std::string& out) {
    out += '[';
    for (const size_t i : order) {
      if (out.back() != '[') out += ',';
      fmt::format_to(std::back_inserter(out), "{{\"index\":{},\"relevance_score\":{}", i,
                     static_cast<float>(scores[i]));
      if (wish.return_documents) {
        out += ",\"document\":{\"text\":";
        append_string(out, wish.documents[i]);
        out += '}';
      }
      out += '}';
    }
    out += ']';
  });
  add_member(
      answer, "usage",
      json::object{{"prompt_tokens", usage.prompt_tokens}, {"total_tokens", usage.prompt_tokens}});
  add_member(answer, "meta",
             json::object{{"api_version", json::object{{"version", "1"}}},
                          {"billed_units", json::object{{"search_units", 1}}}});
  return answer;
}

// The names of both sides: vLLM's, and those of its newer requests.
Result<Pairs> read_sides(const json::Fields& fields) {
  Pairs pairs;
  const bool newer = fields.find("queries") != nullptr || fields.find("documents") != nullptr;
  pairs.first_field = newer ? "queries" : "text_1";
  pairs.second_field = newer ? "documents" : "text_2";
  pairs.first = AGLM_TRY(texts_of(fields, pairs.first_field));
  pairs.second = AGLM_TRY(texts_of(fields, pairs.second_field));
  if (pairs.first.size() != 1 && pairs.first.size() != pairs.second.size()) {
    return bad_field(pairs.second_field, "the numbers of texts do not fit each other",
                     fmt::format("1 or {} in {}", pairs.second.size(), pairs.first_field),
                     fmt::format("{}", pairs.first.size()));
  }
  return pairs;
}

Result<size_t> read_top_n(const json::Fields& fields, size_t n_documents) {
  const auto top_n = AGLM_TRY(integer_field(fields, "top_n", 0, 1'000'000'000));
  // As vLLM: 0 is all.
  return top_n.value_or(0) == 0 ? n_documents : static_cast<size_t>(*top_n);
}

}  // namespace

Result<EncodingPlan> plan_score(const ServiceContext& context, std::string_view body,
                                const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  const EncoderInfo* encoder = AGLM_TRY(scoring_encoder(context.backend->info()));
  const Pairs pairs = AGLM_TRY(read_sides(fields));
  EncodingPlan plan;
  plan.request = AGLM_TRY(read_pairs(context, fields, pairs, task));
  plan.answer = [&context, n = pairs.first.size(), together = reads_both(*encoder)](
                    const Results& results, const Usage& usage) {
    return score_answer(context, scores_of(results, n, together), usage);
  };
  return plan;
}

Result<EncodingPlan> plan_rerank(const ServiceContext& context, std::string_view body,
                                 const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  const EncoderInfo* encoder = AGLM_TRY(scoring_encoder(context.backend->info()));
  for (const std::string_view key : {"max_tokens_per_doc", "max_chunks_per_doc", "rank_fields"}) {
    if (fields.find(key) != nullptr) {
      return not_offered(key, "documents are read whole; truncate_prompt_tokens cuts them");
    }
  }
  Pairs pairs{.first_field = "query", .second_field = "documents"};
  if (fields.find("query") == nullptr) return bad_field("query", "field is missing", "a text");
  pairs.first.push_back(AGLM_TRY(text_of(*fields.find("query"), "query")));
  if (const json::value* list = fields.find("documents"); list != nullptr && !list->is_array()) {
    return bad_field("documents", "wrong kind", "a list of texts", json::kind_name(*list));
  }
  pairs.second = AGLM_TRY(texts_of(fields, "documents"));
  RerankWish wish;
  wish.top_n = AGLM_TRY(read_top_n(fields, pairs.second.size()));
  wish.return_documents = AGLM_TRY(boolean_field(fields, "return_documents", true));
  EncodingPlan plan;
  plan.request = AGLM_TRY(read_pairs(context, fields, pairs, task));
  if (wish.return_documents) wish.documents = std::move(pairs.second);
  plan.answer = [&context, together = reads_both(*encoder), wish = std::move(wish)](
                    const Results& results, const Usage& usage) {
    return rerank_answer(context, scores_of(results, 1, together), wish, usage);
  };
  return plan;
}

}  // namespace autoglm::serve
