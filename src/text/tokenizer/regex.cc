// PCRE2 behind Regex.
#include "text/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/utf8.h"
#include "text/tokenizer/linear_pattern.h"
#include "text/tokenizer/oniguruma.h"
#include "text/tokenizer/unicode.h"

namespace autoglm {
namespace {

// The longest pattern met in a real tokenizer has about 1,000 bytes.
constexpr size_t kMaxPatternBytes = size_t{1} << 16;
// PCRE2 does not tell how much a match took, only that it was more than it was allowed. So a search
// begins with little: few places at which a match may begin, few bytes that it may look at, few
// backtracking steps, which real patterns seldom need more than. Where they do, it goes on with
// more of what was lacking, each time for its price. Catastrophic patterns reach the last limit in
// some milliseconds.
constexpr uint32_t kFirstSteps = 32;
constexpr uint32_t kMaxSteps = 2'000'000;
constexpr uint32_t kMoreSteps = 16;
constexpr size_t kFirstPlaces = 8;
constexpr size_t kMaxPlaces = 32;
constexpr size_t kFirstAhead = 32;
// A step may look at all the bytes that it may look at.
constexpr size_t kByteStepsPerUnit = 64;
// Where it is known how often a pattern looks at a character, no limit is needed, and that is the
// price: a look is a step of a loop in the compiled pattern.
constexpr uint32_t kLinearSteps = uint32_t{1} << 31;
constexpr size_t kByteStepsPerLook = 8;
constexpr uint32_t kMaxMatchHeapKib = 64 << 10;

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
struct MatchContextFree {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// The first match at or behind a place, found in calls whose work is bounded and paid for.
class Search {
 public:
  // `looks`: of the pattern, as linear_pattern.h has it.
  Search(const pcre2_code* code, std::optional<size_t> looks, std::string_view text, TextWork& work)
      : code_(code),
        looks_(looks),
        text_(text),
        work_(work),
        data_(pcre2_match_data_create(1, nullptr)),
        limits_(pcre2_match_context_create(nullptr)) {
    pcre2_set_heap_limit(limits_.get(), kMaxMatchHeapKib);
  }

  // PCRE2's code: 1 or 0 where there is a match.
  Result<int> next(size_t at) {
    size_t places = kFirstPlaces, ahead = kFirstAhead;
    uint32_t steps = kFirstSteps;
    for (;;) {
      const size_t last = character_end(text_, at + std::min(places, text_.size() - at));
      const size_t end = character_end(text_, last + std::min(ahead, text_.size() - last));
      int code = call(at, last, end, steps);
      // Compiled patterns are tried once behind the limit, be it inside a character.
      bool has_place = code >= 0 || code == PCRE2_ERROR_PARTIAL;
      if (has_place && match().begin > last) {
        code = PCRE2_ERROR_NOMATCH;
        has_place = false;
      }
      const size_t reached = has_place ? std::max(match().begin, at) : last;
      const size_t n_tried = code == PCRE2_ERROR_MATCHLIMIT ? 1 : reached - at + 1;
      const size_t shown = end - reached + n_tried / 2;  // to each of the places tried, on average
      const size_t byte_steps = steps == kLinearSteps ? *looks_ * kByteStepsPerLook : steps;
      AGLM_TRY(work_.spend(n_tried + n_tried * shown * byte_steps / kByteStepsPerUnit));
      if (code == PCRE2_ERROR_PARTIAL) {
        // It would look on behind the end of what it was shown.
        at = reached;
        places = 1;
        ahead *= 2;
        continue;
      }
      if (code == PCRE2_ERROR_MATCHLIMIT && looks_ && steps < kLinearSteps) {
        // A run of spaces of any length, say: its end is where it gives back the first of many.
        steps = kLinearSteps;
        places = 1;
        continue;
      }
      if (code == PCRE2_ERROR_MATCHLIMIT && steps < kMaxSteps) {
        // Which of the places needs more is not known.
        steps = std::min(steps * kMoreSteps, kMaxSteps);
        places = std::max<size_t>(places / kMoreSteps, 1);
        continue;
      }
      if (code != PCRE2_ERROR_NOMATCH || last >= text_.size()) return code;
      at = character_end(text_, last + 1);
      steps = kFirstSteps;
      ahead = kFirstAhead;
      places = std::min(places * 2, kMaxPlaces);
    }
  }

  Span match() const {
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data_.get());
    return {bounds[0], bounds[1]};
  }

 private:
  // Tries the places from `at` to `last`, showing the text up to `end`.
  int call(size_t at, size_t last, size_t end, uint32_t steps) {
    pcre2_set_match_limit(limits_.get(), steps);
    pcre2_set_offset_limit(limits_.get(), last);
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text_.data());
    const uint32_t options = PCRE2_NO_UTF_CHECK | (end < text_.size() ? PCRE2_PARTIAL_HARD : 0u);
    int code = pcre2_match(code_, subject, end, at, options, data_.get(), limits_.get());
    if (code == PCRE2_ERROR_JIT_STACKLIMIT) {
      // Deep nesting of groups: the interpreter keeps its stack on the heap.
      code =
          pcre2_match(code_, subject, end, at, options | PCRE2_NO_JIT, data_.get(), limits_.get());
    }
    return code;
  }

  const pcre2_code* code_;
  std::optional<size_t> looks_;
  std::string_view text_;
  TextWork& work_;
  std::unique_ptr<pcre2_match_data, MatchDataFree> data_;
  std::unique_ptr<pcre2_match_context, MatchContextFree> limits_;
};

}  // namespace

struct Regex::Compiled {
  std::string pattern;
  std::string where;
  pcre2_code* code = nullptr;
  std::optional<size_t> looks;

  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() { pcre2_code_free(code); }

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
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
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
  compiled->looks = looks_at_a_character(compiled->pattern);
  // Without JIT (a hardened kernel) the interpreter gives the same matches, slower.
  pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  return Regex(std::move(compiled));
}

Result<void> Regex::find_all(std::string_view text, std::vector<Span>& matches,
                             TextWork& work) const {
  Search search(compiled_->code, compiled_->looks, text, work);
  size_t at = 0, last_end = 0;
  bool any = false;
  while (at <= text.size()) {
    const int code = AGLM_TRY(search.next(at));
    if (code == PCRE2_ERROR_NOMATCH) break;
    if (code < 0) {
      return compiled_->failure("regular expression gives up on this text", pcre_message(code));
    }
    const Span match = search.match();
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
