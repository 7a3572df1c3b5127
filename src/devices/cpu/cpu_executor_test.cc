// The CPU device on a small graph with made-up weights: fused and unfused programs, thread counts
// and instruction sets give the same bits; what memory it announces is what it takes.
#include "devices/cpu/cpu_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "devices/cpu/op_kernels.h"
#include "devices/cpu/testing/made_up_model.h"
#include "graph/op_table.h"
#include "kernels/isa.h"

namespace autoglm {
namespace {

using namespace made_up;

// Logits and hidden states of 45 tokens in steps of 1, 20 and 24 rows, of which every second row.
// Each step may be given up once before.
std::vector<float> outputs(const DeviceOptions& options, DType dtype, bool gives_up = false) {
  auto executor = make_cpu_executor(made_up_model(), MadeUpWeights(dtype), options);
  EXPECT_TRUE(executor) << executor.error().message();
  if (!executor) return {};
  EXPECT_TRUE((*executor)->reserve_pages(3));
  const std::vector<int32_t> pages{2, 0};
  std::vector<float> result;
  int64_t position = 0;
  for (const int32_t rows : {1, 20, 24}) {
    std::vector<TokenId> tokens;
    std::vector<int32_t> wanted;
    for (int32_t i = 0; i < rows; ++i) {
      tokens.push_back(static_cast<TokenId>((position + i) * 31 % kVocab));
      if (i % 2 == 0) wanted.push_back(i);
    }
    const StepSequence sequence{.n_rows = rows, .start_position = position, .pages = pages};
    StepInput step{.tokens = tokens, .sequences = {&sequence, 1}, .output_rows = wanted};
    if (gives_up) {
      const std::atomic<bool> at_once = true;
      step.give_up = &at_once;
      EXPECT_FALSE((*executor)->step(step));
    }
    step.give_up = nullptr;
    EXPECT_TRUE((*executor)->step(step));
    for (int32_t i = 0; i < static_cast<int32_t>(wanted.size()); ++i) {
      for (const auto part : {(*executor)->logits(i), (*executor)->hidden_state(i)}) {
        result.insert(result.end(), part.begin(), part.end());
      }
    }
    position += rows;
  }
  return result;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return !a.empty() && a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Held {
  std::optional<WeightFormat> quantize;
  DType dtype;
};
constexpr Held kHeld[] = {
    {std::nullopt, DType::kF32},         {std::nullopt, DType::kF16},
    {std::nullopt, DType::kBF16},        {WeightFormat::kInt8, DType::kBF16},
    {WeightFormat::kInt4, DType::kBF16}, {WeightFormat::kInt5, DType::kBF16},
    {WeightFormat::kInt3, DType::kBF16}, {WeightFormat::kInt2Group64, DType::kBF16}};

DeviceOptions options_of(const Held& held) {
  return {.quantize = held.quantize,
          .threads = 1,
          .max_rows = 32,
          .max_output_rows = 16,
          .max_context = 64};
}

TEST(OpKernels, ThereIsOneForEachOpThatComputes) {
  for (size_t i = 0; i < static_cast<size_t>(Op::kCount); ++i) {
    const auto op = static_cast<Op>(i);
    EXPECT_EQ(op_kernel(op).op, op);
    EXPECT_EQ(op_kernel(op).bind == nullptr, op_info(op).place == ResultPlace::kView)
        << op_name(op);
  }
}

TEST(CpuExecutor, FusedAndUnfusedProgramsGiveTheSameBits) {
  for (const Held& held : kHeld) {
    DeviceOptions options = options_of(held);
    const std::vector<float> fused = outputs(options, held.dtype);
    options.fuse = false;
    EXPECT_TRUE(same_bits(outputs(options, held.dtype), fused))
        << (held.quantize ? weight_format_name(*held.quantize) : "none") << " of "
        << dtype_info(held.dtype).name;
  }
}

// Logits of the last of 12 rows, given as the function wants; rows 3 to 6 of the table's own rows.
std::vector<float> with_inputs(const Held& held, const Graph& graph,
                               const std::function<void(StepInput&)>& change) {
  auto executor = make_cpu_executor(graph, MadeUpWeights(held.dtype), options_of(held));
  EXPECT_TRUE(executor) << executor.error().message();
  if (!executor || !(*executor)->reserve_pages(1)) return {};
  std::vector<TokenId> tokens;
  for (int32_t i = 0; i < 12; ++i) tokens.push_back(static_cast<TokenId>(i * 7 % kVocab));
  const std::vector<int32_t> pages{0}, wanted{11};
  const StepSequence sequence{.n_rows = 12, .pages = pages};
  StepInput input{.tokens = tokens, .sequences = {&sequence, 1}, .output_rows = wanted};
  change(input);
  EXPECT_TRUE((*executor)->step(input));
  const auto logits = (*executor)->logits(0);
  return {logits.begin(), logits.end()};
}

TEST(CpuExecutor, RowsThatAreGivenStandForTheirTokens) {
  const Held& held = kHeld[0];
  const Graph graph = made_up_model();
  const std::vector<float> plain = with_inputs(held, graph, [](StepInput&) {});
  const MadeUpWeights weights(held.dtype);
  const auto table = weights.open("embed");
  std::vector<float> rows(3 * kHidden);
  for (size_t i = 0; i < 3; ++i) {
    (*table)->read_rows({static_cast<int64_t>(i + 4) * 7 % kVocab, 1},
                        std::span(rows).subspan(i * kHidden, kHidden));
  }
  std::vector<TokenId> placeholders(12, TokenId{1});
  const auto give = [&](StepInput& input, const StepEmbeddings& given) {
    std::copy_n(input.tokens.begin(), 12, placeholders.begin());
    std::fill_n(placeholders.begin() + 4, 3, TokenId{1});
    input.tokens = placeholders;
    input.embeddings = {&given, 1};
  };
  const StepEmbeddings given{.first_row = 4, .values = rows};
  EXPECT_TRUE(
      same_bits(with_inputs(held, graph, [&](StepInput& input) { give(input, given); }), plain));
  rows[0] += 1;
  EXPECT_FALSE(
      same_bits(with_inputs(held, graph, [&](StepInput& input) { give(input, given); }), plain));
}

TEST(CpuExecutor, PositionsThatAreGivenTurnEachFrequencyByItsComponent) {
  const Held& held = kHeld[0];
  // Frequencies that read height alone, of rows whose height alone is their place.
  Graph by_height = made_up_model();
  Graph turned;
  for (const Weight& weight : by_height.weights()) turned.add_weight(weight);
  for (Rope rope : by_height.ropes()) {
    rope.components.assign(rope.inverse_frequencies.size(), 1);
    turned.add_rope(rope);
  }
  for (const Node& node : by_height.nodes()) turned.append(node);
  for (const Output& output : by_height.outputs()) {
    turned.add_output(output.name, {&turned, output.value});
  }
  const std::vector<float> plain = with_inputs(held, by_height, [](StepInput&) {});
  std::vector<RotaryPosition> own, heights, widths;
  for (int32_t i = 0; i < 12; ++i) {
    own.push_back({i, 77, 78});
    heights.push_back({5, i, 6});
    widths.push_back({5, 6, i});
  }
  const auto with = [&](const Graph& graph, const std::vector<RotaryPosition>& positions) {
    return with_inputs(held, graph, [&](StepInput& input) { input.positions = positions; });
  };
  EXPECT_TRUE(same_bits(with(by_height, own), plain));
  EXPECT_FALSE(same_bits(with(by_height, heights), plain));
  EXPECT_TRUE(same_bits(with(turned, heights), plain));
  EXPECT_FALSE(same_bits(with(turned, widths), plain));
}

TEST(CpuExecutor, AStepThatWasGivenUpLeavesNoTrace) {
  const Held& held = kHeld[2];
  EXPECT_TRUE(same_bits(outputs(options_of(held), held.dtype, true),
                        outputs(options_of(held), held.dtype)));
}

// Logits (when wanted) and hidden state of the last row of a step of 12 rows.
std::vector<float> last_row(const Held& held, const std::vector<int32_t>& wanted, bool logits) {
  auto executor = make_cpu_executor(made_up_model(), MadeUpWeights(held.dtype), options_of(held));
  EXPECT_TRUE(executor) << executor.error().message();
  if (!executor || !(*executor)->reserve_pages(1)) return {};
  std::vector<TokenId> tokens;
  for (int32_t i = 0; i < 12; ++i) tokens.push_back(static_cast<TokenId>(i * 7 % kVocab));
  const std::vector<int32_t> pages{0};
  const StepSequence sequence{.n_rows = 12, .pages = pages};
  (*executor)->step(
      {.tokens = tokens, .sequences = {&sequence, 1}, .output_rows = wanted, .logits = logits});
  const auto last = static_cast<int32_t>(wanted.size()) - 1;
  const auto hidden = (*executor)->hidden_state(last);
  std::vector<float> result(hidden.begin(), hidden.end());
  if (logits) {
    const auto row = (*executor)->logits(last);
    result.insert(result.end(), row.begin(), row.end());
  }
  return result;
}

TEST(CpuExecutor, WhichRowsAreWantedNeverChangesABit) {
  for (const Held& held : kHeld) {
    std::vector<float> alone = last_row(held, {11}, true);
    EXPECT_TRUE(same_bits(last_row(held, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, true), alone));
    alone.resize(kHidden);
    EXPECT_TRUE(same_bits(last_row(held, {11}, false), alone)) << "without logits";
    EXPECT_TRUE(same_bits(last_row(held, {3, 11}, false), alone)) << "without logits";
  }
}

TEST(CpuExecutor, ThreadsAndInstructionSetsNeverChangeABit) {
  for (const Held& held : kHeld) {
    DeviceOptions options = options_of(held);
    const std::vector<float> expected = outputs(options, held.dtype);
    // On AMX sums over keys and values, or weights, of bf16 have an order of their own.
    const bool order_of_amx = held.dtype != DType::kF32;
    options.isa = isa_name(Isa::kGeneric);
    const std::vector<float> generic = outputs(options, held.dtype);
    for (const Isa isa : isas_here()) {
      for (const int threads : {1, 2, 3}) {
        options.isa = isa_name(isa);
        options.threads = threads;
        const bool as_generic = isa < Isa::kAmx || !order_of_amx;
        EXPECT_TRUE(same_bits(outputs(options, held.dtype), as_generic ? generic : expected))
            << isa_name(isa) << ", " << threads << " threads, " << dtype_info(held.dtype).name;
      }
    }
  }
}

TEST(CpuExecutor, QuantizedModelsStayCloseToTheOriginal) {
  const std::vector<float> exact = outputs(options_of(kHeld[0]), DType::kF32);
  const auto error = [&](const Held& held) {
    const std::vector<float> found = outputs(options_of(held), held.dtype);
    double difference = 0;
    double norm = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      difference += std::pow(static_cast<double>(found[i] - exact[i]), 2);
      norm += std::pow(static_cast<double>(exact[i]), 2);
    }
    return std::sqrt(difference / norm);
  };
  // The made-up weights are exact in bf16; only the KV cache is rounded then.
  EXPECT_LT(error(kHeld[2]), 0.02);
  EXPECT_LT(error(kHeld[3]), 0.1);
  // So few columns without any that stand out are the worst for four bits: an error of 8 % in each
  // of the twelve products.
  EXPECT_LT(error(kHeld[4]), 0.5);
}

TEST(CpuExecutor, AnnouncesTheMemoryItTakes) {
  for (const Held& held : kHeld) {
    const MadeUpWeights source(held.dtype);
    const Graph graph = made_up_model();
    const auto memory = cpu_plan(graph, source, options_of(held));
    ASSERT_TRUE(memory) << memory.error().message();
    const auto executor = make_cpu_executor(graph, source, options_of(held));
    ASSERT_TRUE(executor) << executor.error().message();
    const ModelSummary& summary = (*executor)->summary();
    EXPECT_EQ(memory->weight_bytes, summary.weight_bytes);
    EXPECT_EQ(memory->page_bytes, summary.page_bytes);
    EXPECT_EQ((*executor)->limits().page_bytes, summary.page_bytes);
    EXPECT_GT(summary.arena_bytes, 0);
    EXPECT_LT((*executor)->program().plan.arena_bytes, summary.arena_bytes_without_reuse);
  }
}

TEST(CpuExecutor, HoldsATiedTableOnce) {
  const auto memory = [](const Held& held) {
    return cpu_plan(made_up_model(), MadeUpWeights(held.dtype), options_of(held))->weight_bytes;
  };
  // 3 layers of at most 72 * (72 + 48) + 72 * 72 + 3 * 72 * 100 matrix elements, and one table of
  // 50 * 72; vectors, and padding of panels to 16 rows, stay below a tenth. In bf16 columns are
  // padded too, here 72 to 96.
  const int64_t elements = 3 * (72 * 120 + 72 * 72 + 3 * 72 * 100) + kVocab * kHidden;
  EXPECT_LT(memory(kHeld[0]), elements * 4 * 11 / 10);
  EXPECT_LT(memory(kHeld[2]), elements * 2 * 12 / 10 * 96 / 72);
}

TEST(CpuExecutor, RefusesOptionsThatMakeNoSense) {
  const MadeUpWeights source(DType::kF32);
  const auto refusal = [&](DeviceOptions options) {
    const auto executor = make_cpu_executor(made_up_model(), source, options);
    return executor ? std::string() : executor.error().message();
  };
  DeviceOptions options = options_of(kHeld[0]);
  options.max_rows = 0;
  EXPECT_THAT(refusal(options), testing::HasSubstr("at least one row"));
  options = options_of(kHeld[0]);
  options.isa = "sparc";
  EXPECT_THAT(refusal(options), testing::HasSubstr("sparc"));
  EXPECT_THAT(parse_quantize("int6").error().message(),
              testing::HasSubstr("none, int8, int5, int4, int4-g64"));
  EXPECT_THAT(parse_kv_dtype("fp8").error().message(),
              testing::HasSubstr("auto, f32, bf16 or int8"));
}

TEST(CpuExecutor, RefusesHeadsTooWideForAnInt8KvCache) {
  Recording r;
  Graph& g = r.graph;
  const Value x = embedding(g, r.matrix("embed", kVocab, 1024, WeightRole::kEmbedding));
  const Value q = linear(x, r.matrix("q", 1024, 1024));
  attention(q, q, q,
            {.layer = 0, .n_heads = 1, .n_kv_heads = 1, .head_dim = 1024, .scale = 1, .window = 0});
  DeviceOptions options = options_of(kHeld[0]);
  options.kv_dtype = KvDType::kInt8;
  const auto memory = cpu_plan(g, MadeUpWeights(DType::kF32), options);
  ASSERT_FALSE(memory);
  EXPECT_THAT(memory.error().message(), testing::HasSubstr("heads of at most 512, found 1024"));
}

TEST(CpuExecutor, NamesATensorThatTheSourceLacks) {
  Recording r;
  const Value x = embedding(r.graph, r.matrix("absent", 4, 8, WeightRole::kEmbedding));
  const Value y = select_outputs(x);
  r.graph.add_output(kLogitsOutput, y);
  r.graph.add_output(kHiddenOutput, y);
  const auto executor =
      make_cpu_executor(r.graph, MadeUpWeights(DType::kF32), options_of(kHeld[0]));
  ASSERT_FALSE(executor);
  EXPECT_THAT(executor.error().message(), testing::HasSubstr("absent"));
}

// One weight of one tensor is no number, as a flipped bit makes it.
class BrokenWeights : public MadeUpWeights {
 public:
  BrokenWeights(std::string tensor, int64_t row)
      : MadeUpWeights(DType::kF32), tensor_(std::move(tensor)), row_(row) {}

 private:
  void damage(std::string_view tensor, int64_t row, std::span<float> out) const override {
    if (tensor == tensor_ && row >= row_) out.back() = std::numeric_limits<float>::infinity();
  }

  std::string tensor_;
  int64_t row_;
};

TEST(CpuExecutor, NamesTheFirstRowOfAMatrixOrVectorThatIsNoNumber) {
  Recording r;
  Value x = embedding(r.graph, r.matrix("table", kVocab, kHidden, WeightRole::kEmbedding));
  x = rms_norm(x, r.vector("norm", kHidden), 1e-5F);
  x = linear(select_outputs(x), r.matrix("head", kVocab, kHidden));
  r.graph.add_output(kLogitsOutput, x);
  r.graph.add_output(kHiddenOutput, x);
  for (const char* tensor : {"head", "norm"}) {
    const auto executor =
        make_cpu_executor(r.graph, BrokenWeights(tensor, 7), options_of(kHeld[0]));
    ASSERT_FALSE(executor) << tensor;
    EXPECT_THAT(executor.error().message(), testing::HasSubstr(std::string(tensor) + ": row 7"));
  }
  EXPECT_TRUE(make_cpu_executor(r.graph, BrokenWeights("other", 0), options_of(kHeld[0])));
}

TEST(CpuExecutor, ReportsProgressUpToTheEnd) {
  DeviceOptions options = options_of(kHeld[0]);
  std::vector<double> fractions;
  options.progress = [&](double fraction, std::string_view) { fractions.push_back(fraction); };
  ASSERT_TRUE(make_cpu_executor(made_up_model(), MadeUpWeights(DType::kF32), options));
  ASSERT_FALSE(fractions.empty());
  EXPECT_TRUE(std::ranges::is_sorted(fractions));
  EXPECT_GT(fractions.back(), 0.99);
}

TEST(CpuExecutor, KeepsThePoolWithinMemoryThatExists) {
  auto executor =
      make_cpu_executor(made_up_model(), MadeUpWeights(DType::kF32), options_of(kHeld[0]));
  ASSERT_TRUE(executor);
  EXPECT_FALSE((*executor)->reserve_pages(0));
  EXPECT_TRUE((*executor)->reserve_pages(2));
  EXPECT_FALSE((*executor)->reserve_pages(2));  // once
}

}  // namespace
}  // namespace autoglm
