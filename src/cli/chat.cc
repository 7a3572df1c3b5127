// autoglm chat: a conversation in the terminal. Messages in, streamed answers out; /clear forgets,
// /exit ends. Where input is a file or a pipe, every line is a message.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "base/utf8.h"
#include "base/visible_text.h"
#include "cli/command.h"
#include "cli/line_editor.h"

namespace autoglm {
namespace {

Result<std::vector<TokenId>> conversation_tokens(const GLMModel& model,
                                                 const std::vector<ChatMessage>& messages) {
  if (!model.info().has_chat_template) {
    return Error{ErrorCode::kUnsupported, "this model has no chat template", model.info().path,
                 "--chat-template, or autoglm generate --raw", ""};
  }
  return model.chat_prompt(messages);
}

Result<void> converse(const GLMModel& model, const SamplingParams& sampling,
                      const std::string& system) {
  const bool person = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  const auto fresh = [&] {
    std::vector<ChatMessage> messages;
    if (!system.empty()) messages.push_back({"system", system});
    return messages;
  };
  std::vector<ChatMessage> messages = fresh();
  std::optional<LineEditor> editor;
  if (person) {
    fmt::print("{}: type a message; /clear forgets, /exit ends, Ctrl-C stops an answer\n",
               visible(model.info().name));
    std::fflush(stdout);
    editor.emplace("> ");
  }
  std::string line;
  const auto next = [&] {
    if (!editor) return static_cast<bool>(std::getline(std::cin, line));
    std::optional<std::string> typed = editor->read();
    line = typed.value_or("");
    return typed.has_value();
  };
  while (next()) {
    if (line == "/exit") return {};
    if (line.empty()) continue;
    if (line == "/clear") {
      messages = fresh();
      continue;
    }
    if (!is_valid_utf8(line)) {
      Error wrong{ErrorCode::kInvalidArgument, "text is not UTF-8", "message", "", ""};
      if (!person) return wrong;
      fmt::print(stderr, "autoglm: {}\n", wrong.message());
      continue;
    }
    messages.push_back({"user", line});
    GenerationRequest request;
    request.prompt = AGLM_TRY(conversation_tokens(model, messages));
    request.sampling = sampling;
    request.begins_text = true;
    const Result<Choice> answer = stream_answer(model, std::move(request));
    if (!answer) {
      // A conversation that has outgrown the context goes on after /clear; without a person it
      // ends.
      if (!person) return answer.error();
      fmt::print(stderr, "autoglm: {}\n", visible(answer.error().message()));
      messages.pop_back();
      continue;
    }
    messages.push_back({"assistant", answer->text});
  }
  return {};
}

}  // namespace

void add_chat_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("chat", "talk to a model in the terminal");
  const auto system = std::make_shared<std::string>();
  command->add_option("--system", *system, "system message");
  const SamplingFlags sampling(*command);
  const SettingFlags settings(*command, SettingScope::kModel);
  settings.take_model_word(*command);
  command->footer("Example: autoglm chat --model /models/qwen2.5-7b-instruct-q4_k_m.gguf");
  on_chosen(line, command, [=]() -> Result<void> {
    const Settings loaded = AGLM_TRY(settings.load());
    const GLMModel model = AGLM_TRY(load_model(loaded));
    return converse(model, sampling.apply(model.info().default_sampling), *system);
  });
}

}  // namespace autoglm
