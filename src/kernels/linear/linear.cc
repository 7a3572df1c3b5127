#include "kernels/linear/linear.h"

#include <algorithm>

#include "base/check.h"
#include "base/node_shares.h"
#include "base/round_up.h"
#include "base/thread_pool.h"
#include "kernels/linear/panel_kernels.h"

namespace autoglm {
namespace {

void check(const Context& context, const LinearArgs& args) {
  AGLM_CHECK(args.weight != nullptr && !args.weight->empty() && args.y != nullptr,
             "weight and y are needed");
  const PackedWeight& weight = *args.weight;
  AGLM_CHECK(weight.members() == 1, "one product with {} matrices", weight.members());
  const bool integer = is_integer(weight.format());
  AGLM_CHECK(args.x != nullptr || (integer && args.quantized != nullptr),
             "x is needed ({} weights)", weight_format_name(weight.format()));
  AGLM_CHECK((args.epilogue == Epilogue::kSwiglu) == (weight.order() == PackOrder::kGateUp),
             "the gate and up order of the weight and the epilogue go together");
  if (integer && args.quantized != nullptr) {
    AGLM_CHECK(args.quantized->rows >= args.m && args.quantized->k == weight.k(),
               "quantized rows [{}, {}] for a product of [{}, {}]", args.quantized->rows,
               args.quantized->k, args.m, weight.k());
    AGLM_CHECK(args.quantized->rounding == rounding_of(weight.format()) &&
                   (holds_codes(weight.format()) ||
                    args.quantized->column_scales == weight.column_scales()),
               "rows rounded for weights other than {}", weight_format_name(weight.format()));
    AGLM_CHECK(!args.quantized->tiled || takes_tiled_rows(context.isa, weight.format(), args.m),
               "rows in tiles for {} rows of {}", args.m, weight_format_name(weight.format()));
  }
}

void split_rows(const Context& context, const LinearVariant& variant, const LinearArgs& args,
                std::byte* rows) {
  const int64_t k = args.weight->k();
  const auto work = [&](int64_t begin, int64_t end) {
    variant.split_rows({.x = args.x,
                        .x_stride = args.x_stride,
                        .k = k,
                        .row_begin = begin,
                        .row_end = end,
                        .rows = rows});
  };
  // Below this much work waking the other threads costs more than it saves.
  constexpr int64_t kSerialElements = 16384;
  if (args.m * k <= kSerialElements) return work(0, args.m);
  context.pool.parallel_for(args.m, 1, work);
}

}  // namespace

const LinearVariant& linear_variant(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return kLinearGeneric;
    case Isa::kAvx2: return kLinearAvx2;
    case Isa::kAvx512: return kLinearAvx512;
    case Isa::kAmx: return kLinearAmx;
  }
  return kLinearGeneric;
}

int64_t thread_scratch_bytes(Isa isa, WeightFormat format, int64_t k, int64_t m) {
  const LinearVariant& variant = linear_variant(isa);
  return round_up(variant.scratch_bytes(format, k, variant.block_rows(format, k, m)), 64);
}

int64_t half_cache_rows(WeightFormat format, int64_t k, int64_t m) {
  constexpr int64_t kBytes = 192 * 1024;
  // 12 rows are whole tiles of every vector variant (3, 4, 6 and 12 rows).
  constexpr int64_t kStep = 12;
  const int64_t row_bytes = QuantizedRows::padded(k) * (is_integer(format) ? 2 : 4);
  const int64_t rows = kBytes / row_bytes / kStep * kStep;
  return std::min(m, std::clamp(rows, kStep, int64_t{384}));
}

bool takes_tiled_rows(Isa isa, WeightFormat format, int64_t m) {
  return isa == Isa::kAmx && has_channel_scales(format) && m >= kAmxRows;
}

bool takes_bf16_rows(Isa isa, WeightFormat format) {
  return isa == Isa::kAmx && format == WeightFormat::kBF16;
}

LinearTask linear_task(const LinearArgs& args, const QuantizedRows& quantized) {
  const PackedWeight& weight = *args.weight;
  const bool has_up_bias = args.epilogue == Epilogue::kSwiglu && args.bias != nullptr;
  return {
      .format = weight.format(),
      .panels = weight.panel(0),
      .panel_bytes = weight.panel_bytes(),
      .channel_scales = has_channel_scales(weight.format()) ? weight.channel_scales() : nullptr,
      .k = weight.k(),
      .n_out = weight.n_out(),
      .x = args.x,
      .x_stride = args.x_stride,
      .quantized = quantized,
      .bias = args.bias,
      .up_bias = has_up_bias ? args.bias + weight.n_out() : nullptr,
      .residual = args.residual,
      .residual_stride = args.residual_stride,
      .y = args.y,
      .y_stride = args.y_stride,
      .epilogue = args.epilogue,
  };
}

int64_t linear_scratch_bytes(const Context& context, const PackedWeight& weight, int64_t max_rows) {
  int64_t rows = 0;
  if (is_integer(weight.format())) rows = QuantizedRows::bytes(max_rows, weight.k());
  if (takes_bf16_rows(context.isa, weight.format())) rows = Bf16Rows::bytes(max_rows, weight.k());
  const int64_t products = context.pool.size() *
                           thread_scratch_bytes(context.isa, weight.format(), weight.k(), max_rows);
  if (!is_integer(weight.format())) return rows + products;
  return rows + std::max(products, quantize_scratch_bytes(context, weight.k()));
}

void linear(const Context& context, const LinearArgs& args, std::span<std::byte> scratch) {
  check(context, args);
  if (args.m == 0) return;
  const PackedWeight& weight = *args.weight;
  AGLM_CHECK(static_cast<int64_t>(scratch.size()) >= linear_scratch_bytes(context, weight, args.m),
             "scratch of {} bytes for {} rows", scratch.size(), args.m);
  std::byte* thread_scratch = scratch.data();
  QuantizedRows quantized;
  if (is_integer(weight.format())) {
    if (args.quantized != nullptr) {
      quantized = *args.quantized;
    } else {
      quantized = QuantizedRows::at(scratch.data(), args.m, weight.k());
      quantized.rounding = rounding_of(weight.format());
      if (!holds_codes(weight.format())) quantized.column_scales = weight.column_scales();
      quantized.tiled = takes_tiled_rows(context.isa, weight.format(), args.m);
      thread_scratch += QuantizedRows::bytes(args.m, weight.k());
      quantize_rows(context, args.x, args.x_stride, quantized,
                    scratch.subspan(static_cast<size_t>(thread_scratch - scratch.data())));
    }
  }
  LinearTask task = linear_task(args, quantized);
  const LinearVariant& variant = linear_variant(context.isa);
  if (takes_bf16_rows(context.isa, weight.format())) {
    task.bf16_rows = thread_scratch;
    split_rows(context, variant, args, thread_scratch);
    thread_scratch += Bf16Rows::bytes(args.m, weight.k());
  }

  // Parts of the result are handed out as threads come for them, those first whose weights are in
  // the memory near the thread: which thread computes a part never matters.
  const int64_t n_panels = weight.n_panels();
  const int64_t rows = variant.block_rows(weight.format(), weight.k(), args.m);
  const int64_t n_row_blocks = (args.m + rows - 1) / rows;
  const int64_t threads = context.pool.size();
  const int64_t panels = part_panels(n_panels, threads);
  const int64_t n_parts = (n_panels + panels - 1) / panels;
  const int64_t per_thread = thread_scratch_bytes(context.isa, weight.format(), weight.k(), args.m);
  NodeShares shares(context.pool, n_parts, n_row_blocks);
  const auto work = [&](int index) {
    std::byte* own = thread_scratch + index * per_thread;
    shares.take(index, [&](int64_t part, int64_t row_block) {
      const int64_t row = row_block * rows;
      const int64_t panel = part * panels;
      variant.run(task,
                  {.row_begin = row,
                   .row_end = std::min(args.m, row + rows),
                   .panel_begin = panel,
                   .panel_end = std::min(n_panels, panel + panels)},
                  own);
    });
  };
  if (n_row_blocks * n_parts == 1) return work(0);
  context.pool.run(work);
}

}  // namespace autoglm
