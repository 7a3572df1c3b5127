// autoglm template: a JSON conversation on standard input to the prompt that the model would be
// given. Needs the template and the tokenizer's special tokens, not the weights.
#include <fmt/format.h>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "formats/model_source.h"
#include "runtime/chat_prompt.h"

namespace autoglm {

void add_template_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("template", "a JSON conversation on standard input to a prompt");
  struct Flags {
    std::string path;
    bool as_json = false;
  };
  const auto flags = std::make_shared<Flags>();
  add_model_argument(*command, flags->path, "model, or anything that holds its tokenizer");
  command->add_flag("--json", flags->as_json, "write one JSON object");
  command->footer(
      "Example: echo "
      "'{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}' "
      "| autoglm template PATH");
  on_chosen(line, command, [flags]() -> Result<void> {
    const std::string path = AGLM_TRY(find_model(flags->path)).path;
    const std::string context = with_plain_line_ends(AGLM_TRY(read_standard_input()));
    const ChatPrompt chat = AGLM_TRY(load_chat_prompt(path));
    const std::string prompt = AGLM_TRY(chat.render(context)).text;
    if (flags->as_json) {
      fmt::print("{}\n", boost::json::serialize(json::object{{"prompt", prompt}}));
    } else {
      fmt::print("{}\n", for_output(prompt));
    }
    return {};
  });
}

}  // namespace autoglm
