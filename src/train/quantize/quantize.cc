#include "train/quantize/quantize.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "formats/safetensors_writer.h"
#include "models/registry.h"
#include "quant/blocks.h"
#include "train/quantize/calibration_text.h"
#include "train/quantize/folds.h"
#include "train/quantize/matrix_quantizer.h"
#include "train/quantize/mixed_bits.h"
#include "train/quantize/output.h"
#include "train/quantize/survey.h"
#include "train/quantize/targets.h"

namespace autoglm {
namespace {

using Clock = std::chrono::steady_clock;

// What others rounded is taken as it decodes; what this program wrote has an original to go back
// to.
Result<void> check_input(const Checkpoint& checkpoint) {
  if (checkpoint.kind() == Checkpoint::Kind::kPacked) {
    return Error{ErrorCode::kUnsupported, "a packed model cannot be quantized", checkpoint.path(),
                 "the checkpoint that was packed", "autoglm.pack"};
  }
  const std::string where = checkpoint.path() + "/config.json";
  if (AGLM_TRY(read_coded_config(checkpoint.config(), where))) {
    return Error{ErrorCode::kUnsupported, "checkpoint was quantized by autoglm already", where,
                 "the checkpoint that it was made from", std::string(kCodedQuantMethod)};
  }
  return {};
}

// "GPTQ 4-bit, groups of 128"; of GGUF the block formats of its tensors. Empty for floats.
std::string quantization_of(const Checkpoint& checkpoint) {
  if (!checkpoint.quantization().empty()) return checkpoint.quantization();
  std::set<std::string_view> formats;
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    if (is_block_format(tensor.dtype)) formats.insert(dtype_info(tensor.dtype).name);
  }
  return fmt::format("{}", fmt::join(formats, ", "));
}

// Whether safetensors holds the tensor as it lies in its file.
bool is_plain(const StoredTensor& tensor) {
  return tensor.quantized == nullptr && tensor.row_order.empty() && !is_block_format(tensor.dtype);
}

Result<void> check_options(const QuantizeOptions& options) {
  if (options.method.needs_text() && options.calibration.empty()) {
    return Error{ErrorCode::kInvalidArgument, "method needs a text to calibrate on", "--calibrate",
                 fmt::format("a text file, for {}", method_name(options.method)), "none"};
  }
  return {};
}

// A text is run through the model product by product (graph_run.h), which knows no experts.
Result<void> check_runs(const Graph& graph, const QuantizeOptions& options) {
  const bool has_text = options.method.needs_text() || options.evaluate ||
                        !options.calibration.empty() || !options.evaluation.empty();
  const bool has_experts = std::ranges::any_of(
      graph.nodes(), [](const Node& node) { return node.op == Op::kExpertMlp; });
  if (!has_text || !has_experts) return {};
  return Error{ErrorCode::kUnsupported, "a mixture of experts cannot be calibrated or evaluated",
               "quantize", "--method rtn without a text", method_name(options.method)};
}

// What happens to the weights on their way: reading, quantizing, writing, and running the model
// with what was written.
class QuantizingRun final : public RunVisitor {
 public:
  QuantizingRun(const Targets& targets, const FoldedWeights& weights, MatrixQuantizer& quantizer,
                TensorFile& file, int64_t calibration_rows, std::vector<MatrixReport>& reports)
      : targets_(targets),
        weights_(weights),
        quantizer_(quantizer),
        file_(file),
        calibration_rows_(calibration_rows),
        reports_(reports) {}

  // A matrix outside of the layers: embedding and output.
  Result<void> quantize(const Target& target) {
    return keep(target, AGLM_TRY(quantizer_.quantize(target, weights_, nullptr)));
  }

  Result<void> quantize_group(const TargetGroup& group, const RowsView* x) {
    held_.clear();
    std::optional<GroupInput> input;
    if (x != nullptr) {
      RowsView rows = *x;
      rows.rows = std::min(rows.rows, calibration_rows_);
      if (rows.rows > 0) input = AGLM_TRY(quantizer_.prepare(rows));
    }
    for (const size_t i : group.targets) {
      const Target& target = targets_.matrices[i];
      RoundedMatrix done =
          AGLM_TRY(quantizer_.quantize(target, weights_, input ? &*input : nullptr));
      AGLM_TRY(keep(target, std::move(done)));
    }
    return {};
  }

  Result<void> on_products(std::span<const int32_t> nodes, const RowsView& x) override {
    for (const TargetGroup& group : targets_.groups) {
      if (group.nodes.front() == nodes.front()) return quantize_group(group, &x);
    }
    AGLM_CHECK(false, "products of node {} are in no group", nodes.front());
    return {};
  }

  Result<PackedWeight> matrix(const Weight& weight, int64_t begin, int64_t end) override {
    return codes_of(weight).pack(begin, end, quantizer_.pool());
  }

  Result<void> embedding_row(const Weight& weight, int64_t row, std::span<float> out) override {
    embedding_codes(weight).decode_row(row, out);
    return {};
  }

  Result<std::vector<float>> vector(const Weight& weight) override {
    return weights_.read_vector(*weights_.checkpoint().find(weight.parts[0].tensor));
  }

  // The codes of embedding and output, which stay.
  const MatrixCodes& embedding_codes(const Weight& weight) const {
    const auto found = kept_.find(weight.parts[0].tensor);
    AGLM_CHECK(found != kept_.end(), "{} is not quantized yet", weight.name());
    return found->second;
  }

 private:
  const MatrixCodes& codes_of(const Weight& weight) const {
    const auto found = held_.find(weight.parts[0].tensor);
    AGLM_CHECK(found != held_.end(), "{} is not quantized yet", weight.name());
    return found->second;
  }

  Result<void> keep(const Target& target, RoundedMatrix done) {
    AGLM_TRY(done.codes.append_to(file_));
    reports_.push_back({.tensor = target.tensor,
                        .rows = target.rows,
                        .columns = target.columns,
                        .precision = target.precision,
                        .weight_error = done.weight_error,
                        .output_error = done.output_error});
    (target.group < 0 ? kept_ : held_).emplace(target.tensor, std::move(done.codes));
    drop_pages(*weights_.checkpoint().find(target.tensor));
    return {};
  }

  const Targets& targets_;
  const FoldedWeights& weights_;
  MatrixQuantizer& quantizer_;
  TensorFile& file_;
  int64_t calibration_rows_;
  std::vector<MatrixReport>& reports_;
  std::map<std::string, MatrixCodes, std::less<>> held_;  // of the group that is being run
  std::map<std::string, MatrixCodes, std::less<>> kept_;
};

class Quantizing {
 public:
  Quantizing(std::shared_ptr<const Checkpoint> checkpoint, Model model,
             const QuantizeOptions& options, Isa isa)
      : options_(options),
        checkpoint_(std::move(checkpoint)),
        model_(std::move(model)),
        pool_(options.threads),
        context_{pool_, isa},
        targets_(find_targets(model_.graph)),
        weights_(*checkpoint_) {}

  Result<QuantizeReport> run() {
    const Clock::time_point begin = Clock::now();
    ladder_ = AGLM_TRY(ladder_for(targets_, options_.bits, options_.group_size));
    OutputFolder folder = AGLM_TRY(OutputFolder::create(options_.output));
    text_ = AGLM_TRY(read_calibration(model_, options_));
    AGLM_TRY(survey());
    AGLM_TRY(choose_bits());
    AGLM_TRY(write(folder));
    AGLM_TRY(folder.copy_companions(*checkpoint_));
    AGLM_TRY(folder.write_config(config()));
    AGLM_TRY(folder.finish());
    report_.input = checkpoint_->path();
    report_.input_quantization = quantization_of(*checkpoint_);
    report_.output = options_.output;
    report_.method = method_name(options_.method);
    report_.bits_per_weight = targets_.bits_per_weight();
    report_.layer_bits_per_weight = layer_bits(targets_);
    for (const StoredTensor& tensor : checkpoint_->tensors()) {
      report_.bytes_before += tensor.stored_bytes();
    }
    report_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return std::move(report_);
  }

 private:
  // Where the float model runs over the text: scales to move, how much each matrix matters, and
  // the hidden states to compare with.
  Result<void> survey() {
    if (!needs_run()) return {};
    const SurveyOptions wanted{
        .method = options_.method, .ladder = ladder_, .calibration_rows = text_.calibration_rows()};
    Survey survey =
        AGLM_TRY(run_survey(model_.graph, targets_, *checkpoint_, text_.input(), wanted, context_,
                            stage(0.0, survey_share(), "reading activations")));
    weights_ = std::move(survey.weights);
    errors_ = std::move(survey.errors);
    spreads_ = std::move(survey.scale_spreads);
    before_ = std::move(survey.hidden);
    return {};
  }

  Result<void> choose_bits() {
    for (size_t g = 0; g < targets_.groups.size(); ++g) set_precision(targets_, g, ladder_[0]);
    if (ladder_.size() == 1) return {};
    if (errors_.empty()) errors_ = AGLM_TRY(weight_errors(targets_, weights_, ladder_, pool_));
    raise_bits(targets_, ladder_, errors_, options_.bits);
    return {};
  }

  Result<void> write(OutputFolder& folder) {
    std::vector<TensorPlan> plans;
    const auto plan = [&](const Target& target) {
      for (TensorPlan& part :
           MatrixCodes::plans(target.tensor, target.precision, target.rows, target.columns)) {
        plans.push_back(std::move(part));
      }
    };
    const auto [first, last] = outer_targets();
    for (const size_t i : first) plan(targets_.matrices[i]);
    for (const TargetGroup& group : targets_.groups) {
      for (const size_t i : group.targets) plan(targets_.matrices[i]);
    }
    for (const size_t i : last) plan(targets_.matrices[i]);
    std::vector<const StoredTensor*> rest;
    for (const StoredTensor& tensor : checkpoint_->tensors()) {
      if (is_target(tensor.name)) continue;
      rest.push_back(&tensor);
      plans.push_back({.name = tensor.name,
                       .dtype = is_copied(tensor) ? tensor.dtype : DType::kF32,
                       .shape = tensor.shape});
    }
    for (const TensorPlan& p : plans) report_.bytes_after += static_cast<int64_t>(p.bytes());
    TensorFile file = AGLM_TRY(create_safetensors(folder.file("model.safetensors"), plans));

    MatrixQuantizer quantizer(context_, {.gptq = options_.method.gptq});
    QuantizingRun visitor(targets_, weights_, quantizer, file, text_.calibration_rows(),
                          report_.matrices);
    for (const size_t i : first) AGLM_TRY(visitor.quantize(targets_.matrices[i]));
    const auto progress = stage(survey_share(), 0.95, "quantizing");
    HiddenRows after;
    if (needs_run()) {
      after = AGLM_TRY(run_graph(model_.graph, text_.input(), visitor, context_, progress));
    } else {
      for (size_t g = 0; g < targets_.groups.size(); ++g) {
        AGLM_TRY(visitor.quantize_group(targets_.groups[g], nullptr));
        if (progress) {
          progress(static_cast<double>(g + 1) / static_cast<double>(targets_.groups.size()));
        }
      }
    }
    for (const size_t i : last) AGLM_TRY(visitor.quantize(targets_.matrices[i]));
    for (const StoredTensor* tensor : rest) AGLM_TRY(copy(*tensor, file));
    AGLM_TRY(file.finish());
    if (options_.evaluate) AGLM_TRY(evaluate(visitor, after));
    report_.calibration_tokens = text_.calibration_rows();
    for (MatrixReport& matrix : report_.matrices) {
      if (const auto found = spreads_.find(matrix.tensor); found != spreads_.end()) {
        matrix.scale_spread = found->second;
      }
    }
    return {};
  }

  Result<void> copy(const StoredTensor& tensor, TensorFile& file) {
    if (is_copied(tensor)) return file.append(tensor.bytes);
    std::vector<float> row(static_cast<size_t>(tensor.columns()));
    for (int64_t i = 0; i < tensor.rows(); ++i) {
      AGLM_TRY(weights_.read_row(tensor, i, row));
      AGLM_TRY(file.append(std::as_bytes(std::span(row))));
    }
    return {};
  }

  bool is_copied(const StoredTensor& tensor) const {
    return is_plain(tensor) && !weights_.is_folded(tensor.name);
  }

  Result<void> evaluate(const QuantizingRun& visitor, const HiddenRows& after) {
    const Graph& graph = model_.graph;
    const Weight& head = graph.weight(graph.node(graph.output(kLogitsOutput)).weight());
    const StoredTensor& stored = *checkpoint_->find(head.parts[0].tensor);
    PackedWeight before =
        AGLM_TRY(PackedWeight::allocate(WeightFormat::kBF16, head.rows, head.columns));
    if (stored.dtype != DType::kBF16) {
      before = AGLM_TRY(PackedWeight::allocate(WeightFormat::kF32, head.rows, head.columns));
    }
    pool_.parallel_for(before.n_panels(), 1, [&](int64_t begin, int64_t end) {
      before.pack_panels(begin, end, row_by_row([&](int64_t row, std::span<float> out) {
                           decode_row(stored, row, out);
                         }));
    });
    const PackedWeight now = AGLM_TRY(visitor.embedding_codes(head).pack(0, head.rows, pool_));
    const std::span<const std::vector<TokenId>> sequences(text_.sequences);
    report_.quality = AGLM_TRY(compare(context_, sequences.subspan(text_.first_evaluation),
                                       {.hidden = &before_.view, .head = &before},
                                       {.hidden = &after.view, .head = &now}));
    return {};
  }

  json::object config() const {
    json::object bits_of;
    json::object group_size_of;
    const Precision usual = ladder_[0];
    const int64_t usual_group = usual.bits == 8 ? 32 : usual.group_size;
    for (const Target& target : targets_.matrices) {
      const Precision& precision = target.precision;
      if (precision.bits != usual.bits) bits_of[target.tensor] = precision.bits;
      if (precision.bits == 8) continue;
      if (precision.group_size != usual_group) group_size_of[target.tensor] = precision.group_size;
    }
    json::object config = checkpoint_->config();
    config.erase("compression_config");
    config["quantization_config"] = json::object{
        {"quant_method", kCodedQuantMethod},
        {"version", kCodedVersion},
        {"bits", usual.bits},
        {"group_size", usual_group},
        {"bits_of", std::move(bits_of)},
        {"bits_per_weight", targets_.bits_per_weight()},
        {"method", method_name(options_.method)},
    };
    if (!group_size_of.empty()) {
      config["quantization_config"].as_object()["group_size_of"] = std::move(group_size_of);
    }
    return config;
  }

  bool needs_run() const {
    return options_.method.needs_text() || options_.evaluate || !options_.calibration.empty();
  }
  double survey_share() const { return needs_run() ? 0.4 : 0.0; }

  std::function<void(double)> stage(double from, double to, std::string_view name) const {
    if (!options_.progress) return {};
    return [this, from, to, name](double fraction) {
      options_.progress(from + (to - from) * fraction, name);
    };
  }

  bool is_target(std::string_view tensor) {
    if (target_names_.empty()) {
      for (const Target& target : targets_.matrices) target_names_.insert(target.tensor);
    }
    return target_names_.contains(tensor);
  }

  // Matrices outside of the layers: those that the run needs first, and those after it.
  std::pair<std::vector<size_t>, std::vector<size_t>> outer_targets() const {
    std::pair<std::vector<size_t>, std::vector<size_t>> result;
    for (size_t i = 0; i < targets_.matrices.size(); ++i) {
      if (targets_.matrices[i].group >= 0) continue;
      (i == 0 ? result.first : result.second).push_back(i);
    }
    return result;
  }

  const QuantizeOptions& options_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  Model model_;
  ThreadPool pool_;
  Context context_;
  Targets targets_;
  std::set<std::string, std::less<>> target_names_;  // of experts there are thousands
  FoldedWeights weights_;
  Ladder ladder_;
  CalibrationText text_;
  std::vector<RungErrors> errors_;
  std::map<std::string, double> spreads_;
  HiddenRows before_;
  QuantizeReport report_;
};

}  // namespace

Result<QuantizeMethod> parse_method(std::string_view name) {
  QuantizeMethod method;
  if (name == "rtn") return method;
  std::string_view rest = name;
  while (!rest.empty()) {
    const size_t plus = rest.find('+');
    const std::string_view part = rest.substr(0, plus);
    rest = plus == std::string_view::npos ? std::string_view{} : rest.substr(plus + 1);
    if (part == "awq") {
      method.awq = true;
    } else if (part == "gptq") {
      method.gptq = true;
    } else if (part == "smoothquant") {
      method.smoothquant = true;
    } else {
      return Error{ErrorCode::kInvalidArgument, "unknown method", "--method",
                   "rtn, or awq, gptq and smoothquant joined by +", std::string(name)};
    }
  }
  if (method.awq && method.smoothquant) {
    return Error{ErrorCode::kInvalidArgument, "both methods scale the same columns", "--method",
                 "awq or smoothquant", std::string(name)};
  }
  return method;
}

std::string method_name(const QuantizeMethod& method) {
  std::string name;
  const auto add = [&](bool used, std::string_view part) {
    if (used) name += (name.empty() ? "" : "+") + std::string(part);
  };
  add(method.awq, "awq");
  add(method.smoothquant, "smoothquant");
  add(method.gptq, "gptq");
  return name.empty() ? "rtn" : name;
}

Result<QuantizeReport> quantize_checkpoint(const std::string& input,
                                           const QuantizeOptions& options) {
  AGLM_TRY(check_options(options));
  const std::shared_ptr<const Checkpoint> checkpoint = AGLM_TRY(Checkpoint::open(input));
  AGLM_TRY(check_input(*checkpoint));
  Model model = AGLM_TRY(build_model(*checkpoint));
  if (model.encoder) {
    return Error{ErrorCode::kUnsupported,
                 "encoders are not quantized to files: --quantize int8 does it when one is loaded",
                 input, "a model that generates text", model.architecture};
  }
  AGLM_TRY(check_runs(model.graph, options));
  const Isa isa = AGLM_TRY(select_isa());
  return Quantizing(checkpoint, std::move(model), options, isa).run();
}

}  // namespace autoglm
