// autoglm pack: a checkpoint's weights in the layout of the kernels, which the next start maps.
#include "runtime/pack_model.h"

#include <fmt/format.h>

#include "base/visible_text.h"
#include "cli/command.h"
#include "cli/progress_bar.h"
#include "tensor/weight_format.h"

namespace autoglm {

void add_pack_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("pack", "lay weights out so that the next start maps them");
  struct Flags {
    std::string in;
    std::string out;
    PackOptions options;
  };
  const auto flags = std::make_shared<Flags>();
  command->add_option("in", flags->in, "model directory, .gguf file or hub id")->required();
  command->add_option("out", flags->out,
                      "directory to make, for --model; without it, a file beside the checkpoint "
                      "that starts with the same --quantize find");
  command->add_option(
      "--quantize", flags->options.quantize,
      fmt::format("how weights are held: {} [none]", fmt::join(quantize_names(), ", ")));
  command->add_option("--threads", flags->options.threads, "0: one for each processor [0]")
      ->check(CLI::Range(0, 1024));
  on_chosen(line, command, [flags]() -> Result<void> {
    PackOptions options = flags->options;
    ProgressBar bar;
    options.progress = bar.callback();
    const PackedModel packed = AGLM_TRY(pack_model(flags->in, flags->out, options));
    bar.erase();
    fmt::print("{}  {:.2f} GB of weights\n", visible(packed.path),
               static_cast<double>(packed.weight_bytes) / 1e9);
    return {};
  });
}

}  // namespace autoglm
