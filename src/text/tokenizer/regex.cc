// PCRE2 behind Regex.
#include "text/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <chrono>

#include "text/tokenizer/oniguruma.h"
#include "text/tokenizer/unicode.h"

namespace autoglm {
namespace {

// The longest pattern met in a real tokenizer has about 1,000 bytes.
constexpr size_t kMaxPatternBytes = size_t{1} << 16;
// Steps of one match. Real patterns need a few for each character of a match; catastrophic ones
// reach this in some milliseconds.
constexpr uint32_t kMaxMatchSteps = 2'000'000;
constexpr uint32_t kMaxMatchHeapKib = 64 << 10;
// A search over a whole text, whose matches may each stay just under the bound above.
constexpr std::chrono::seconds kMaxSearchTime{20};
constexpr size_t kMatchesBetweenClockReads = 256;

std::string pcre_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

struct CompileContextFree {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct MatchDataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

struct Regex::Compiled {
  std::string pattern;
  std::string where;
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;

  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }

  Error failure(std::string what, std::string found) const {
    return Error{ErrorCode::kInvalidArgument, std::move(what), where, {}, std::move(found)};
  }
};

Result<Regex> Regex::compile(std::string_view pattern, std::string_view where,
                             RegexDialect dialect) {
  if (pattern.size() > kMaxPatternBytes) {
    return Error{ErrorCode::kInvalidArgument, "regular expression is too long", std::string(where),
                 fmt::format("at most {} bytes", kMaxPatternBytes),
                 fmt::format("{} bytes", pattern.size())};
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->pattern = pattern;
  compiled->where = where;
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
  if (dialect == RegexDialect::kOniguruma) {
    compiled->pattern = AGLM_TRY(oniguruma_to_pcre(pattern, where));
    options |= PCRE2_MULTILINE;  // Ruby's ^ and $ are those of lines
  }
  const std::unique_ptr<pcre2_compile_context, CompileContextFree> context(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(compiled->pattern.data()),
                                 compiled->pattern.size(), options, &code, &offset, context.get());
  if (compiled->code == nullptr) {
    return compiled->failure(
        "regular expression does not compile",
        fmt::format("{} at byte {} of {}", pcre_message(code), offset, compiled->pattern));
  }
  // Without JIT (a hardened kernel) the interpreter gives the same matches, slower.
  pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE);
  compiled->limits = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(compiled->limits, kMaxMatchSteps);
  pcre2_set_heap_limit(compiled->limits, kMaxMatchHeapKib);
  return Regex(std::move(compiled));
}

Result<void> Regex::find_all(std::string_view text, std::vector<Span>& matches) const {
  const std::unique_ptr<pcre2_match_data, MatchDataFree> data(pcre2_match_data_create(1, nullptr));
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto start_time = std::chrono::steady_clock::now();
  size_t at = 0, last_end = 0;
  bool any = false;
  for (size_t n_matches = 1; at <= text.size(); ++n_matches) {
    if (n_matches % kMatchesBetweenClockReads == 0 &&
        std::chrono::steady_clock::now() - start_time > kMaxSearchTime) {
      return compiled_->failure("regular expression takes too long on this text", {});
    }
    int code = pcre2_match(compiled_->code, subject, text.size(), at, PCRE2_NO_UTF_CHECK,
                           data.get(), compiled_->limits);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT) {
      // Deep nesting of groups: the interpreter keeps its stack on the heap.
      code = pcre2_match(compiled_->code, subject, text.size(), at,
                         PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data.get(), compiled_->limits);
    }
    if (code == PCRE2_ERROR_NOMATCH) break;
    if (code < 0) {
      return compiled_->failure("regular expression gives up on this text", pcre_message(code));
    }
    const Span match{bounds[0], bounds[1]};
    if (match.begin > match.end || (any && match.begin < last_end)) {
      return compiled_->failure("regular expression moves a match's start (\\K)", {});
    }
    if (match.size() == 0 && any && match.end == last_end) {
      // An empty match right after the last one is not taken; look one character further.
      if (at >= text.size()) break;
      at += character_at(text, at).length;
      continue;
    }
    matches.push_back(match);
    at = last_end = match.end;
    any = true;
  }
  return {};
}

}  // namespace autoglm
