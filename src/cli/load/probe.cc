#include "cli/load/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>
#include <string>
#include <utility>

namespace autoglm::load {
namespace {

namespace asio = boost::asio;

constexpr size_t kMaxAnswerBytes = size_t{4} << 20;
// Ids below it exist in every vocabulary of the models here.
constexpr int64_t kSafeVocabulary = 4000;
constexpr int64_t kProbeIds = 16;
// Far enough apart that the difference counts words alone, whatever a template adds.
constexpr int64_t kFewWords = 32;
constexpr int64_t kManyWords = 96;

struct Answer {
  HttpOutcome outcome;
  std::string body;
  json::value parsed;  // null where the body is no JSON
};

asio::awaitable<Answer> ask(HttpClient& client, std::string method, std::string path,
                            std::string body, double timeout_s) {
  const auto limit =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_s));
  HttpCall call{.method = std::move(method),
                .path = std::move(path),
                .body = std::move(body),
                .deadline = Clock::now() + limit};
  Answer answer;
  HttpClient::OnBody gather = [&answer](int, std::string_view piece) {
    if (answer.body.size() + piece.size() <= kMaxAnswerBytes) answer.body += piece;
  };
  answer.outcome = co_await client.exchange(std::move(call), std::move(gather));
  if (auto parsed = json::parse(answer.body, "answer")) answer.parsed = std::move(*parsed);
  co_return answer;
}

Error refused(const HttpClient& client, const Answer& answer, std::string what) {
  const HttpOutcome& outcome = answer.outcome;
  std::string found = outcome.failure == Failure::kNone
                          ? fmt::format("{} {}", outcome.status, error_text(answer.body))
                          : fmt::format("{}: {}", failure_name(outcome.failure), outcome.detail);
  return Error{ErrorCode::kUnavailable, std::move(what), client.endpoint().url(), "",
               std::move(found)};
}

// Numbers and texts of a JSON answer by a pointer; nothing where they are not.
const json::value* at(const json::value& value, std::string_view pointer) {
  boost::system::error_code code;
  return value.find_pointer(pointer, code);
}

int64_t integer_at(const json::value& value, std::string_view pointer) {
  const json::value* found = at(value, pointer);
  return found != nullptr && found->is_int64() ? found->get_int64() : 0;
}

void learn_model(const json::value& models, RequestForm& form) {
  const json::value* id = at(models, "/data/0/id");
  if (form.model.empty() && id != nullptr && id->is_string()) form.model = id->get_string();
  // llama-server's place for it, and ours.
  const int64_t vocab = integer_at(models, "/data/0/meta/n_vocab");
  if (form.vocab_size == 0) {
    form.vocab_size = vocab > 0 && vocab < (int64_t{1} << 31) ? vocab : kSafeVocabulary;
  }
}

json::object base_body(const RequestForm& form) {
  json::object body;
  if (!form.model.empty()) body["model"] = form.model;
  body["max_tokens"] = 1;
  body["temperature"] = 0;
  return body;
}

std::string ids_body(const RequestForm& form) {
  json::object body = base_body(form);
  body["prompt"] = boost::json::value_from(random_ids(1, kProbeIds, form.vocab_size));
  return boost::json::serialize(body);
}

std::string words_body(const RequestForm& form, int64_t n) {
  json::object body = base_body(form);
  const std::string words = random_words(static_cast<uint64_t>(n), n);
  if (form.chat()) {
    body["messages"] = json::array{json::object{{"role", "user"}, {"content", words}}};
  } else {
    body["prompt"] = words;
  }
  return boost::json::serialize(body);
}

bool answered(const Answer& answer) {
  return answer.outcome.failure == Failure::kNone && answer.outcome.status == 200;
}

// True when the server counts the ids it is given; one may be added for the text's beginning.
bool took_ids(const Answer& answer) {
  const int64_t counted = integer_at(answer.parsed, "/usage/prompt_tokens");
  return answered(answer) && (counted == kProbeIds || counted == kProbeIds + 1);
}

// Fills in `form`, or says in `problem` why it cannot.
asio::awaitable<void> learn(HttpClient& client, RequestForm& form, ProbeOptions options,
                            std::optional<Error>& problem) {
  const Answer models = co_await ask(client, "GET", "/v1/models", "", options.timeout_s);
  if (models.outcome.failure != Failure::kNone) {
    problem = refused(client, models, "the server cannot be asked");
    co_return;
  }
  learn_model(models.parsed, form);
  if (!form.chat() && options.prompts != PromptForm::kText) {
    const Answer ids = co_await ask(client, "POST", form.path, ids_body(form), options.timeout_s);
    form.token_ids = took_ids(ids);
    if (form.token_ids) co_return;
    if (options.prompts == PromptForm::kTokenIds) {
      problem = refused(client, ids, "the server does not take token ids as a prompt");
      co_return;
    }
  }
  std::array<double, 2> counted{};
  for (size_t i = 0; i < counted.size(); ++i) {
    const std::string body = words_body(form, i == 0 ? kFewWords : kManyWords);
    const Answer words = co_await ask(client, "POST", form.path, body, options.timeout_s);
    if (!answered(words)) {
      problem = refused(client, words, "the server does not answer " + form.path);
      co_return;
    }
    counted[i] = static_cast<double>(integer_at(words.parsed, "/usage/prompt_tokens"));
  }
  if (counted[1] > counted[0] && counted[0] > 0) {
    form.tokens_per_word = (counted[1] - counted[0]) / (kManyWords - kFewWords);
    form.tokens_around = std::max(0.0, counted[0] - form.tokens_per_word * kFewWords);
  }
}

}  // namespace

Result<RequestForm> probe(asio::io_context& context, HttpClient& client, RequestForm form,
                          ProbeOptions options) {
  std::optional<Error> problem;
  asio::co_spawn(context, learn(client, form, options, problem), asio::detached);
  context.restart();
  context.run();
  if (problem) return std::move(*problem);
  return form;
}

}  // namespace autoglm::load
