// Routes against the plainest loops in double; an MLP of experts against products that linear()
// makes of one row and one expert at a time, packed alone: bit for bit, in every weight format, on
// every instruction set, with any neighbours and any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/experts/expert_mlp.h"
#include "kernels/experts/route.h"
#include "kernels/linear/code_testing.h"
#include "kernels/linear/linear.h"
#include "kernels/testing/guarded_rows.h"
#include "kernels/testing/random_cases.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

std::vector<float> routed(const Context& context, RouteArgs args,
                          const std::vector<float>& logits) {
  const int64_t in = args.experts + (args.shared_gate ? 1 : 0);
  const int64_t out = 2 * args.chosen + (args.shared_gate ? 1 : 0);
  args.rows = std::ssize(logits) / in;
  args.logits = logits.data();
  args.logits_stride = in;
  std::vector<float> y(static_cast<size_t>(args.rows * out));
  args.y = y.data();
  args.y_stride = out;
  const GuardedBytes scratch(route_scratch_bytes(context, args.experts), 64);
  route(context, args, scratch.span());
  return y;
}

// One row, as the op is defined.
std::vector<double> reference_route(const RouteArgs& a, std::span<const float> logits) {
  const auto n = static_cast<size_t>(a.experts);
  std::vector<double> scores(logits.begin(), logits.begin() + a.experts);
  double sum = 0;
  const double most = *std::ranges::max_element(scores);
  for (double& s : scores) {
    s = a.sigmoid ? 1 / (1 + std::exp(-s)) : std::exp(s - most);
    sum += s;
  }
  if (!a.sigmoid) {
    for (double& s : scores) s /= sum;
  }
  std::vector<double> ranks = scores;
  for (size_t i = 0; i < n && a.bias != nullptr; ++i) ranks[i] += double{a.bias[i]};
  const size_t size = n / static_cast<size_t>(a.groups);
  std::vector<std::pair<double, size_t>> groups;
  for (size_t g = 0; g < static_cast<size_t>(a.groups); ++g) {
    std::vector<double> in_group(ranks.begin() + static_cast<long>(g * size),
                                 ranks.begin() + static_cast<long>((g + 1) * size));
    std::ranges::sort(in_group, std::greater<>());
    groups.emplace_back(-(in_group[0] + (size > 1 ? in_group[1] : 0)), g);
  }
  std::ranges::sort(groups);
  std::vector<std::pair<double, size_t>> order;
  for (size_t g = 0; g < static_cast<size_t>(a.chosen_groups); ++g) {
    for (size_t i = groups[g].second * size; i < (groups[g].second + 1) * size; ++i) {
      order.emplace_back(-ranks[i], i);
    }
  }
  std::ranges::sort(order);
  std::vector<double> indices, weights;
  sum = 0;
  for (size_t j = 0; j < static_cast<size_t>(a.chosen); ++j) {
    indices.push_back(static_cast<double>(order[j].second));
    weights.push_back(scores[order[j].second]);
    sum += weights.back();
  }
  for (double& w : weights) w *= double{a.scale} / (a.renormalize ? sum + 1e-20 : 1);
  indices.insert(indices.end(), weights.begin(), weights.end());
  if (a.shared_gate) indices.push_back(1 / (1 + std::exp(-double{logits[n]})));
  return indices;
}

TEST(Route, ChoosesAndWeighsAsDefinedOnEveryInstructionSet) {
  for_random_cases(200, [](Draw& draw) {
    RouteArgs args{.sigmoid = draw.one_in(2), .renormalize = draw.one_in(2)};
    args.groups = draw.one_in(2) ? 1 : draw.between(2, 5);
    args.experts = args.groups * draw.between(2, 20);
    args.chosen_groups = draw.between(1, args.groups);
    args.chosen = draw.between(1, args.experts / args.groups * args.chosen_groups);
    args.scale = draw.of({1.0f, 2.5f});
    args.shared_gate = draw.one_in(3);
    std::vector<float> bias(static_cast<size_t>(args.experts));
    for (float& b : bias) b = draw.normal();
    if (draw.one_in(2)) args.bias = bias.data();
    const int64_t rows = draw.between(1, 9);
    const int64_t columns = args.experts + (args.shared_gate ? 1 : 0);
    std::vector<float> logits(static_cast<size_t>(rows * columns));
    for (float& l : logits) l = 3 * draw.normal();
    ThreadPool pool(2);
    std::vector<float> first;
    for (const Isa isa : isas_here()) {
      const std::vector<float> y = routed({pool, isa}, args, logits);
      if (first.empty()) first = y;
      expect_same_bits(y, first, std::string(isa_name(isa)));
    }
    const size_t out = first.size() / static_cast<size_t>(rows);
    for (int64_t row = 0; row < rows; ++row) {
      const std::vector<double> expected =
          reference_route(args, std::span(logits).subspan(static_cast<size_t>(row * columns)));
      for (size_t i = 0; i < out; ++i) {
        ASSERT_NEAR(first[static_cast<size_t>(row) * out + i], expected[i],
                    2e-6 * (1 + std::abs(expected[i])))
            << "row " << row << ", column " << i;
      }
    }
  });
}

TEST(Route, TakesTheLowestIndexOfEqualScores) {
  ThreadPool pool(1);
  for (const bool sigmoid : {false, true}) {
    const RouteArgs args{.sigmoid = sigmoid, .experts = 5, .chosen = 3};
    const std::vector<float> y = routed({pool, best_isa()}, args, {1, 2, 2, 1, 2, 0, 0, 0, 0, 0});
    EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 3), (std::vector<float>{1, 2, 4}));
    EXPECT_EQ(std::vector<float>(y.begin() + 6, y.begin() + 9), (std::vector<float>{0, 1, 2}));
  }
}

TEST(Route, GroupsOfNegativeRanksKeepOthersOut) {
  ThreadPool pool(1);
  // The best two of the second group sum highest, all ranks being negative.
  const std::vector<float> bias{-9, -2, -3, -4};
  const RouteArgs args{.sigmoid = true,
                       .experts = 4,
                       .chosen = 2,
                       .groups = 2,
                       .chosen_groups = 1,
                       .bias = bias.data()};
  const std::vector<float> y = routed({pool, best_isa()}, args, {0, 0, 0, 0});
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 2), (std::vector<float>{2, 3}));
}

TEST(Route, ChoosesDifferentExpertsWhateverTheNumbersAre) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  ThreadPool pool(1);
  for (const std::vector<float>& logits : {std::vector<float>{kNan, 1, kNan, 2},
                                           {kNan, kNan, kNan, kNan},
                                           {kInfinity, 1, 2, 3},
                                           {-kInfinity, -kInfinity, -kInfinity, -kInfinity}}) {
    for (const int64_t groups : {1, 2}) {
      const RouteArgs args{
          .sigmoid = true, .experts = 4, .chosen = 2, .groups = groups, .chosen_groups = 1};
      const std::vector<float> y = routed({pool, best_isa()}, args, logits);
      EXPECT_NE(y[0], y[1]);
      for (const float index : {y[0], y[1]}) EXPECT_TRUE(index >= 0 && index < 4) << index;
    }
  }
}

// Matrices of equal shape, together and each alone.
struct Stack {
  PackedWeight all;
  std::vector<PackedWeight> alone;
};

struct StackShape {
  WeightFormat format = WeightFormat::kF32;
  int64_t members = 1;
  int64_t rows = 1;
  int64_t k = 1;
  PackOrder order = PackOrder::kPlain;
  bool same_scales = false;  // of columns
};

Stack make_stack(Draw& draw, const StackShape& s) {
  Stack stack{*PackedWeight::allocate(s.format, {s.members * s.rows, s.k, s.order, s.members}), {}};
  const auto seed = static_cast<uint32_t>(draw.between(0, 1 << 30));
  const float spread = 1.0f / std::sqrt(static_cast<float>(s.k));
  std::vector<float> scales(static_cast<size_t>(s.k));
  const auto pack = [&](PackedWeight& weight, int64_t first) {
    if (holds_codes(s.format)) {
      return weight.pack_codes(0, weight.n_panels(), row_by_row([&](int64_t row, CodeRow& out) {
                                 random_codes(s.format, s.k, first + row, out);
                               }));
    }
    weight.pack_panels(0, weight.n_panels(), row_by_row([&](int64_t row, std::span<float> out) {
                         std::ranges::copy(
                             random_values(s.k, seed + static_cast<uint32_t>(first + row), spread),
                             out.begin());
                       }));
  };
  for (int64_t m = 0; m < s.members; ++m) {
    stack.alone.push_back(*PackedWeight::allocate(s.format, s.rows, s.k, s.order));
    if (has_channel_scales(s.format)) {
      if (m == 0 || !s.same_scales) {
        for (float& scale : scales) scale = std::exp2(static_cast<float>(draw.between(-2, 2)));
      }
      stack.alone.back().set_column_scales(scales);
      stack.all.set_column_scales(scales, m);
    }
    pack(stack.alone.back(), m * s.rows);
  }
  pack(stack.all, 0);
  return stack;
}

std::vector<float> product(const Context& context, const PackedWeight& weight,
                           std::span<const float> x, Epilogue epilogue) {
  std::vector<float> y(static_cast<size_t>(weight.n_out()));
  const GuardedBytes scratch(linear_scratch_bytes(context, weight, 1), 64);
  linear(context,
         {.weight = &weight,
          .m = 1,
          .x = x.data(),
          .x_stride = weight.k(),
          .y = y.data(),
          .y_stride = weight.n_out(),
          .epilogue = epilogue},
         scratch.span());
  return y;
}

struct MlpCase {
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t experts = 1;
  int64_t chosen = 1;
  bool has_shared = false;
  bool shared_gate = false;
  bool same_scales = false;
  bool has_residual = false;
  WeightFormat format = WeightFormat::kF32;

  std::string text() const {
    return std::string(weight_format_name(format)) + ", " + std::to_string(rows) + " rows of " +
           std::to_string(columns) + ", " + std::to_string(chosen) + " of " +
           std::to_string(experts);
  }
};

class MlpRun {
 public:
  MlpRun(Draw& draw, const MlpCase& c)
      : c_(c),
        gate_up_(stack(draw, c.experts, inner(draw), PackOrder::kGateUp)),
        down_(stack(draw, c.experts, gate_up_.all.n_out(), PackOrder::kPlain)) {
    if (c.has_shared) {
      shared_gate_up_ = stack(draw, 1, inner(draw), PackOrder::kGateUp);
      shared_down_ = stack(draw, 1, shared_gate_up_.all.n_out(), PackOrder::kPlain);
    }
    x_.resize(static_cast<size_t>(c.rows * c.columns));
    residual_.resize(x_.size());
    draw.fill(x_, 30.0f);
    draw.fill(residual_, 30.0f);
    std::vector<int64_t> experts(static_cast<size_t>(c.experts));
    std::iota(experts.begin(), experts.end(), 0);
    for (int64_t row = 0; row < c.rows; ++row) {
      for (size_t i = experts.size(); i > 1; --i) {
        std::swap(experts[i - 1],
                  experts[static_cast<size_t>(draw.between(0, static_cast<int64_t>(i) - 1))]);
      }
      for (int64_t j = 0; j < c.chosen; ++j) {
        routes_.push_back(static_cast<float>(experts[static_cast<size_t>(j)]));
      }
      for (int64_t j = 0; j < c.chosen + (c.shared_gate ? 1 : 0); ++j) {
        routes_.push_back(draw.normal());
      }
    }
  }

  std::vector<float> run(const Context& context, int64_t rows) const {
    ExpertMlpArgs args{.gate_up = &gate_up_.all,
                       .down = &down_.all,
                       .shared_gate_up = c_.has_shared ? &shared_gate_up_.all : nullptr,
                       .shared_down = c_.has_shared ? &shared_down_.all : nullptr,
                       .rounds_once = gate_up_.all.members_share_columns(),
                       .chosen = c_.chosen,
                       .shared_gate = c_.shared_gate,
                       .rows = rows,
                       .x = x_.data(),
                       .x_stride = c_.columns,
                       .routes = routes_.data(),
                       .routes_stride = routes_stride()};
    std::vector<float> y = residual_;  // added from where the result comes to lie
    y.resize(static_cast<size_t>(rows * c_.columns));
    args.y = y.data();
    args.y_stride = c_.columns;
    if (c_.has_residual) {
      args.residual = y.data();
      args.residual_stride = c_.columns;
    }
    const GuardedBytes scratch(expert_mlp_scratch_bytes(context, args, rows), 64);
    expert_mlp(context, args, scratch.span());
    return y;
  }

  // Row by row and expert by expert.
  std::vector<float> expected(const Context& context) const {
    std::vector<float> all;
    for (int64_t row = 0; row < c_.rows; ++row) {
      const std::span<const float> x = std::span(x_).subspan(static_cast<size_t>(row * c_.columns),
                                                             static_cast<size_t>(c_.columns));
      const float* route = routes_.data() + row * routes_stride();
      std::vector<float> sum(x.size());
      for (int64_t j = 0; j < c_.chosen; ++j) {
        const auto e = static_cast<size_t>(route[j]);
        const std::vector<float> own = mlp(context, gate_up_.alone[e], down_.alone[e], x);
        const float weight = route[c_.chosen + j];
        for (size_t i = 0; i < sum.size(); ++i) {
          sum[i] = j == 0 ? own[i] * weight : std::fma(own[i], weight, sum[i]);
        }
      }
      if (c_.has_shared) {
        const std::vector<float> own =
            mlp(context, shared_gate_up_.alone[0], shared_down_.alone[0], x);
        for (size_t i = 0; i < sum.size(); ++i) {
          sum[i] =
              c_.shared_gate ? std::fma(own[i], route[2 * c_.chosen], sum[i]) : sum[i] + own[i];
        }
      }
      for (size_t i = 0; i < sum.size() && c_.has_residual; ++i)
        sum[i] += residual_[all.size() + i];
      all.insert(all.end(), sum.begin(), sum.end());
    }
    return all;
  }

 private:
  int64_t routes_stride() const { return 2 * c_.chosen + (c_.shared_gate ? 1 : 0); }

  // A multiple of what codes need.
  int64_t inner(Draw& draw) const {
    return holds_codes(c_.format) ? 256 * draw.between(1, 2) : draw.columns(200);
  }
  Stack stack(Draw& draw, int64_t members, int64_t inner, PackOrder order) const {
    const bool gate_up = order == PackOrder::kGateUp;
    return make_stack(draw, {.format = c_.format,
                             .members = members,
                             .rows = gate_up ? 2 * inner : c_.columns,
                             .k = gate_up ? c_.columns : inner,
                             .order = order,
                             .same_scales = gate_up && c_.same_scales});
  }
  static std::vector<float> mlp(const Context& context, const PackedWeight& gate_up,
                                const PackedWeight& down, std::span<const float> x) {
    return product(context, down, product(context, gate_up, x, Epilogue::kSwiglu), Epilogue::kNone);
  }

  const MlpCase c_;
  Stack gate_up_, down_, shared_gate_up_, shared_down_;
  std::vector<float> x_, residual_, routes_;
};

MlpCase draw_case(Draw& draw, WeightFormat format) {
  MlpCase c{.format = format};
  c.columns = holds_codes(format) ? 256 * draw.between(1, 2) : draw.columns(200);
  c.experts = draw.between(1, 9);
  c.chosen = draw.between(1, std::min<int64_t>(c.experts, 4));
  // Few experts and many rows make groups of tiles.
  c.rows = draw.rows(40);
  c.has_shared = draw.one_in(2);
  c.shared_gate = c.has_shared && draw.one_in(2);
  c.same_scales = !draw.one_in(4);
  c.has_residual = draw.one_in(2);
  return c;
}

TEST(ExpertMlp, IsWhatEachExpertMakesOfEachRowAlone) {
  for_random_cases(3, [](Draw& draw) {
    for (const WeightFormatInfo& info : kWeightFormats) {
      const MlpCase c = draw_case(draw, info.format);
      SCOPED_TRACE(c.text());
      const MlpRun run(draw, c);
      ThreadPool one(1), three(3);
      std::vector<float> common;
      for (const Isa isa : isas_here()) {
        const std::vector<float> expected = run.expected({one, isa});
        expect_same_bits(run.run({three, isa}, c.rows), expected, std::string(isa_name(isa)));
        // The first rows without the others.
        const int64_t fewer = draw.between(1, c.rows);
        expect_same_bits(run.run({one, isa}, fewer),
                         std::span(expected).first(static_cast<size_t>(fewer * c.columns)),
                         "fewer rows");
        if (!has_common_bits(isa, info.format)) continue;
        if (common.empty()) common = expected;
        expect_same_bits(expected, common, std::string(isa_name(isa)) + " and others");
      }
      if (testing::Test::HasFailure()) return;
    }
  });
}

}  // namespace
}  // namespace autoglm
