#include "train/quantize/survey.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"
#include "train/quantize/fold_places.h"
#include "train/quantize/row_codes.h"
#include "train/quantize/sampled_rows.h"
#include "train/quantize/scale_search.h"
#include "train/quantize/turned.h"

namespace autoglm {
namespace {

// Sum of (row - decoded)^2 for one turned row.
double squared_error(std::span<const float> row, Precision precision) {
  std::vector<float> decoded(row.size());
  choose_codes(row, {}, precision).decode(decoded);
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += std::pow(double{row[i]} - decoded[i], 2);
  return sum;
}

class SurveyRun final : public RunVisitor {
 public:
  SurveyRun(const Graph& graph, const Targets& targets, const Checkpoint& checkpoint,
            const SurveyOptions& options, const Context& context, Survey& survey)
      : graph_(graph),
        targets_(targets),
        checkpoint_(checkpoint),
        plain_(checkpoint),
        options_(options),
        context_(context),
        survey_(survey) {
    mixed_ = options.ladder.size() > 1;
    if (mixed_ && options.calibration_rows > 0) {
      survey.errors.assign(targets.groups.size(), RungErrors(options.ladder.size()));
    }
  }

  Result<void> on_products(std::span<const int32_t> nodes, const RowsView& x) override {
    RowsView rows = x;
    rows.rows = std::min(rows.rows, options_.calibration_rows);
    const bool scaling = options_.method.awq || options_.method.smoothquant;
    if (rows.rows == 0 || !(scaling || mixed_)) return {};
    for (size_t g = 0; g < targets_.groups.size(); ++g) {
      if (targets_.groups[g].nodes.front() == nodes.front()) return look_at(g, rows);
    }
    AGLM_CHECK(false, "products of node {} are in no group", nodes.front());
    return {};
  }

  void on_result(int32_t node, const RowsView& y) override {
    const auto found = errors_.find(graph_.node(node).weight());
    if (found == errors_.end()) return;
    double energy = 0;
    const int64_t rows = std::min(y.rows, options_.calibration_rows);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < y.columns; ++c) energy += double{y.row(r)[c]} * y.row(r)[c];
    }
    energy /= static_cast<double>(std::max<int64_t>(1, rows));
    if (!(energy > 0)) return;
    for (size_t rung = 0; rung < found->second.size(); ++rung) {
      survey_.errors[group_][rung] += found->second[rung] / energy;
    }
  }

  Result<PackedWeight> matrix(const Weight& weight, int64_t begin, int64_t end) override {
    const StoredTensor& tensor = *checkpoint_.find(weight.parts[0].tensor);
    PackedWeight packed =
        AGLM_TRY(PackedWeight::allocate(WeightFormat::kF32, end - begin, weight.columns));
    context_.pool.parallel_for(packed.n_panels(), 1, [&](int64_t first, int64_t last) {
      packed.pack_panels(first, last, row_by_row([&](int64_t row, std::span<float> out) {
                           decode_row(tensor, begin + row, out);
                         }));
    });
    if (end == weight.rows) drop_pages(tensor);
    return packed;
  }

  Result<void> embedding_row(const Weight& weight, int64_t row, std::span<float> out) override {
    return plain_.read_row(*checkpoint_.find(weight.parts[0].tensor), row, out);
  }

  Result<std::vector<float>> vector(const Weight& weight) override {
    return plain_.read_vector(*checkpoint_.find(weight.parts[0].tensor));
  }

 private:
  Result<void> look_at(size_t g, const RowsView& x) {
    const TargetGroup& group = targets_.groups[g];
    group_ = g;
    errors_.clear();
    const InputStatistics input = measure(x, context_.pool);
    std::vector<SampledRows> weights;
    for (const size_t i : group.targets) {
      weights.push_back(AGLM_TRY(SampledRows::read(targets_.matrices[i], plain_)));
    }
    std::vector<float> scales;
    if (options_.method.awq || options_.method.smoothquant) {
      const std::optional<FoldPlace> place = fold_place(graph_, group);
      if (place) {
        scales = search_scales(options_.method.awq ? ScaleFamily::kAwq : ScaleFamily::kSmoothQuant,
                               options_.ladder[0], input, weights, context_.pool);
      }
      if (!scales.empty()) fold(group, *place, scales);
    }
    if (mixed_) estimate_errors(group, input, weights, scales);
    return {};
  }

  void fold(const TargetGroup& group, const FoldPlace& place, std::span<const float> scales) {
    std::vector<float> inverse(scales.begin(), scales.end());
    for (float& s : inverse) s = 1 / s;
    for (const FoldPlace::Rows& rows : place.parts) {
      survey_.weights.multiply_rows(rows.tensor, rows.first, inverse);
    }
    const auto [least, most] = std::ranges::minmax(scales);
    for (const size_t i : group.targets) {
      const std::string& tensor = targets_.matrices[i].tensor;
      survey_.weights.multiply_columns(tensor, scales);
      survey_.scale_spreads[tensor] = most / least;
    }
  }

  void estimate_errors(const TargetGroup& group, const InputStatistics& input,
                       std::span<const SampledRows> weights, std::span<const float> scales) {
    std::vector<float> importance = input.mean_square;
    for (size_t c = 0; c < scales.size(); ++c) importance[c] /= scales[c] * scales[c];
    const double mean_square = turned_mean_square(importance);
    for (size_t m = 0; m < weights.size(); ++m) {
      const SampledRows& matrix = weights[m];
      const Ladder& ladder = options_.ladder;
      std::vector<double> errors(matrix.size() * ladder.size());
      context_.pool.parallel_for(
          static_cast<int64_t>(matrix.size()), 1, [&](int64_t begin, int64_t end) {
            for (auto r = static_cast<size_t>(begin); r < static_cast<size_t>(end); ++r) {
              std::vector<float> row(matrix.row(r).begin(), matrix.row(r).end());
              for (size_t c = 0; c < scales.size(); ++c) row[c] *= scales[c];
              turn_weights(row);
              for (size_t rung = 0; rung < ladder.size(); ++rung) {
                errors[rung * matrix.size() + r] = mean_square * squared_error(row, ladder[rung]);
              }
            }
          });
      const Target& target = targets_.matrices[group.targets[m]];
      const double share = static_cast<double>(target.rows) / static_cast<double>(matrix.size());
      RungErrors& sums = errors_[target.weight];
      sums.assign(ladder.size(), 0);
      for (size_t i = 0; i < errors.size(); ++i) sums[i / matrix.size()] += errors[i] * share;
    }
  }

  const Graph& graph_;
  const Targets& targets_;
  const Checkpoint& checkpoint_;
  FoldedWeights plain_;
  const SurveyOptions& options_;
  const Context& context_;
  Survey& survey_;
  bool mixed_ = false;
  size_t group_ = 0;                       // the one that is being run
  std::map<WeightId, RungErrors> errors_;  // of its matrices
};

}  // namespace

Result<Survey> run_survey(const Graph& graph, const Targets& targets, const Checkpoint& checkpoint,
                          const RunInput& input, const SurveyOptions& options,
                          const Context& context, const std::function<void(double)>& progress) {
  Survey survey(checkpoint);
  SurveyRun visitor(graph, targets, checkpoint, options, context, survey);
  survey.hidden = AGLM_TRY(run_graph(graph, input, visitor, context, progress));
  return survey;
}

}  // namespace autoglm
