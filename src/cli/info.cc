// autoglm info: what a checkpoint is and the memory it will need, without loading it.
#include <fmt/format.h>

#include "base/json.h"
#include "cli/command.h"
#include "formats/checkpoint.h"
#include "formats/estimate.h"

namespace autoglm {

void add_info_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("info", "what a checkpoint is and the memory it will need");
  struct Flags {
    std::string path;
    bool as_json = false;
  };
  const auto flags = std::make_shared<Flags>();
  add_model_argument(*command, flags->path, "model directory, .gguf file or hub id");
  command->add_flag("--json", flags->as_json, "write one JSON object");
  on_chosen(line, command, [flags]() -> Result<void> {
    const std::string path = AGLM_TRY(find_model(flags->path));
    const auto checkpoint = AGLM_TRY(Checkpoint::open(path));
    const CheckpointEstimate about = AGLM_TRY(estimate(*checkpoint));
    fmt::print("{}",
               flags->as_json ? boost::json::serialize(to_json(about)) + "\n" : to_text(about));
    return {};
  });
}

}  // namespace autoglm
