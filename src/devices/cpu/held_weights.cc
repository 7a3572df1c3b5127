#include "devices/cpu/held_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"
#include "devices/cpu/weight_parts.h"
#include "kernels/linear/column_scales.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

// Rows in another type than they are stored in: block formats, and tables that a quantizer made of
// several tensors.
void round_rows(std::span<const float> rows, DType dtype, std::byte* out) {
  if (dtype == DType::kF32) {
    std::memcpy(out, rows.data(), rows.size_bytes());
    return;
  }
  const bool is_f16 = dtype == DType::kF16;
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint16_t half = is_f16 ? f32_to_f16(rows[i]) : f32_to_bf16(rows[i]);
    std::memcpy(out + 2 * i, &half, sizeof half);
  }
}

Result<HeldWeight> hold_rows(const Weight& weight, const WeightPlan& plan, const WeightParts& parts,
                             ThreadPool& pool) {
  HeldWeight held{.dtype = dtype_of(plan.format)};
  held.data = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(plan.bytes)));
  const int64_t row_bytes = weight.columns * dtype_info(held.dtype).block_bytes;
  constexpr int64_t kAtOnce = 16;
  pool.parallel_for(weight.rows, 64, [&](int64_t begin, int64_t end) {
    std::vector<float> values;
    for (int64_t i = begin; i < end; i += kAtOnce) {
      const RowRange rows{i, std::min(kAtOnce, end - i)};
      std::byte* out = held.data.data() + i * row_bytes;
      if (parts.read_stored(rows, held.dtype, {out, static_cast<size_t>(rows.n * row_bytes)})) {
        continue;
      }
      values.resize(static_cast<size_t>(rows.n * weight.columns));
      parts.read_rows(rows, values);
      round_rows(values, held.dtype, out);
    }
  });
  return held;
}

// A vector's elements.
Result<std::vector<float>> vector_of(const Weight& weight, const WeightSource& source) {
  const WeightParts parts = AGLM_TRY(WeightParts::open(weight, source));
  std::vector<float> values(static_cast<size_t>(weight.rows));
  parts.read_rows({0, weight.rows}, values);
  return values;
}

// The size of each column of `all` rows, from so many of them that its order of magnitude is sure.
std::vector<float> column_sizes(const WeightParts& parts, const Weight& weight, RowRange all,
                                ThreadPool& pool) {
  constexpr int64_t kSampleRows = 256;
  const int64_t n = std::min(kSampleRows, all.n);
  const auto columns = static_cast<size_t>(weight.columns);
  std::vector<float> rows(static_cast<size_t>(n) * columns);
  pool.parallel_for(n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      parts.read_rows({all.begin + i * all.n / n, 1},
                      std::span(rows).subspan(static_cast<size_t>(i) * columns, columns));
    }
  });
  std::vector<float> sizes(columns);
  for (size_t i = 0; i < rows.size(); ++i) sizes[i % columns] += rows[i] * rows[i];
  for (float& size : sizes) size = std::sqrt(size);
  return sizes;
}

// Matrices that multiply the same rows get the same scales, so that a row is rounded once for all
// of them; those of rows of their own get their own.
void scale_columns(const WeightParts& parts, const Weight& weight, const WeightPlan& plan,
                   std::span<const float> inputs, ThreadPool& pool, PackedWeight& packed) {
  const bool same_rows = plan.order == PackOrder::kGateUp;
  const int64_t rows = same_rows ? weight.rows : weight.member_rows();
  std::vector<float> scales;
  for (int64_t member = 0; member < weight.members; ++member) {
    if (member == 0 || !same_rows) {
      scales = choose_column_scales(
          column_sizes(parts, weight, {member * weight.member_rows(), rows}, pool), inputs);
    }
    packed.set_column_scales(scales, member);
  }
}

// The codes of the file, checked, in place.
Result<void> pack_stored_codes(const WeightParts& parts, ThreadPool& pool, PackedWeight& packed) {
  FirstBrokenRow broken;
  const Progressive form = progressive_form(packed.format());
  const auto check = [&](int64_t row, float scale, bool codes_are_sound) {
    if (!std::isfinite(scale) || !codes_are_sound) broken.note(row);
  };
  const auto progressive = [&](RowRange rows, ProgressiveRows out) {
    parts.read_progressive(rows, out);
    const size_t n = out.groups.size() / out.scales.size();
    for (size_t i = 0; i < out.scales.size(); ++i) {
      check(rows.begin + static_cast<int64_t>(i), out.scales[i],
            std::ranges::all_of(out.groups.subspan(i * n, n), [&](const ProgressiveGroup& group) {
              return is_expandable(group, form.bits);
            }));
    }
  };
  const auto int8 = [&](RowRange rows, Int8Rows out) {
    parts.read_int8(rows, out);
    const size_t n = out.codes.size() / out.scales.size();
    for (size_t i = 0; i < out.scales.size(); ++i) {
      check(rows.begin + static_cast<int64_t>(i), out.scales[i],
            std::ranges::count(out.codes.subspan(i * n, n), int8_t{-128}) == 0);
    }
  };
  pool.parallel_for(packed.n_panels(), 1, [&](int64_t begin, int64_t end) {
    if (form.exists()) return packed.pack_codes(begin, end, progressive);
    packed.pack_codes(begin, end, int8);
  });
  if (broken.row() >= 0) return parts.not_expandable(broken.row());
  return {};
}

// The bytes of `view`, each panel copied by the thread that linear() gives it to: so it comes to
// lie in the memory near that thread.
Result<std::shared_ptr<AlignedBuffer>> copy_near(const PackedWeight& view, ThreadPool& pool) {
  const std::span<const std::byte> from = view.stored();
  auto copy = std::make_shared<AlignedBuffer>(AGLM_TRY(AlignedBuffer::allocate(from.size())));
  pool.parallel_for(view.n_panels(), 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * view.panel_bytes();
    // After the last panel stand the channel scales.
    const int64_t last = end == view.n_panels() ? std::ssize(from) : end * view.panel_bytes();
    std::memcpy(copy->data() + first, from.data() + first, static_cast<size_t>(last - first));
  });
  return copy;
}

// What was held before, where it lies; matrices are copied where some memory is nearer than other,
// since a mapped file's pages lie wherever they were first read. Its numbers are taken as they are,
// but for the few that reach every answer.
Result<HeldWeight> hold_as_before(const Weight& weight, const WeightPlan& plan, HeldTensor before,
                                  ThreadPool& pool) {
  HeldWeight held{.dtype = dtype_of(plan.format), .memory = std::move(before.memory)};
  FirstBrokenRow broken;
  const auto look = [&](const float* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) broken.look(i, {values + i, 1});
  };
  if (plan.form == WeightPlan::Form::kPacked) {
    held.packed =
        AGLM_TRY(PackedWeight::view_of(plan.format, pack_shape(weight, plan.order), before.bytes));
    if (pool.n_nodes() > 1) {
      const std::shared_ptr<AlignedBuffer> copy = AGLM_TRY(copy_near(held.packed, pool));
      held.packed = AGLM_TRY(PackedWeight::view_of(plan.format, pack_shape(weight, plan.order),
                                                   {copy->data(), copy->size()}));
      held.memory = copy;
    }
    if (has_channel_scales(plan.format)) {
      look(held.packed.channel_scales(), held.packed.n_panels() * PackedWeight::kPanelRows);
      look(held.packed.column_scales(), held.packed.members() * held.packed.k());
    }
  } else {
    held.data = AlignedBuffer::view_of(before.bytes);
    if (plan.form == WeightPlan::Form::kVector) look(held.data.as<float>(), weight.rows);
  }
  if (broken.row() >= 0) {
    return Error{ErrorCode::kCorrupt, "packed weight is not a number",
                 fmt::format("{}: row {}", weight.name(), broken.row()), "finite numbers",
                 "NaN or infinity"};
  }
  return held;
}

}  // namespace

Result<HeldWeight> hold_weight(const Graph& graph, size_t index, const WeightPlan& plan,
                               const WeightSource& source, ThreadPool& pool) {
  const Weight& weight = graph.weights()[index];
  if (auto before = source.held(weight_key(weight))) {
    return hold_as_before(weight, plan, *std::move(before), pool);
  }
  const WeightParts parts = AGLM_TRY(WeightParts::open(weight, source));
  HeldWeight held;
  FirstBrokenRow broken;
  if (plan.form == WeightPlan::Form::kRows) {
    held = AGLM_TRY(hold_rows(weight, plan, parts, pool));
  } else if (plan.form == WeightPlan::Form::kVector) {
    held.data = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(plan.bytes)));
    const RowRange all{0, weight.rows};
    const std::span<float> values(held.data.as<float>(), static_cast<size_t>(weight.rows));
    parts.read_rows(all, values);
    broken.look(all, values);
  } else {
    held.packed = AGLM_TRY(PackedWeight::allocate(plan.format, pack_shape(weight, plan.order)));
    if (parts.has_codes_for(plan.format)) {
      AGLM_TRY(pack_stored_codes(parts, pool, held.packed));
      parts.release();
      return held;
    }
    if (has_channel_scales(plan.format)) {
      const Weight* norm =
          plan.input_norm == WeightId::kNone ? nullptr : &graph.weight(plan.input_norm);
      const std::vector<float> inputs =
          norm == nullptr ? std::vector<float>{} : AGLM_TRY(vector_of(*norm, source));
      scale_columns(parts, weight, plan, inputs, pool, held.packed);
    }
    pool.parallel_for(held.packed.n_panels(), 1, [&](int64_t begin, int64_t end) {
      if (holds_codes(plan.format)) {
        return held.packed.pack_codes(begin, end, [&](RowRange rows, std::span<CodeRow> out) {
          parts.read_codes(rows, out);
          for (int64_t i = 0; i < rows.n; ++i) {
            broken.look(rows.begin + i, out[static_cast<size_t>(i)].scales);
            broken.look(rows.begin + i, out[static_cast<size_t>(i)].minima);
          }
        });
      }
      held.packed.pack_panels(begin, end, [&](RowRange rows, std::span<float> out) {
        parts.read_rows(rows, out);
        broken.look(rows, out);
      });
    });
  }
  if (broken.row() >= 0) return parts.not_finite(broken.row());
  parts.release();
  return held;
}

Result<std::vector<HeldWeight>> load_weights(const Graph& graph,
                                             const std::vector<WeightPlan>& plans,
                                             const WeightSource& source, ThreadPool& pool,
                                             const DeviceOptions& options) {
  int64_t total = 0;
  for (const WeightPlan& plan : plans) total += plan.bytes;
  std::vector<HeldWeight> held(plans.size());
  int64_t done = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].form == WeightPlan::Form::kUnused) continue;
    held[i] = AGLM_TRY(hold_weight(graph, i, plans[i], source, pool));
    done += plans[i].bytes;
    if (options.progress) {
      options.progress(static_cast<double>(done) / static_cast<double>(total), "loading weights");
    }
  }
  return held;
}

}  // namespace autoglm
