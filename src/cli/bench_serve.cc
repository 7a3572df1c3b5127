// autoglm bench serve URL...: how a server with the OpenAI API holds up under load. The flags are
// those of vllm bench serve where it has them; the machinery is in cli/load.
#include "cli/bench_serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "cli/load/driver.h"
#include "cli/load/probe.h"
#include "cli/load/report.h"

namespace autoglm {
namespace {

using namespace load;

constexpr int64_t kDefaultClients = 16;
constexpr int64_t kDefaultPrompts = 64;

struct ServeFlags {
  std::vector<std::string> urls;
  std::string endpoint = "/v1/completions";
  std::string model;
  std::string prompts = "auto";
  std::string input_len = "128";
  std::string output_len = "64";
  double range_ratio = 0;
  int64_t prefix_len = 0;
  int64_t n_prefixes = 1;
  int64_t turns = 1;
  double think_time_ms = 0;
  double structured_ratio = 0;
  std::string schema_file;
  std::string request_rate = "inf";
  bool rate_given = false;
  double burstiness = 1;
  int64_t max_concurrency = 0;
  int64_t num_prompts = 0;
  double duration_s = 0;
  double timeout_s = 600;
  int64_t num_warmups = 0;
  uint64_t seed = 0;
  bool ignore_eos = false;
  double temperature = 0;
  std::string extra_body;
  std::vector<std::string> headers;
  std::string api_key_file;
  int64_t vocab_size = 0;
  std::vector<std::string> goodput;
  bool as_json = false;
  bool detailed = false;
  std::string html_file;
};

Error wrong_flag(std::string_view flag, std::string what, std::string expected,
                 std::string_view found) {
  return Error{ErrorCode::kInvalidArgument, std::move(what), std::string(flag), std::move(expected),
               fmt::format("\"{}\"", found)};
}

Result<LengthDistribution> lengths(const std::string& text, double ratio, std::string_view flag) {
  const LengthDistribution parsed = AGLM_TRY(LengthDistribution::parse(text, flag));
  if (ratio == 0) return parsed;
  if (!parsed.is_fixed()) {
    return wrong_flag(flag, "a distribution has its own spread",
                      "one number beside --random-range-ratio", text);
  }
  return LengthDistribution::around(parsed.centre(), ratio);
}

Result<double> request_rate(const std::string& text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  double rate = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, rate);
  if (code != std::errc{} || stop != end || !(rate > 0 && rate <= 1e6)) {
    return wrong_flag("--request-rate", "not a rate", "requests a second, or inf", text);
  }
  return rate;
}

Result<RunOptions> run_options(const ServeFlags& flags) {
  RunOptions options;
  WorkloadOptions& workload = options.workload;
  workload.input = AGLM_TRY(lengths(flags.input_len, flags.range_ratio, "--random-input-len"));
  workload.output = AGLM_TRY(lengths(flags.output_len, flags.range_ratio, "--random-output-len"));
  workload.prefix_tokens = flags.prefix_len;
  workload.n_prefixes = flags.n_prefixes;
  workload.turns = flags.turns;
  workload.structured_ratio = flags.structured_ratio;
  workload.seed = flags.seed;
  options.request_rate = AGLM_TRY(request_rate(flags.request_rate));
  options.burstiness = flags.burstiness;
  options.max_concurrency = flags.max_concurrency;
  if (!flags.rate_given && flags.max_concurrency == 0) options.max_concurrency = kDefaultClients;
  options.duration_s = flags.duration_s;
  options.n_conversations = flags.num_prompts;
  if (flags.num_prompts == 0) {
    options.n_conversations =
        flags.duration_s > 0 ? std::numeric_limits<int64_t>::max() : kDefaultPrompts;
    if (flags.duration_s > 0 && options.max_concurrency == 0 && flags.request_rate == "inf") {
      return wrong_flag("--request-rate", "an infinite rate needs an end",
                        "--num-prompts or --max-concurrency beside --duration", "inf");
    }
  }
  options.request_timeout_s = flags.timeout_s;
  options.think_time_s = flags.think_time_ms / 1e3;
  return options;
}

Result<RequestForm> request_form(const ServeFlags& flags) {
  RequestForm form{.path = flags.endpoint, .model = flags.model, .vocab_size = flags.vocab_size};
  // A turn after another needs what the server said: messages carry it.
  if (flags.turns > 1) form.path = "/v1/chat/completions";
  form.extra["temperature"] = flags.temperature;
  if (flags.ignore_eos) form.extra["ignore_eos"] = true;
  if (!flags.extra_body.empty()) {
    const json::value extra = AGLM_TRY(json::parse(flags.extra_body, "--extra-body"));
    const json::Fields fields = AGLM_TRY(json::fields_of(extra, "--extra-body"));
    for (const auto& [key, value] : fields.raw()) {
      form.extra[key] = value;
    }
  }
  form.json_schema = default_schema();
  if (!flags.schema_file.empty()) {
    const json::value schema = AGLM_TRY(json::parse_file(flags.schema_file));
    form.json_schema = AGLM_TRY(json::fields_of(schema, flags.schema_file)).raw();
  }
  return form;
}

// Not from the command line, which everybody on the machine can see.
Result<std::string> api_key(const ServeFlags& flags) {
  constexpr size_t kMaxKeyBytes = 4096;
  std::string key;
  if (!flags.api_key_file.empty()) {
    key = AGLM_TRY(read_text_file(flags.api_key_file, kMaxKeyBytes));
    key.erase(key.find_last_not_of(" \t\n") + 1);
  } else if (const char* variable = std::getenv("OPENAI_API_KEY")) {
    key = variable;
  }
  const bool visible =
      std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (visible) return key;
  return Error{ErrorCode::kInvalidArgument, "not a key",
               flags.api_key_file.empty() ? "OPENAI_API_KEY" : flags.api_key_file,
               "one line without spaces", ""};
}

Result<Endpoint> endpoint_of(const ServeFlags& flags, const std::string& url) {
  Endpoint endpoint = AGLM_TRY(parse_url(url));
  const std::string key = AGLM_TRY(api_key(flags));
  if (!key.empty()) endpoint.headers.emplace_back("Authorization", "Bearer " + key);
  for (const std::string& header : flags.headers) {
    const size_t equals = header.find('=');
    if (equals == std::string::npos || equals == 0 ||
        header.find_first_of("\r\n") != std::string::npos) {
      return wrong_flag("--header", "not a header", "NAME=VALUE", header);
    }
    endpoint.headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
  }
  return endpoint;
}

void print_progress(const Progress& p) {
  fmt::print(stderr, "\r{:.0f} s  {}{} done  {} failed  {} running  {} pieces ({:.1f}/s)\033[K",
             p.elapsed_s, p.done - p.failed, p.total > 0 ? fmt::format(" of {}", p.total) : "",
             p.failed, p.running, p.pieces,
             p.elapsed_s > 0 ? static_cast<double>(p.pieces) / p.elapsed_s : 0);
  std::fflush(stderr);
}

ProbeOptions probe_options(const ServeFlags& flags) {
  ProbeOptions options{.timeout_s = flags.timeout_s};
  if (flags.prompts == "ids") options.prompts = PromptForm::kTokenIds;
  if (flags.prompts == "text") options.prompts = PromptForm::kText;
  return options;
}

Result<Measured> measure(const ServeFlags& flags, const std::string& url) {
  boost::asio::io_context context(1);
  Endpoint endpoint = AGLM_TRY(endpoint_of(flags, url));
  const std::unique_ptr<HttpClient> client =
      AGLM_TRY(HttpClient::make(context, std::move(endpoint)));
  Measured measured{.url = client->endpoint().url()};
  measured.options = AGLM_TRY(run_options(flags));
  measured.objective = AGLM_TRY(parse_objective(flags.goodput));
  RequestForm form = AGLM_TRY(request_form(flags));
  measured.form = AGLM_TRY(probe(context, *client, std::move(form), probe_options(flags)));
  if (flags.num_warmups > 0) {
    RunOptions warmup = measured.options;
    // A load of its own: the measured one must not find its prompts in the server's cache.
    warmup.workload.seed = ~warmup.workload.seed;
    warmup.n_conversations = flags.num_warmups;
    warmup.duration_s = 0;
    if (run_load(context, *client, measured.form, warmup, {}).interrupted) {
      return Error{ErrorCode::kCancelled, "interrupted before the load began", measured.url, "",
                   ""};
    }
  }
  const bool person = ::isatty(STDERR_FILENO) != 0;
  measured.run = run_load(context, *client, measured.form, measured.options,
                          person ? print_progress : std::function<void(const Progress&)>());
  if (person) fmt::print(stderr, "\r\033[K");
  measured.summary = summarize(measured.run, measured.objective);
  return measured;
}

Result<void> bench_serve(const ServeFlags& flags) {
  std::vector<Measured> servers;
  for (const std::string& url : flags.urls) {
    servers.push_back(AGLM_TRY(measure(flags, url)));
    if (!flags.as_json) fmt::print("{}{}", servers.size() > 1 ? "\n" : "", table(servers.back()));
    std::fflush(stdout);
    if (servers.back().run.interrupted) break;
  }
  if (flags.as_json) {
    const Detail detail = flags.detailed ? Detail::kRequests : Detail::kSummary;
    json::array all;
    for (const Measured& server : servers) all.push_back(to_json(server, detail));
    fmt::print("{}\n",
               all.size() == 1 ? boost::json::serialize(all[0]) : boost::json::serialize(all));
  }
  if (!flags.html_file.empty()) {
    const std::string page = html(servers);
    AGLM_TRY(write_file(flags.html_file, std::as_bytes(std::span(page))));
  }
  for (const Measured& server : servers) {
    if (server.summary.completed == 0) {
      return Error{ErrorCode::kUnavailable, "no request was answered", server.url, "",
                   fmt::format("{} failed", server.summary.failed)};
    }
  }
  return {};
}

void add_load_flags(CLI::App& command, ServeFlags& flags) {
  command
      .add_option("--num-prompts", flags.num_prompts,
                  "requests, or conversations where --turns is above 1 [64]")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000'000}))
      ->group("Load");
  command.add_option("--duration", flags.duration_s, "seconds after which nothing new begins")
      ->check(CLI::Range(0.001, 1e6))
      ->group("Load");
  command
      .add_option("--max-concurrency", flags.max_concurrency,
                  "clients: requests at once at most [16; no limit with --request-rate]")
      ->check(CLI::Range(int64_t{1}, int64_t{65536}))
      ->group("Load");
  command
      .add_option("--request-rate", flags.request_rate,
                  "arrivals a second, a Poisson process; inf: all at the beginning [inf]")
      ->group("Load");
  command
      .add_option("--burstiness", flags.burstiness,
                  "shape of the gamma distribution between arrivals; 1: Poisson [1]")
      ->check(CLI::Range(0.01, 100.0))
      ->group("Load");
  command
      .add_option("--random-input-len", flags.input_len,
                  "prompt tokens: N, uniform:LOW:HIGH, lognormal:MEDIAN:SIGMA[:MAX] [128]")
      ->group("Load");
  command
      .add_option("--random-output-len", flags.output_len, "answer tokens, in the same forms [64]")
      ->group("Load");
  command
      .add_option("--random-range-ratio", flags.range_ratio,
                  "lengths uniform in N * (1 - R) to N * (1 + R) [0]")
      ->check(CLI::Range(0.0, 1.0))
      ->group("Load");
  command
      .add_option("--random-prefix-len", flags.prefix_len,
                  "tokens before each prompt that many prompts share [0]")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20))
      ->group("Load");
  command.add_option("--num-prefixes", flags.n_prefixes, "how many such prefixes there are [1]")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->group("Load");
  command
      .add_option("--turns", flags.turns,
                  "turns of a conversation; above 1: /v1/chat/completions [1]")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->group("Load");
  command
      .add_option("--think-time-ms", flags.think_time_ms, "between an answer and the next turn [0]")
      ->check(CLI::Range(0.0, 1e7))
      ->group("Load");
  command
      .add_option("--structured-output-ratio", flags.structured_ratio,
                  "share of requests with a response_format of type json_schema [0]")
      ->check(CLI::Range(0.0, 1.0))
      ->group("Load");
  command.add_option("--json-schema", flags.schema_file, "that schema; else a small record")
      ->type_name("FILE")
      ->group("Load");
  command.add_option("--seed", flags.seed, "the same seed gives the same load [0]")->group("Load");
}

void add_request_flags(CLI::App& command, ServeFlags& flags) {
  command.add_option("--endpoint", flags.endpoint, "the route to measure [/v1/completions]")
      ->check(CLI::IsMember({"/v1/completions", "/v1/chat/completions"}))
      ->group("Requests");
  command.add_option("--model", flags.model, "its name there [the first that /v1/models lists]")
      ->group("Requests");
  command
      .add_option(
          "--prompts", flags.prompts,
          "ids: lists of token ids; text: words; auto: ids where the server takes them [auto]")
      ->check(CLI::IsMember({"auto", "ids", "text"}))
      ->group("Requests");
  command
      .add_option("--vocab-size", flags.vocab_size,
                  "token ids are drawn below it [what /v1/models says, else 4000]")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->group("Requests");
  command.add_flag("--ignore-eos", flags.ignore_eos, "ask for answers of the full length")
      ->group("Requests");
  command.add_option("--temperature", flags.temperature, "[0]")->group("Requests");
  command.add_option("--extra-body", flags.extra_body, "fields of every request, as a JSON object")
      ->type_name("JSON")
      ->group("Requests");
  command.add_option("--header", flags.headers, "of every request; may be given again")
      ->type_name("NAME=VALUE")
      ->group("Requests");
  command
      .add_option("--api-key-file", flags.api_key_file,
                  "holds what is sent as Authorization: Bearer [$OPENAI_API_KEY]")
      ->type_name("FILE")
      ->group("Requests");
  command.add_option("--timeout", flags.timeout_s, "seconds for one request [600]")
      ->check(CLI::Range(0.001, 1e6))
      ->group("Requests");
  command.add_option("--num-warmups", flags.num_warmups, "requests before, of another seed [0]")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}))
      ->group("Requests");
}

}  // namespace

void add_bench_serve_command(CommandLine& line, CLI::App& bench) {
  CLI::App* command =
      bench.add_subcommand("serve", "measure a server with the OpenAI API under load");
  const auto flags = std::make_shared<ServeFlags>();
  command->add_option("URL", flags->urls, "http://HOST:PORT; several are measured in turn")
      ->required();
  add_load_flags(*command, *flags);
  add_request_flags(*command, *flags);
  command
      ->add_option("--goodput", flags->goodput,
                   "count requests within these milliseconds: ttft:500 tpot:50 e2el:10000")
      ->group("Report");
  command->add_flag("--json", flags->as_json, "write JSON, with the keys of vllm bench serve")
      ->group("Report");
  command->add_flag("--save-detailed", flags->detailed, "with --json: each request too")
      ->group("Report");
  command->add_option("--html", flags->html_file, "also write a page with plots")
      ->type_name("FILE")
      ->group("Report");
  on_chosen(line, command, [=] {
    flags->rate_given = command->count("--request-rate") > 0;
    return bench_serve(*flags);
  });
}

}  // namespace autoglm
