// autoglm info: what a checkpoint is, whether it can be served, and the memory it will need,
// without loading it.
#include <fmt/format.h>

#include <optional>

#include "base/json.h"
#include "cli/command.h"
#include "formats/checkpoint.h"
#include "formats/estimate.h"
#include "formats/model_source.h"
#include "models/registry.h"
#include "runtime/load_encoder.h"
#include "runtime/plan_model.h"

namespace autoglm {
namespace {

// What could be found out, and the reason why the model cannot be served, if there is one.
struct About {
  std::optional<CheckpointEstimate> estimate;
  std::optional<Error> refusal;
};

// "vectors, mean pooling, scaled to length 1"; empty: the model writes.
std::string encoder_text(const ExecutorPlan& plan) {
  const std::optional<EncoderInfo> encoder = encoder_info(plan);
  if (!encoder) return {};
  if (!encoder->labels.empty()) return fmt::format("scores of {} labels", encoder->labels.size());
  return fmt::format("vectors, {} pooling{}", encoder->pooling,
                     encoder->normalizes ? ", scaled to length 1" : "");
}

ModelSizes sizes_of(const ExecutorPlan& plan) {
  return {.architecture = plan.architecture,
          .layers = plan.layers,
          .hidden_size = plan.hidden_size,
          .heads = plan.heads,
          .kv_heads = plan.kv_heads,
          .head_dim = plan.head_dim,
          .vocab_size = plan.vocab_size,
          .context = plan.max_context,
          .experts = plan.model->experts,
          .experts_per_token = plan.model->experts_per_token,
          .parameters_per_token = plan.model->parameters_per_token,
          .ignored = plan.model->ignored,
          .encoder = encoder_text(plan)};
}

About look_at(const std::string& path) {
  About about;
  const auto checkpoint = Checkpoint::open(path);
  if (!checkpoint) {
    about.refusal = checkpoint.error();
    return about;
  }
  std::optional<ModelSizes> known;
  if (const auto plan = plan_model(path, **checkpoint, {}, {})) {
    known = sizes_of(plan->executor);
  } else {
    about.refusal = plan.error();
  }
  auto sizes = estimate(**checkpoint, default_weight_rules(), known);
  if (sizes) {
    about.estimate = *std::move(sizes);
  } else if (!about.refusal) {
    about.refusal = sizes.error();
  }
  return about;
}

std::string as_json(const About& about, const std::string& path) {
  json::object out = about.estimate ? to_json(*about.estimate) : json::object{{"path", path}};
  out["supported"] = !about.refusal.has_value();
  if (about.refusal) out["reason"] = about.refusal->message();
  return boost::json::serialize(out) + "\n";
}

// A damaged file is not one of a kind that is not supported: another copy of it may be.
std::string_view verdict(ErrorCode code) {
  if (code == ErrorCode::kCorrupt) return "damaged";
  return code == ErrorCode::kIo ? "cannot be read" : "not supported";
}

}  // namespace

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
  command->footer("Exit status: 0 when the model can be served, 1 when not.");
  on_chosen(line, command, [flags]() -> Result<void> {
    const std::string path = AGLM_TRY(find_model(flags->path)).path;
    const About about = look_at(path);
    if (flags->as_json) {
      fmt::print("{}", as_json(about, path));
    } else {
      fmt::print("{:<15} {}\n", "supported",
                 about.refusal ? fmt::format("no: {}", verdict(about.refusal->code)) : "yes");
      if (about.estimate) fmt::print("{}", to_text(*about.estimate));
    }
    std::fflush(stdout);
    if (!about.refusal) return {};
    Error refusal = *about.refusal;
    refusal.what = fmt::format("{}: {}", verdict(refusal.code), refusal.what);
    return refusal;
  });
}

}  // namespace autoglm
