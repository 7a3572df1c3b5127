// autoglm synthetic: random checkpoints of any architecture and size, for benchmarks and tests.
#include "formats/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "cli/command.h"
#include "cli/progress_bar.h"

namespace autoglm {
namespace {

struct SyntheticFlags {
  std::string path;
  std::string preset = "tiny";
  std::string architecture;
  std::string dtype = "bf16";
  SyntheticShape shape;  // what is above 0 replaces the preset's
  bool tied = false;
  uint64_t seed = 0;
};

Result<DType> parse_dtype(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
        DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    if (dtype_info(dtype).name == text) return dtype;
  }
  return Error{ErrorCode::kInvalidArgument, "unknown element type", "--dtype",
               "f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k or q6_k", text};
}

Result<void> write(const SyntheticFlags& flags) {
  SyntheticOptions options;
  options.path = flags.path;
  options.shape = AGLM_TRY(synthetic_preset(flags.preset, flags.architecture));
  options.dtype = AGLM_TRY(parse_dtype(flags.dtype));
  options.seed = flags.seed;
  const auto replace = [](int64_t& field, int64_t given) {
    if (given > 0) field = given;
  };
  SyntheticShape& shape = options.shape;
  replace(shape.layers, flags.shape.layers);
  replace(shape.hidden_size, flags.shape.hidden_size);
  replace(shape.intermediate_size, flags.shape.intermediate_size);
  replace(shape.heads, flags.shape.heads);
  replace(shape.kv_heads, flags.shape.kv_heads);
  replace(shape.head_dim, flags.shape.head_dim);
  replace(shape.vocab_size, flags.shape.vocab_size);
  replace(shape.experts, flags.shape.experts);
  replace(shape.experts_per_token, flags.shape.experts_per_token);
  replace(shape.expert_size, flags.shape.expert_size);
  replace(shape.max_position_embeddings, flags.shape.max_position_embeddings);
  shape.tie_word_embeddings = shape.tie_word_embeddings || flags.tied;
  ProgressBar bar;
  if (auto draw = bar.callback()) {
    options.progress = [draw](double fraction) { draw(fraction, "writing"); };
  }
  AGLM_TRY(write_synthetic(options));
  bar.erase();
  fmt::print("{}\n", flags.path);
  return {};
}

}  // namespace

void add_synthetic_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("synthetic", "write a random checkpoint, for benchmarks and tests");
  const auto flags = std::make_shared<SyntheticFlags>();
  command->add_option("path", flags->path, "folder to make, or a file name that ends in .gguf")
      ->required();
  command->add_option("--preset", flags->preset, "tiny, 0.5b, 1.4b or 3b-moe [tiny]");
  command->add_option("--architecture", flags->architecture,
                      "[LlamaForCausalLM; of 3b-moe Qwen3MoeForCausalLM]");
  command->add_option("--dtype", flags->dtype, "of the matrices; q8_0 and the like in GGUF [bf16]");
  command->add_option("--seed", flags->seed, "the same seed gives the same bytes [0]");
  const auto size = [&](const char* flag, int64_t& field, const char* help) {
    command->add_option(flag, field, help)
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
        ->group("Sizes");
  };
  size("--layers", flags->shape.layers, "layers");
  size("--hidden-size", flags->shape.hidden_size, "width of a layer");
  size("--intermediate-size", flags->shape.intermediate_size, "width inside the MLP");
  size("--heads", flags->shape.heads, "attention heads");
  size("--kv-heads", flags->shape.kv_heads, "heads of keys and values");
  size("--head-dim", flags->shape.head_dim, "width of a head");
  size("--vocab-size", flags->shape.vocab_size, "tokens");
  size("--experts", flags->shape.experts, "experts of a mixture");
  size("--experts-per-token", flags->shape.experts_per_token, "experts that a token goes to");
  size("--expert-size", flags->shape.expert_size, "width inside an expert");
  size("--max-position-embeddings", flags->shape.max_position_embeddings, "context");
  command->add_flag("--tie-word-embeddings", flags->tied, "one matrix for input and output")
      ->group("Sizes");
  on_chosen(line, command, [flags] { return write(*flags); });
}

}  // namespace autoglm
