#include "text/grammar/compile.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/reader.h"
#include "text/grammar/regex_syntax.h"
#include "text/grammar/rules.h"
#include "text/grammar/structural_tag.h"

namespace autoglm::grammar {
namespace {

constexpr size_t kMaxChoices = 10'000;
constexpr size_t kMaxEntries = 1024;
// Steps (work.h): some 200 ms. The dearest of MaskBench's schemas takes 34.
constexpr int64_t kMostWork = 100'000'000;

Result<json::value> parse_json(const StructuredOutput& wish) {
  return json::parse(wish.text, wish.field,
                     {.max_bytes = kMaxSourceBytes, .max_depth = kMaxNesting});
}

Result<int32_t> build_choices(GrammarBuilder& builder, const StructuredOutput& wish) {
  if (wish.choices.empty() || wish.choices.size() > kMaxChoices) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "wrong number of choices",
                 .where = wish.field,
                 .expected = fmt::format("1 to {}", kMaxChoices),
                 .found = fmt::to_string(wish.choices.size())};
  }
  const int32_t rule = builder.add_rule("choice");
  size_t n_bytes = 0;
  for (const std::string& text : wish.choices) {
    n_bytes += text.size();
    if (n_bytes > kMaxSourceBytes || !is_valid_utf8(text)) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "the choices are too long, or not UTF-8",
                   .where = wish.field,
                   .expected = fmt::format("at most {} bytes in all", kMaxSourceBytes)};
    }
  }
  builder.texts(builder.begin(rule), wish.choices, builder.end(rule));
  return rule;
}

// As vLLM does it before it hands a schema on.
void close_objects(json::value& part) {
  if (part.is_array()) {
    for (json::value& item : part.get_array()) close_objects(item);
  } else if (part.is_object()) {
    json::object& object = part.get_object();
    for (auto& member : object) close_objects(member.value());
    const bool declares = object.contains("properties") || object.contains("patternProperties");
    if (declares && !object.contains("additionalProperties")) {
      object["additionalProperties"] = false;
    }
  }
}

Result<int32_t> build(GrammarBuilder& builder, const StructuredOutput& wish) {
  using Kind = StructuredOutput::Kind;
  if (wish.kind == Kind::kChoice) return build_choices(builder, wish);
  if (wish.kind == Kind::kGrammar) return build_grammar(builder, wish.text, wish.field);
  if (wish.kind == Kind::kRegex) {
    const ExpressionPtr e = AGLM_TRY(parse_regex(wish.text, wish.field));
    const int32_t rule = builder.add_rule("regex");
    builder.expression(builder.begin(rule), *e, builder.end(rule));
    return rule;
  }
  const JsonPrelude prelude = AGLM_TRY(build_json_prelude(builder, wish));
  if (wish.kind == Kind::kJsonObject) return prelude.object;
  json::value source = AGLM_TRY(parse_json(wish));
  if (wish.disable_additional_properties) close_objects(source);
  if (wish.kind == Kind::kStructuralTag) {
    return build_structural_tag(builder, prelude, source, wish.field);
  }
  return build_json_schema(builder, prelude, source, wish.field);
}

std::string key_of(const StructuredOutput& wish) {
  std::string key = fmt::format(
      "{} {} {} {} {}", static_cast<int>(wish.kind), wish.disable_any_whitespace ? 1 : 0,
      wish.disable_additional_properties ? 1 : 0, wish.whitespace_pattern.value_or("-").size(),
      wish.whitespace_pattern.value_or("-"));
  // Refusals name the field.
  key += fmt::format(" {} {} {}", wish.field, wish.text.size(), wish.text);
  for (const std::string& choice : wish.choices)
    key += fmt::format(" {} {}", choice.size(), choice);
  return key;
}

}  // namespace

Result<Program> compile_program(const StructuredOutput& wish) {
  Work work(kMostWork);
  GrammarBuilder builder(work);
  const int32_t root = AGLM_TRY(build(builder, wish));
  return builder.finish(root, wish.field);
}

Result<std::shared_ptr<CompiledGrammar>> compile(const StructuredOutput& wish,
                                                 std::shared_ptr<const Vocabulary> vocabulary) {
  Program program = AGLM_TRY(compile_program(wish));
  return CompiledGrammar::make(std::move(program), std::move(vocabulary));
}

size_t GrammarStore::Entry::size_bytes() const {
  return key.size() + 500 + (grammar ? (*grammar)->size_bytes() : 0);
}

bool GrammarStore::knows(const StructuredOutput& wish) const {
  const std::string key = key_of(wish);
  const std::lock_guard lock(mutex_);
  return by_key_.contains(key);
}

// It takes a while: those who only look something up need not wait for it.
std::shared_ptr<const Vocabulary> GrammarStore::vocabulary() {
  const std::lock_guard lock(vocabulary_mutex_);
  if (vocabulary_ == nullptr) vocabulary_ = Vocabulary::of(tokenizer_, n_ids_, max_bytes_ / 8);
  return vocabulary_;
}

Result<std::shared_ptr<CompiledGrammar>> GrammarStore::get(const StructuredOutput& wish) {
  const std::string key = key_of(wish);
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      ++counts_.reused;
      return entries_.front().grammar;
    }
  }
  // Two threads may compile the same; one of the two is kept.
  const std::shared_ptr<const Vocabulary> words = vocabulary();
  const auto begin = std::chrono::steady_clock::now();
  auto made = compile(wish, words);
  if (made) {
    // Here, and not while others wait for the engine's next step.
    auto first = GrammarMatcher(*made).mask();
    if (!first) {
      made = std::move(first).error();
      made.error().where = wish.field;
    }
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const std::lock_guard lock(mutex_);
  ++counts_.compiled;
  counts_.seconds += taken.count();
  if (const auto found = by_key_.find(key); found != by_key_.end()) return found->second->grammar;
  entries_.push_front({key, made});
  by_key_.emplace(key, entries_.begin());
  make_room();
  return made;
}

// Grammars grow as they are used, so each is asked anew.
void GrammarStore::make_room() {
  size_t total = 0;
  size_t kept = 0;
  size_t n = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    total += entry->size_bytes();
    const bool keep = n == 0 || (total <= max_bytes_ && n < kMaxEntries);
    if (keep) {
      kept = total;
      ++n;
      ++entry;
    } else {
      by_key_.erase(entry->key);
      entry = entries_.erase(entry);
    }
  }
  counts_.bytes = static_cast<int64_t>(kept);
}

CompileCounts GrammarStore::counts() const {
  CompileCounts counts;
  {
    const std::lock_guard lock(mutex_);
    counts = counts_;
  }
  const std::unique_lock lock(vocabulary_mutex_, std::try_to_lock);  // it is being made: has none
  if (lock && vocabulary_ != nullptr)
    counts.bytes += static_cast<int64_t>(vocabulary_->masks_bytes());
  return counts;
}

}  // namespace autoglm::grammar
