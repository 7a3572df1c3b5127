// The names are those that converters write into GGUF files; the expressions are the models' own,
// as llama.cpp applies them.
#include "text/tokenizer/patterns.h"

#include <algorithm>
#include <array>

namespace autoglm {
namespace {

// Cased letters as DeepSeek LLM lists them (those of Unicode 8 that its tokenizer was made with).
constexpr std::string_view kDeepSeekLetters =
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-"
    "ՖႠ-"
    "ჅᎠ-"
    "Ᏽᏸ-"
    "ᏽᲐ-"
    "ᲺᲽ-"
    "Ჿᴀ-"
    "ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗ"
    "ὙὛὝ\\x{1f5f}-\\x{1f7d}ᾀ-ᾴᾶ-ᾼ\\x{1fbe}ῂ-ῄῆ-ῌ\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-"
    "ℓℕℙ-ℝℤ\\x{2126}ℨ\\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-"
    "ꚛꜢ-ꝯꝱ-ꞇꞋ-"
    "ꞎꭰ-"
    "ꮿ"
    "ﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
constexpr std::string_view kDeepSeekPunctuation = "\\s?[!-/:-~！-／：-～‘-‟　-。]+";
constexpr std::string_view kDeepSeekIdeographs = "[一-龥ࠀ-一가-퟿]+";
constexpr std::string_view kBloomPattern = " ?[^(\\s|.,!?…。，、।۔،)]+";
constexpr std::string_view kLineBreak = "[\\r\\n]";

enum class Cut {
  kDefault,
  kGpt2,
  kLlama3,
  kLlama3KeepWords,
  kQwen2,
  kDeepSeekLlm,
  kDeepSeekCoder,
  kDeepSeekV3,
  kFalcon,
  kDigitsThenGpt2,
  kBloom,
  kViking,
  kTekken,
  kO200k,
};

const GgufPreTokenizer& cut_of(Cut cut) {
  static const std::array<GgufPreTokenizer, 14> kCuts = {{
      {{R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {{kGpt2Pattern}},
      {{kLlama3Pattern}},
      {{kLlama3Pattern}, true},
      {{kQwen2Pattern}},
      {{kLineBreak, kDeepSeekLetters, kDeepSeekPunctuation, R"(\s+\z)", kDeepSeekIdeographs,
        R"(\p{N}+)"}},
      {{kLineBreak, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekIdeographs, R"(\p{N})"}},
      {{R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+",
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {{R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"}},
      {{R"(\p{N})", kGpt2Pattern}},
      {{kBloomPattern}},
      {{kBloomPattern, R"(\p{N})"}},
      {{R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
       true},
      {{R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
  }};
  return kCuts[static_cast<size_t>(cut)];
}

struct Name {
  std::string_view name;
  Cut cut;
};

constexpr std::array<Name, 53> kNames = {{
    {"", Cut::kDefault},
    {"default", Cut::kDefault},
    {"gpt-2", Cut::kGpt2},
    {"phi-2", Cut::kGpt2},
    {"mpt", Cut::kGpt2},
    {"olmo", Cut::kGpt2},
    {"jais", Cut::kGpt2},
    {"roberta-bpe", Cut::kGpt2},
    {"gigachat", Cut::kGpt2},
    {"jina-es", Cut::kGpt2},
    {"jina-de", Cut::kGpt2},
    {"jina-v1-en", Cut::kGpt2},
    {"jina-v2-es", Cut::kGpt2},
    {"jina-v2-de", Cut::kGpt2},
    {"jina-v2-code", Cut::kGpt2},
    {"trillion", Cut::kGpt2},
    {"granite-docling", Cut::kGpt2},
    {"llama3", Cut::kLlama3KeepWords},
    {"llama-v3", Cut::kLlama3KeepWords},
    {"llama-bpe", Cut::kLlama3KeepWords},
    {"falcon3", Cut::kLlama3KeepWords},
    {"falcon-h1", Cut::kLlama3KeepWords},
    {"pixtral", Cut::kLlama3KeepWords},
    {"midm-2.0", Cut::kLlama3KeepWords},
    {"lfm2", Cut::kLlama3KeepWords},
    {"dbrx", Cut::kLlama3},
    {"smaug-bpe", Cut::kLlama3},
    {"chatglm-bpe", Cut::kLlama3},
    {"glm4", Cut::kLlama3},
    {"qwen2", Cut::kQwen2},
    {"stablelm2", Cut::kQwen2},
    {"deepseek-r1-qwen", Cut::kQwen2},
    {"hunyuan", Cut::kQwen2},
    {"megrez", Cut::kQwen2},
    {"kormo", Cut::kQwen2},
    {"deepseek-llm", Cut::kDeepSeekLlm},
    {"deepseek-coder", Cut::kDeepSeekCoder},
    {"deepseek-v3", Cut::kDeepSeekV3},
    {"hunyuan-dense", Cut::kDeepSeekV3},
    {"falcon", Cut::kFalcon},
    {"starcoder", Cut::kDigitsThenGpt2},
    {"refact", Cut::kDigitsThenGpt2},
    {"command-r", Cut::kDigitsThenGpt2},
    {"smollm", Cut::kDigitsThenGpt2},
    {"codeshell", Cut::kDigitsThenGpt2},
    {"exaone", Cut::kDigitsThenGpt2},
    {"minerva-7b", Cut::kDigitsThenGpt2},
    {"bloom", Cut::kBloom},
    {"poro-chat", Cut::kBloom},
    {"gpt3-finnish", Cut::kBloom},
    {"viking", Cut::kViking},
    {"tekken", Cut::kTekken},
    {"gpt-4o", Cut::kO200k},
}};

}  // namespace

const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name) {
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.name == name; });
  return found == kNames.end() ? nullptr : &cut_of(found->cut);
}

}  // namespace autoglm
