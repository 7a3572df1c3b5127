#include "cli/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "serve/access.h"
#include "serve/http/listening_host.h"
#include "tensor/weight_format.h"

namespace autoglm {
namespace {

Error bad_value(std::string expected, std::string_view found) {
  return Error{ErrorCode::kInvalidArgument, "setting has the wrong value", "", std::move(expected),
               fmt::format("\"{}\"", found)};
}

// A whole number in [low, high].
template <class T>
Result<T> parse_integer(std::string_view text, int64_t low, int64_t high) {
  int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end != text.data() + text.size() || number < low || number > high) {
    return bad_value(fmt::format("a whole number from {} to {}", low, high), text);
  }
  return static_cast<T>(number);
}

Result<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"true", "True", "yes", "on", "1"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "False", "no", "off", "0"}) {
    if (text == no) return false;
  }
  return bad_value("true or false", text);
}

// Makes table rows from a way to reach the field.
template <class Reach>
SettingInfo text_setting(std::string_view key, std::string_view value, std::string_view help,
                         Reach reach) {
  return {key, std::string(value), help,
          [reach](Settings& s, std::string_view text) -> Result<void> {
            reach(s) = std::string(text);
            return {};
          },
          [reach](const Settings& s) { return std::string(reach(s)); }};
}

std::vector<std::string> with_auto(std::vector<std::string> words) {
  words.insert(words.begin(), "auto");
  return words;
}

template <class Reach>
SettingInfo choice_setting(std::string_view key, const std::vector<std::string>& words,
                           std::string_view help, Reach reach) {
  return {key, fmt::format("{}", fmt::join(words, "|")), help,
          [reach, words](Settings& s, std::string_view text) -> Result<void> {
            if (std::find(words.begin(), words.end(), text) == words.end()) {
              return bad_value(fmt::format("one of {}", fmt::join(words, ", ")), text);
            }
            reach(s) = std::string(text);
            return {};
          },
          [reach](const Settings& s) { return std::string(reach(s)); }};
}

template <class Reach>
SettingInfo integer_setting(std::string_view key, std::string_view help, int64_t low, int64_t high,
                            Reach reach) {
  return {key, "N", help,
          [reach, low, high](Settings& s, std::string_view text) -> Result<void> {
            auto& field = reach(s);
            field =
                AGLM_TRY(parse_integer<std::remove_reference_t<decltype(field)>>(text, low, high));
            return {};
          },
          [reach](const Settings& s) { return fmt::format("{}", reach(s)); }};
}

template <class Reach>
SettingInfo bool_setting(std::string_view key, std::string_view help, Reach reach) {
  return {key, "BOOL", help,
          [reach](Settings& s, std::string_view text) -> Result<void> {
            reach(s) = AGLM_TRY(parse_bool(text));
            return {};
          },
          [reach](const Settings& s) { return std::string(reach(s) ? "true" : "false"); }};
}

// A server that takes less answers nobody, and 0 is no "unlimited" here: the words of a client's
// plainest request, and what a browser says of itself.
constexpr int64_t kLeastRequestBytes = 1024;

template <class Reach>
SettingInfo bytes_setting(std::string_view key, std::string_view help, Reach reach,
                          int64_t least = 0) {
  return {key, "BYTES", help,
          [reach, least](Settings& s, std::string_view text) -> Result<void> {
            const int64_t bytes = AGLM_TRY(parse_bytes(text));
            if (bytes < least) {
              return bad_value(fmt::format("a size of at least {} bytes", least), text);
            }
            reach(s) = bytes;
            return {};
          },
          [reach](const Settings& s) { return fmt::format("{}", reach(s)); }};
}

template <class Reach>
SettingInfo names_setting(std::string_view key, std::string_view value, std::string_view help,
                          Reach reach) {
  return {key, std::string(value), help,
          [reach](Settings& s, std::string_view text) -> Result<void> {
            auto& names = reach(s);
            names.clear();
            while (!text.empty()) {
              const size_t comma = std::min(text.find(','), text.size());
              if (comma == 0) return bad_value("names separated by commas", text);
              names.emplace_back(text.substr(0, comma));
              text.remove_prefix(std::min(comma + 1, text.size()));
            }
            return {};
          },
          [reach](const Settings& s) { return fmt::format("{}", fmt::join(reach(s), ",")); }};
}

// What --print-config and help must not show.
template <class Reach>
SettingInfo secrets_setting(std::string_view key, std::string_view value, std::string_view help,
                            Reach reach) {
  SettingInfo info = names_setting(key, value, help, reach);
  info.get = [](const Settings&) { return std::string(); };
  return info;
}

// Judged before the model is loaded. Nobody means all addresses by saying nothing, least of all by
// a variable that is not set (AUTOGLM_HOST=$ADDRESS).
SettingInfo host_setting() {
  return {"host", "ADDRESS", "address to listen on; 0.0.0.0 for all",
          [](Settings& s, std::string_view text) -> Result<void> {
            s.service.host = AGLM_TRY(serve::listening_host(text));
            return {};
          },
          [](const Settings& s) { return s.service.host; }};
}

SettingInfo origins_setting() {
  return {"cors_allow_origin", "ORIGINS",
          "origins whose pages may call the API, separated by commas; *: all; empty: none",
          [](Settings& s, std::string_view text) -> Result<void> {
            AGLM_TRY(serve::parse_origins(text));
            s.service.cors_allow_origin = std::string(text);
            return {};
          },
          [](const Settings& s) { return s.service.cors_allow_origin; }};
}

// NAME=NUMBER pairs, one for each tenant.
template <class Reach>
SettingInfo tenants_setting(std::string_view key, std::string_view value, std::string_view help,
                            Reach reach) {
  return {key, std::string(value), help,
          [reach](Settings& s, std::string_view text) -> Result<void> {
            auto& numbers = reach(s);
            numbers.clear();
            while (!text.empty()) {
              const std::string_view item = text.substr(0, text.find(','));
              const size_t equals = std::min(item.rfind('='), item.size());
              const std::string_view digits = item.substr(std::min(equals + 1, item.size()));
              typename std::remove_reference_t<decltype(numbers)>::mapped_type number{};
              const char* end = digits.data() + digits.size();
              const auto [rest, code] = std::from_chars(digits.data(), end, number);
              if (equals == 0 || code != std::errc{} || rest != end) {
                return bad_value("name=number pairs separated by commas", text);
              }
              numbers[std::string(item.substr(0, equals))] = number;
              text.remove_prefix(std::min(item.size() + 1, text.size()));
            }
            return {};
          },
          [reach](const Settings& s) {
            std::string text;
            for (const auto& [name, number] : reach(s)) {
              text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, number);
            }
            return text;
          }};
}

constexpr int64_t kDayMs = 86'400'000;

// Each lambda names one field; the rest of a row is what a user reads.
std::vector<SettingInfo> model_settings() {
  return {
      text_setting(
          "model_name_or_path", "PATH",
          "Hugging Face directory, .gguf file, or hub id in the local cache",
          [](auto& s) -> auto& { return s.model_name_or_path; }),
      choice_setting(
          "device", {"auto", "cpu", "cuda"}, "where the model runs",
          [](auto& s) -> auto& { return s.load.device; }),
      choice_setting(
          "quantize", quantize_names(), "how weights are held in memory",
          [](auto& s) -> auto& { return s.load.quantize; }),
      choice_setting(
          "kv_cache_dtype", {"auto", "f32", "bf16", "int8", "q8_0"},
          "how keys and values are held; auto: f32 for f32 weights, else bf16; q8_0 means int8",
          [](auto& s) -> auto& { return s.load.kv_cache_dtype; }),
      bytes_setting(
          "kv_cache_memory", "memory for the KV cache; 0: a share of what is free",
          [](auto& s) -> auto& { return s.load.kv_cache_memory_bytes; }),
      bytes_setting(
          "grammar_cache_memory", "memory for compiled schemas and grammars of earlier requests",
          [](auto& s) -> auto& { return s.load.grammar_cache_bytes; }),
      integer_setting(
          "max_model_len", "tokens of one sequence, prompt and answer; 0: the model's own", 0,
          int64_t{1} << 30, [](auto& s) -> auto& { return s.load.max_model_len; }),
      integer_setting(
          "max_batch_size", "sequences that are decoded together", 1, 4096,
          [](auto& s) -> auto& { return s.load.max_batch_size; }),
      integer_setting(
          "max_batched_tokens", "tokens of one step, prompts and answers together", 1, 65536,
          [](auto& s) -> auto& { return s.load.max_batched_tokens; }),
      integer_setting(
          "max_queue", "requests of each class that may wait; one more gets status 429", 1,
          1'000'000, [](auto& s) -> auto& { return s.load.max_queue; }),
      integer_setting(
          "max_inter_token_ms",
          "time a step should take at most while answers are read; 0: from measurements", 0,
          3'600'000, [](auto& s) -> auto& { return s.load.max_inter_token_ms; }),
      integer_setting(
          "batch_window_ms", "requests of priority 1 gather so long", 0, 3'600'000,
          [](auto& s) -> auto& { return s.load.batch_window_ms; }),
      integer_setting(
          "batch_window_size", "or until there are so many of them", 1, 1'000'000,
          [](auto& s) -> auto& { return s.load.batch_window_size; }),
      tenants_setting(
          "tenant_weights", "NAME=WEIGHT,...", "shares of tenants; 1 for those not named",
          [](auto& s) -> auto& { return s.load.tenant_weights; }),
      tenants_setting(
          "tenant_priorities", "NAME=PRIORITY,...", "the most urgent that a tenant's requests are",
          [](auto& s) -> auto& { return s.load.tenant_priorities; }),
      bool_setting(
          "enable_prefix_caching", "requests that begin alike share keys and values",
          [](auto& s) -> auto& { return s.load.enable_prefix_caching; }),
      text_setting(
          "kv_cache_spill_path", "PATH",
          "file for KV pages that memory has no room for, kept for the next start; empty: none",
          [](auto& s) -> auto& { return s.load.kv_cache_spill_path; }),
      bytes_setting(
          "kv_cache_spill_size", "size of that file, at most",
          [](auto& s) -> auto& { return s.load.kv_cache_spill_bytes; }),
      integer_setting(
          "threads", "threads that compute; 0: one for each processor", 0, 1024,
          [](auto& s) -> auto& { return s.load.threads; }),
      bool_setting(
          "offline", "either way nothing is ever downloaded: a hub id is looked up in local caches",
          [](auto& s) -> auto& { return s.load.offline; }),
      text_setting(
          "chat_template", "FILE",
          "Jinja template in place of the model's own: a file, or its text",
          [](auto& s) -> auto& { return s.load.chat_template; }),
      choice_setting(
          "tool_call_parser",
          {"auto", "none", "glm45", "glm47", "glm4", "chatglm3", "hermes", "qwen3_coder",
           "llama3_json", "mistral"},
          "how answers hold tool calls; auto: as the chat template has it",
          [](auto& s) -> auto& { return s.load.tool_call_parser; }),
      choice_setting(
          "reasoning_parser", {"auto", "none", "think"},
          "think: <think>...</think> becomes reasoning_content; auto: where the chat template "
          "knows it",
          [](auto& s) -> auto& { return s.load.reasoning_parser; }),
      choice_setting(
          "speculative_method", {"none", "ngram", "draft_model"},
          "how tokens are drafted ahead: not, from the text so far, by a second model",
          [](auto& s) -> auto& { return s.load.speculation.method; }),
      integer_setting(
          "num_speculative_tokens", "tokens drafted for one sequence in one step, at most", 1, 64,
          [](auto& s) -> auto& { return s.load.speculation.num_speculative_tokens; }),
      integer_setting(
          "prompt_lookup_min", "shortest n-gram that ngram looks up", 1, 16,
          [](auto& s) -> auto& { return s.load.speculation.prompt_lookup_min; }),
      integer_setting(
          "prompt_lookup_max", "longest n-gram that ngram looks up", 1, 16,
          [](auto& s) -> auto& { return s.load.speculation.prompt_lookup_max; }),
      text_setting(
          "speculative_model", "PATH", "the draft model, with the same tokenizer",
          [](auto& s) -> auto& { return s.load.speculation.model; }),
      choice_setting(
          "speculative_quantize", with_auto(quantize_names()),
          "how the draft model's weights are held; auto: as the model's",
          [](auto& s) -> auto& { return s.load.speculation.quantize; }),
      bool_setting(
          "speculative_adaptive", "draft only as far as measurements say it pays",
          [](auto& s) -> auto& { return s.load.speculation.adaptive; }),
  };
}

std::vector<SettingInfo> service_settings() {
  return {
      host_setting(),
      integer_setting(
          "port", "port to listen on; 0: any free one", 0, 65535,
          [](auto& s) -> auto& { return s.service.port; }),
      names_setting(
          "served_model_name", "NAMES",
          "names that requests may give the model, separated by commas",
          [](auto& s) -> auto& { return s.service.served_model_names; }),
      bytes_setting(
          "max_body_size", "largest request body",
          [](auto& s) -> auto& { return s.service.max_body_bytes; }, kLeastRequestBytes),
      bytes_setting(
          "max_header_size", "largest request header",
          [](auto& s) -> auto& { return s.service.max_header_bytes; }, kLeastRequestBytes),
      integer_setting(
          "max_connections", "connections open at once; one more gets status 503", 1, 1'000'000,
          [](auto& s) -> auto& { return s.service.max_connections; }),
      integer_setting(
          "read_timeout_ms", "time for a whole request to arrive", 1, kDayMs,
          [](auto& s) -> auto& { return s.service.read_timeout_ms; }),
      integer_setting(
          "write_timeout_ms", "time for a client to take the next 64 KiB of what it is sent", 1,
          kDayMs, [](auto& s) -> auto& { return s.service.write_timeout_ms; }),
      integer_setting(
          "idle_timeout_ms", "time between two requests of a connection", 1, kDayMs,
          [](auto& s) -> auto& { return s.service.idle_timeout_ms; }),
      integer_setting(
          "drain_timeout_ms", "time for running answers to end after SIGTERM", 0, kDayMs,
          [](auto& s) -> auto& { return s.service.drain_timeout_ms; }),
      names_setting(
          "allowed_hosts", "NAMES",
          "names that clients may call the server by, beside localhost, the machine's and host; "
          ".name: those below it; *: any",
          [](auto& s) -> auto& { return s.service.allowed_hosts; }),
      secrets_setting(
          "api_key", "KEY[,KEY]", "keys that requests may show; better in api_key_file",
          [](auto& s) -> auto& { return s.service.api_keys; }),
      text_setting(
          "api_key_file", "PATH", "file with one such key a line",
          [](auto& s) -> auto& { return s.service.api_key_file; }),
      text_setting(
          "state_dir", "PATH",
          "folder for keys and what else outlives the process; empty: $STATE_DIRECTORY, "
          "$XDG_STATE_HOME/autoglm or ~/.local/state/autoglm",
          [](auto& s) -> auto& { return s.service.state_dir; }),
      choice_setting(
          "redact", {"off", "answers", "both"},
          "take personal data and secrets out of answers, or of prompts as well",
          [](auto& s) -> auto& { return s.service.redact; }),
      text_setting(
          "redact_policy", "FILE", "YAML: what is done about each entity; empty: a tag for all",
          [](auto& s) -> auto& { return s.service.redact_policy; }),
      names_setting(
          "trusted_proxies", "ADDRESSES",
          "addresses and networks of proxies whose Forwarded and X-Forwarded-For are believed",
          [](auto& s) -> auto& { return s.service.trusted_proxies; }),
      text_setting(
          "timezone", "NAME",
          "where the days of quotas and usage begin and end: UTC, Asia/Shanghai",
          [](auto& s) -> auto& { return s.service.timezone; }),
      bool_setting(
          "no_auth", "ask nobody for a key, whoever can reach the address",
          [](auto& s) -> auto& { return s.service.no_auth; }),
      origins_setting(),
      bool_setting(
          "chat_page", "serve the chat page at /",
          [](auto& s) -> auto& { return s.service.chat_page; }),
  };
}

std::vector<SettingInfo> log_settings() {
  return {
      choice_setting(
          "log_level", {"trace", "debug", "info", "warn", "error", "off"}, "least level logged",
          [](auto& s) -> auto& { return s.log_level; }),
      choice_setting(
          "log_format", {"text", "json"}, "form of log lines",
          [](auto& s) -> auto& { return s.log_format; }),
  };
}

std::vector<SettingInfo> make_table() {
  std::vector<SettingInfo> table = model_settings();
  for (SettingInfo& setting : service_settings()) {
    setting.of_service = true;
    table.push_back(std::move(setting));
  }
  for (SettingInfo& setting : log_settings()) table.push_back(std::move(setting));
  return table;
}

}  // namespace

const std::vector<SettingInfo>& setting_table() {
  static const std::vector<SettingInfo> table = make_table();
  return table;
}

std::string_view setting_key(std::string_view word) {
  return word == "model" ? "model_name_or_path" : word;
}

Result<void> apply_setting(Settings& settings, std::string_view word, std::string_view text,
                           std::string_view where) {
  const std::string_view key = setting_key(word);
  std::vector<std::string_view> keys;
  for (const SettingInfo& setting : setting_table()) {
    if (setting.key == key) {
      Result<void> done = setting.set(settings, text);
      if (!done) done.error().where = fmt::format("{}: {}", where, key);
      return done;
    }
    keys.push_back(setting.key);
  }
  const std::string near = nearest(key, keys);
  return Error{ErrorCode::kInvalidArgument, "unknown setting", fmt::format("{}: {}", where, key),
               near.empty() ? "" : fmt::format("perhaps {}", near), ""};
}

Result<int64_t> parse_bytes(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [unit_begin, code] = std::from_chars(text.data(), end, number);
  std::string unit(unit_begin, end);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  unit.erase(0, unit.find_first_not_of(' ') == std::string::npos ? unit.size()
                                                                 : unit.find_first_not_of(' '));
  // Binary units throughout, as memory is counted; GB and GiB mean the same here.
  static const std::map<std::string, int, std::less<>> kShift = {
      {"", 0},     {"b", 0},  {"k", 10},  {"kb", 10},  {"kib", 10}, {"m", 20},  {"mb", 20},
      {"mib", 20}, {"g", 30}, {"gb", 30}, {"gib", 30}, {"t", 40},   {"tb", 40}, {"tib", 40}};
  const auto shift = kShift.find(unit);
  if (code != std::errc{} || shift == kShift.end() || !std::isfinite(number) || number < 0 ||
      std::ldexp(number, shift->second) > 9e15) {
    return bad_value("a size such as 512MiB or 2GiB", text);
  }
  return static_cast<int64_t>(std::ldexp(number, shift->second));
}

std::string nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;  // farther than that is no hint
  for (const std::string_view other : known) {
    // Levenshtein distance, one row at a time.
    std::vector<size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < other.size(); ++j) {
        const size_t changed = diagonal + (word[i] == other[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = other;
    }
  }
  return std::string(best);
}

}  // namespace autoglm
