#include "cli/load/driver.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <csignal>
#include <utility>

#include "base/json.h"
#include "cli/load/sse_reader.h"

namespace autoglm::load {
namespace asio = boost::asio;
namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr auto kProgressStep = std::chrono::milliseconds(500);
constexpr size_t kMaxEventBytes = size_t{8} << 20;
constexpr size_t kMaxErrorBytes = size_t{64} << 10;

Clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

class Driver {
 public:
  Driver(asio::io_context& context, HttpClient& client, const RequestForm& form,
         const RunOptions& options)
      : client_(client),
        form_(form),
        options_(options),
        begin_(Clock::now()),
        wake_(context, Clock::time_point::max()),
        tick_(context),
        signals_(context) {
    boost::system::error_code ignored;
    signals_.add(SIGINT, ignored);
  }

  void start(asio::io_context& context, std::function<void(const Progress&)> on_progress) {
    on_progress_ = std::move(on_progress);
    asio::co_spawn(context, dispatch(), asio::detached);
    asio::co_spawn(context, watch_signals(), asio::detached);
    if (on_progress_) asio::co_spawn(context, report(), asio::detached);
  }

  RunResult result() {
    RunResult result{.observations = std::move(observations_), .interrupted = interrupted_};
    double first = std::numeric_limits<double>::infinity();
    double last = 0;
    for (const Observation& seen : result.observations) {
      first = std::min(first, seen.start_s);
      last = std::max(last, seen.end_s);
    }
    result.duration_s = std::max(0.0, last - first);
    return result;
  }

 private:
  double now_s() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  bool time_is_up() const {
    return interrupted_ || (options_.duration_s > 0 && now_s() >= options_.duration_s);
  }

  asio::awaitable<void> dispatch() {
    double arrival_s = 0;
    for (int64_t i = 0; i < options_.n_conversations; ++i) {
      if (std::isfinite(options_.request_rate)) arrival_s += arrival_gap_s(options_, i);
      if (options_.duration_s > 0 && arrival_s >= options_.duration_s) break;
      while (!time_is_up() && now_s() < arrival_s) {
        wake_.expires_at(begin_ + duration_of(arrival_s));
        co_await wake_.async_wait(kToken);
      }
      while (!time_is_up() && options_.max_concurrency > 0 &&
             conversing_ >= options_.max_concurrency) {
        wake_.expires_at(deadline());
        co_await wake_.async_wait(kToken);
      }
      if (time_is_up()) break;
      ++conversing_;
      asio::co_spawn(wake_.get_executor(), converse(i, arrival_s), asio::detached);
    }
    dispatched_ = true;
    end_if_done();
  }

  Clock::time_point deadline() const {
    return options_.duration_s > 0 ? begin_ + duration_of(options_.duration_s)
                                   : Clock::time_point::max();
  }

  asio::awaitable<void> converse(int64_t number, double arrival_s) {
    const Conversation conversation = make_conversation(options_.workload, number);
    Dialogue dialogue(form_, conversation);
    for (size_t i = 0; i < conversation.turns.size() && !(i > 0 && time_is_up()); ++i) {
      const std::string body = dialogue.next_body();
      const Turn& turn = conversation.turns[i];
      Observation seen{.conversation = number, .turn = static_cast<int32_t>(i)};
      seen.structured = turn.structured;
      seen.input_tokens = turn.input_tokens + (i == 0 ? conversation.prefix_tokens : 0);
      seen.arrival_s = i == 0 ? arrival_s : now_s();
      std::string text;
      const double wait_s = co_await request(body, seen, text);
      const bool failed = seen.failure != Failure::kNone;
      observations_.push_back(std::move(seen));
      failed_ += failed ? 1 : 0;
      dialogue.answered(text);
      const bool more = i + 1 < conversation.turns.size() && !failed;
      // A client that was told to come back later does so; others think before they go on.
      const double pause_s = std::max(wait_s, more ? options_.think_time_s : 0);
      if (pause_s > 0) co_await rest(pause_s);
      if (failed) break;
    }
    --conversing_;
    wake_.cancel();
    end_if_done();
  }

  asio::awaitable<void> rest(double seconds) {
    const auto until = std::min(Clock::now() + duration_of(seconds), deadline());
    while (!interrupted_ && Clock::now() < until) {
      // In short steps, so that Ctrl-C need not know of it.
      asio::steady_timer pause(wake_.get_executor(),
                               std::min<Clock::time_point>(until, Clock::now() + kProgressStep));
      co_await pause.async_wait(kToken);
    }
  }

  // Returns the seconds to wait before the next one, and the answer's text in `text`.
  asio::awaitable<double> request(const std::string& body, Observation& seen, std::string& text) {
    AnswerReader answer;
    SseReader events(kMaxEventBytes);
    std::string error_body;
    bool broken = false;
    HttpClient::OnBody on_body = [&](int status, std::string_view piece) {
      if (status != 200) {
        error_body += piece.substr(0, kMaxErrorBytes - std::min(kMaxErrorBytes, error_body.size()));
        return;
      }
      const Clock::time_point now = Clock::now();
      const auto on_data = [&](std::string_view data) {
        const size_t before = answer.pieces().size();
        answer.on_data(data, now);
        pieces_ += static_cast<int64_t>(answer.pieces().size() - before);
      };
      if (!broken && !events.feed(piece, on_data)) broken = true;
    };
    HttpCall call{.path = form_.path, .body = body};
    const Clock::time_point start = Clock::now();
    call.deadline = start + duration_of(options_.request_timeout_s);
    ++running_;
    HttpOutcome outcome = co_await client_.exchange(std::move(call), std::move(on_body));
    --running_;
    seen.start_s = std::chrono::duration<double>(start - begin_).count();
    seen.end_s = now_s();
    seen.status = outcome.status;
    seen.failure = outcome.failure;
    seen.detail = outcome.detail;
    if (seen.failure == Failure::kNone && outcome.status != 200) {
      seen.failure = Failure::kStatus;
      seen.detail = error_text(error_body);
    } else if (seen.failure == Failure::kNone) {
      seen.failure = broken ? Failure::kBadStream : answer.at_end();
      seen.detail = answer.detail();
    } else if (answer.failure() != Failure::kNone) {
      seen.failure = answer.failure();  // the server said so before it closed
      seen.detail = answer.detail();
    }
    if (seen.failure == Failure::kNone) observe(answer, seen);
    text = answer.text();
    co_return outcome.retry_after_s;
  }

  void observe(const AnswerReader& answer, Observation& seen) const {
    const std::vector<Clock::time_point>& pieces = answer.pieces();
    seen.n_pieces = std::ssize(pieces);
    seen.output_tokens = seen.n_pieces;
    if (const std::optional<TokenUsage>& usage = answer.usage()) {
      seen.has_usage = true;
      seen.input_tokens = usage->prompt_tokens;
      seen.output_tokens = usage->completion_tokens;
      seen.cached_tokens = usage->cached_tokens;
    }
    seen.first_piece_s = std::chrono::duration<double>(pieces.front() - begin_).count();
    for (size_t i = 1; i < pieces.size(); ++i) {
      seen.gaps_ms.push_back(
          std::chrono::duration<float, std::milli>(pieces[i] - pieces[i - 1]).count());
    }
    if (seen.structured) seen.valid_json = json::parse(answer.text(), "answer").has_value();
  }

  asio::awaitable<void> watch_signals() {
    const auto [code, signal] = co_await signals_.async_wait(kToken);
    if (code) co_return;
    interrupted_ = true;
    wake_.cancel();
    client_.interrupt();
  }

  asio::awaitable<void> report() {
    for (;;) {
      tick_.expires_after(kProgressStep);
      const auto [code] = co_await tick_.async_wait(kToken);
      if (code) co_return;
      // With a duration nobody knows how many there will be.
      const int64_t total =
          options_.duration_s > 0 ? 0 : options_.n_conversations * options_.workload.turns;
      on_progress_({now_s(), std::ssize(observations_), failed_, running_, total, pieces_});
    }
  }

  void end_if_done() {
    if (!dispatched_ || conversing_ > 0) return;
    boost::system::error_code ignored;
    signals_.cancel(ignored);
    tick_.cancel();
  }

  HttpClient& client_;
  const RequestForm& form_;
  const RunOptions& options_;
  const Clock::time_point begin_;
  asio::steady_timer wake_;  // what dispatch() sleeps on
  asio::steady_timer tick_;
  asio::signal_set signals_;
  std::function<void(const Progress&)> on_progress_;

  std::vector<Observation> observations_;
  int64_t conversing_ = 0;
  int64_t running_ = 0;
  int64_t failed_ = 0;
  int64_t pieces_ = 0;
  bool dispatched_ = false;
  bool interrupted_ = false;
};

}  // namespace

double arrival_gap_s(const RunOptions& options, int64_t number) {
  std::seed_seq seed{options.workload.seed, static_cast<uint64_t>(number), uint64_t{3}};
  Random random(seed);
  const double shape = options.burstiness;
  return std::gamma_distribution<double>(shape, 1 / (options.request_rate * shape))(random);
}

RunResult run_load(asio::io_context& context, HttpClient& client, const RequestForm& form,
                   const RunOptions& options, std::function<void(const Progress&)> on_progress) {
  Driver driver(context, client, form, options);
  driver.start(context, std::move(on_progress));
  context.restart();
  context.run();
  return driver.result();
}

}  // namespace autoglm::load
