// autoglm generate: one prompt in, one answer out; text or token ids; for people and scripts.
#include <fmt/format.h>

#include <cstdio>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"

namespace autoglm {
namespace {

struct GenerateFlags {
  std::string prompt;
  std::string system;
  bool ids = false;
  bool raw = false;
  bool as_json = false;
  std::string json_schema_file, grammar_file;
};

json::array ids_json(const std::vector<TokenId>& ids) {
  json::array out;
  for (const TokenId id : ids) out.push_back(static_cast<int32_t>(id));
  return out;
}

void print_json(const GLMModel& model, const std::vector<TokenId>& prompt,
                const GenerationResult& result) {
  const Choice& choice = result.choices.front();
  json::object out{{"text", choice.text},
                   {"prompt_ids", ids_json(prompt)},
                   {"ids", ids_json(choice.tokens)},
                   {"finish_reason", finish_reason_name(choice.finish_reason)},
                   {"prompt_tokens", result.usage.prompt_tokens},
                   {"completion_tokens", result.usage.completion_tokens},
                   {"model", model.info().path}};
  if (!choice.logprobs.empty()) {
    json::array positions;
    for (const PositionLogprobs& position : choice.logprobs) {
      json::array top;
      for (const TokenLogprob& other : position.top) {
        top.push_back({{"id", static_cast<int32_t>(other.id)}, {"logprob", other.logprob}});
      }
      positions.push_back({{"id", static_cast<int32_t>(position.taken.id)},
                           {"logprob", position.taken.logprob},
                           {"top", std::move(top)}});
    }
    out["logprobs"] = std::move(positions);
  }
  fmt::print("{}\n", boost::json::serialize(out));
}

// What the flags say that the answer must be.
Result<StructuredOutput> structured_output(const GenerateFlags& flags) {
  using Kind = StructuredOutput::Kind;
  constexpr size_t kMaxBytes = 1 << 20;
  StructuredOutput wish;
  if (!flags.json_schema_file.empty()) {
    wish = {.kind = Kind::kJson, .field = "--json-schema"};
    wish.text = AGLM_TRY(read_text_file(flags.json_schema_file, kMaxBytes));
  } else if (!flags.grammar_file.empty()) {
    wish = {.kind = Kind::kGrammar, .field = "--grammar-file"};
    wish.text = AGLM_TRY(read_text_file(flags.grammar_file, kMaxBytes));
  }
  return wish;
}

Result<void> generate(const SettingFlags& settings_flags, const SamplingFlags& sampling_flags,
                      const GenerateFlags& flags) {
  const Settings settings = AGLM_TRY(settings_flags.load());
  const std::string text = flags.prompt.empty() ? AGLM_TRY(read_standard_input()) : flags.prompt;
  const GLMModel model = AGLM_TRY(load_model(settings));
  GenerationRequest request;
  request.prompt = flags.ids ? AGLM_TRY(parse_token_ids(text, "--ids"))
                             : AGLM_TRY(encode_prompt(model, text, flags.system, flags.raw));
  request.sampling = sampling_flags.apply(model.info().default_sampling);
  request.begins_text = !flags.ids && !flags.raw && model.info().has_chat_template;
  StructuredOutput wish = AGLM_TRY(structured_output(flags));
  wish.after_reasoning = request.begins_text && model.info().separates_reasoning;
  request.structured_output = std::move(wish);
  if (flags.as_json) {
    const std::vector<TokenId> prompt = request.prompt;
    print_json(model, prompt, AGLM_TRY(model.generate(std::move(request))));
    return {};
  }
  // Ids go out when all are known; text as it comes.
  if (flags.ids) {
    const GenerationResult result = AGLM_TRY(model.generate(std::move(request)));
    std::vector<int32_t> ids;
    for (const TokenId id : result.choices.front().tokens) ids.push_back(static_cast<int32_t>(id));
    fmt::print("{}\n", fmt::join(ids, " "));
    return {};
  }
  AGLM_TRY(stream_answer(model, std::move(request)));
  return {};
}

}  // namespace

void add_generate_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("generate", "answer one prompt (argument or standard input)");
  const auto flags = std::make_shared<GenerateFlags>();
  command->add_option("prompt", flags->prompt, "the prompt; without it, standard input is read");
  command->add_option("--system", flags->system, "system message");
  command->add_flag("--ids", flags->ids, "the prompt is token ids, and so is the answer");
  command->add_flag("--raw", flags->raw, "continue the text itself: no chat template");
  command->add_flag("--json", flags->as_json, "write one JSON object");
  CLI::Option* schema = command->add_option("--json-schema", flags->json_schema_file,
                                            "a file with a JSON Schema that the answer satisfies");
  command
      ->add_option("--grammar-file", flags->grammar_file,
                   "a file with a grammar, GBNF or Lark's, that derives the answer")
      ->excludes(schema);
  const SamplingFlags sampling(*command);
  const SettingFlags settings(*command, SettingScope::kModel);
  command->footer(
      "Example: autoglm generate \"What is Open-AutoGLM?\" --temperature 0\n"
      "         echo \"Once upon a time\" | autoglm generate --raw --max-tokens 50 --json");
  on_chosen(line, command, [=] { return generate(settings, sampling, *flags); });
}

}  // namespace autoglm
