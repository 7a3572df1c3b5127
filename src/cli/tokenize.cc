// autoglm tokenize: text to token ids and back. Needs the tokenizer only, not the weights.
#include <fmt/format.h>

#include <optional>

#include "base/files.h"
#include "base/json.h"
#include "base/visible_text.h"
#include "cli/command.h"
#include "formats/model_source.h"
#include "runtime/load_tokenizer.h"

namespace autoglm {
namespace {

struct TokenizeFlags {
  std::string path;
  std::optional<std::string> text;
  bool decode = false;
  bool as_json = false;
  bool no_special = false;
  bool skip_special = false;
};

Result<std::string> input(const TokenizeFlags& flags) {
  return flags.text ? *flags.text : read_standard_input();
}

Result<void> encode_input(const Tokenizer& tokenizer, const TokenizeFlags& flags) {
  const std::string text = AGLM_TRY(input(flags));
  const std::vector<TokenId> tokens =
      AGLM_TRY(tokenizer.encode(text, {.add_special_tokens = !flags.no_special}));
  if (!flags.as_json) {
    for (const TokenId id : tokens) {
      fmt::print("{:>8}  {}\n", static_cast<int32_t>(id), visible(tokenizer.token_spelling(id)));
    }
    return {};
  }
  json::array ids;
  json::array spellings;
  for (const TokenId id : tokens) {
    ids.push_back(static_cast<int32_t>(id));
    spellings.push_back(boost::json::string(tokenizer.token_spelling(id)));
  }
  const json::object out{{"ids", ids}, {"tokens", spellings}, {"count", ids.size()}};
  fmt::print("{}\n", boost::json::serialize(out));
  return {};
}

Result<void> decode_input(const Tokenizer& tokenizer, const TokenizeFlags& flags) {
  const std::string written = with_plain_line_ends(AGLM_TRY(input(flags)));
  const std::vector<TokenId> ids =
      AGLM_TRY(parse_token_ids(written, flags.text ? "--text" : "standard input"));
  const std::string text = AGLM_TRY(tokenizer.decode(ids, flags.skip_special));
  if (flags.as_json) {
    fmt::print("{}\n", boost::json::serialize(json::object{{"text", text}}));
  } else {
    fmt::print("{}\n", for_output(text));
  }
  return {};
}

// Other programs of this kind take a text where this one takes a model.
Result<std::string> model_of(const TokenizeFlags& flags) {
  Result<ModelSource> found = find_model(flags.path);
  if (found) return std::move(found->path);
  if (found.error().code == ErrorCode::kNotFound && !flags.text) {
    found.error().expected += "; a text goes behind --text, or to standard input";
  }
  return std::move(found).error();
}

}  // namespace

void add_tokenize_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("tokenize", "text to token ids, or back");
  const auto flags = std::make_shared<TokenizeFlags>();
  add_model_argument(*command, flags->path, "model, or anything that holds its tokenizer");
  command->add_option("--text", flags->text, "the text, in place of standard input");
  command->add_flag("-d,--decode", flags->decode, "standard input is token ids; write their text");
  command->add_flag("--json", flags->as_json, "write one JSON object");
  command->add_flag("--no-special", flags->no_special, "do not add what begins and ends a text");
  command->add_flag("--skip-special", flags->skip_special,
                    "with --decode: leave special tokens out");
  on_chosen(line, command, [flags]() -> Result<void> {
    const std::string path = AGLM_TRY(model_of(*flags));
    const auto tokenizer = AGLM_TRY(load_tokenizer(path));
    return flags->decode ? decode_input(*tokenizer, *flags) : encode_input(*tokenizer, *flags);
  });
}

}  // namespace autoglm
