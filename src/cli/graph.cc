// autoglm graph: the program that a model compiles to: operations, shapes, what was fused, the
// arena. Reads the configuration and the tensors' shapes; no weights.
#include <fmt/format.h>

#include "cli/command.h"
#include "formats/checkpoint.h"
#include "formats/model_source.h"
#include "runtime/load_executor.h"
#include "tensor/weight_format.h"

namespace autoglm {

void add_graph_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("graph", "print the program that a model compiles to");
  struct Flags {
    std::string path;
    std::string quantize = "none";
    bool dot = false;
    bool json = false;
    bool unfused = false;
    int32_t rows = 512;
  };
  const auto flags = std::make_shared<Flags>();
  add_model_argument(*command, flags->path, "model directory, .gguf file or hub id");
  command->add_flag("--dot", flags->dot, "write Graphviz (autoglm graph PATH --dot | dot -Tsvg)");
  command->add_flag("--json", flags->json, "write JSON: values, kernel calls, arena sizes")
      ->excludes("--dot");
  command->add_flag("--unfused", flags->unfused, "as recorded: one kernel call an operation");
  command->add_option("--quantize", flags->quantize,
                      fmt::format("{} [none]", fmt::join(quantize_names(), ", ")));
  command->add_option("--max-batched-tokens", flags->rows, "rows of one step [512]")
      ->check(CLI::Range(1, 65536));
  on_chosen(line, command, [flags]() -> Result<void> {
    ExecutorOptions options;
    options.quantize = flags->quantize;
    options.fuse = !flags->unfused;
    options.max_rows = flags->rows;
    const std::string path = AGLM_TRY(find_model(flags->path)).path;
    const auto checkpoint = AGLM_TRY(Checkpoint::open(path));
    const Program program = AGLM_TRY(plan_program(*checkpoint, options));
    fmt::print("{}", flags->json  ? program_json(program)
                     : flags->dot ? program_graphviz(program)
                                  : program_text(program));
    return {};
  });
}

}  // namespace autoglm
