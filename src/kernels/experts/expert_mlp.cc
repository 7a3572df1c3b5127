#include "kernels/experts/expert_mlp.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/round_up.h"
#include "base/thread_pool.h"
#include "kernels/linear/grouped.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr int64_t kSerialElements = 16384;  // below it, waking the other threads costs more

// Hands out scratch piece by piece; with none it only counts.
struct Pieces {
  std::byte* memory = nullptr;
  int64_t used = 0;

  template <class T>
  T* take(int64_t n) {
    T* taken = memory == nullptr ? nullptr : reinterpret_cast<T*>(memory + used);
    used += round_up(n * int64_t{sizeof(T)}, 64);
    return taken;
  }
};

// The routed rows, one for each choice, sorted by expert; the shared ones, one for each row.
struct Buffers {
  int64_t* next = nullptr;        // [experts]: where an expert's next row goes
  RowGroup* groups = nullptr;     // [experts]
  RowGroup* all = nullptr;        // [1]
  int32_t* row_of = nullptr;      // [routed]: the row of x that it is
  int32_t* place_of = nullptr;    // [rows, chosen]: where a choice lies among the routed
  float* inner = nullptr;         // [routed, inner]
  float* outer = nullptr;         // [routed, columns]
  float* shared_inner = nullptr;  // [rows, shared inner]
  float* shared_outer = nullptr;  // [rows, columns]
};

Buffers lay_out(Pieces& pieces, const ExpertMlpArgs& a, int64_t rows) {
  const int64_t routed = rows * a.chosen;
  Buffers b{.next = pieces.take<int64_t>(a.gate_up->members()),
            .groups = pieces.take<RowGroup>(a.gate_up->members()),
            .all = pieces.take<RowGroup>(1),
            .row_of = pieces.take<int32_t>(routed),
            .place_of = pieces.take<int32_t>(routed),
            .inner = pieces.take<float>(routed * a.down->k()),
            .outer = pieces.take<float>(routed * a.down->n_out())};
  if (a.shared_gate_up != nullptr) {
    b.shared_inner = pieces.take<float>(rows * a.shared_down->k());
    b.shared_outer = pieces.take<float>(rows * a.shared_down->n_out());
  }
  return b;
}

// Sorts the choices of all rows by expert; returns the number of experts that somebody chose.
int64_t sort_by_expert(const ExpertMlpArgs& a, const Buffers& b) {
  const int64_t experts = a.gate_up->members();
  const auto expert_of = [&](int64_t row, int64_t choice) {
    const auto expert = static_cast<int64_t>(a.routes[row * a.routes_stride + choice]);
    AGLM_DCHECK(expert >= 0 && expert < experts, "expert {} of {}", expert, experts);
    return expert;
  };
  std::fill_n(b.next, experts, int64_t{0});
  for (int64_t row = 0; row < a.rows; ++row) {
    for (int64_t j = 0; j < a.chosen; ++j) ++b.next[expert_of(row, j)];
  }
  int64_t n_groups = 0;
  int64_t first = 0;
  for (int64_t e = 0; e < experts; ++e) {
    const int64_t n = b.next[e];
    if (n > 0) b.groups[n_groups++] = {.member = e, .first = first, .n = n};
    b.next[e] = first;
    first += n;
  }
  for (int64_t row = 0; row < a.rows; ++row) {
    for (int64_t j = 0; j < a.chosen; ++j) {
      const int64_t place = b.next[expert_of(row, j)]++;
      b.row_of[place] = static_cast<int32_t>(row);
      b.place_of[row * a.chosen + j] = static_cast<int32_t>(place);
    }
  }
  return n_groups;
}

void combine_row(const RowKernels& kernels, const ExpertMlpArgs& a, const Buffers& b, int64_t row,
                 float* sum) {
  const int64_t n = a.down->n_out();
  const float* weights = a.routes + row * a.routes_stride + a.chosen;
  const int32_t* places = b.place_of + row * a.chosen;
  kernels.scale(b.outer + places[0] * n, weights[0], sum, n);
  for (int64_t j = 1; j < a.chosen; ++j) {
    kernels.add_scaled(b.outer + places[j] * n, weights[j], sum, n);
  }
  if (b.shared_outer != nullptr) {
    const float* shared = b.shared_outer + row * n;
    if (a.shared_gate) {
      kernels.add_scaled(shared, weights[a.chosen], sum, n);
    } else {
      kernels.add(sum, shared, sum, n);
    }
  }
  float* y = a.y + row * a.y_stride;
  if (a.residual == nullptr) {
    std::copy_n(sum, n, y);
  } else {
    kernels.add(sum, a.residual + row * a.residual_stride, y, n);
  }
}

// The two weights of a stage, routed and shared.
struct StageLimits {
  std::array<GroupedLimits, 2> of;
  size_t n = 1;
  std::span<const GroupedLimits> span() const { return std::span(of).first(n); }
};

StageLimits limits_of(const PackedWeight* routed, const PackedWeight* shared,
                      const ExpertMlpArgs& a, int64_t rows, bool picks_rows) {
  const int64_t n = rows * a.chosen;
  StageLimits limits;
  // A row is never twice with one expert.
  limits.of[0] = {.weight = routed,
                  .rows = n,
                  .groups = std::min(n, routed->members()),
                  .x_rows = picks_rows ? rows : n,
                  .group_rows = rows,
                  .picks_rows = picks_rows};
  if (shared == nullptr) return limits;
  limits.of[1] = {.weight = shared, .rows = rows, .groups = 1, .x_rows = rows, .group_rows = rows};
  limits.n = 2;
  return limits;
}

}  // namespace

int64_t expert_mlp_scratch_bytes(const Context& context, const ExpertMlpArgs& args,
                                 int64_t max_rows) {
  Pieces pieces;
  lay_out(pieces, args, max_rows);
  const auto of_stage = [&](const PackedWeight* routed, const PackedWeight* shared, bool picks) {
    return grouped_scratch_bytes(context, limits_of(routed, shared, args, max_rows, picks).span());
  };
  const int64_t sums = context.pool.size() * round_up(args.down->n_out() * 4, 64);
  return pieces.used + std::max({sums, of_stage(args.gate_up, args.shared_gate_up, true),
                                 of_stage(args.down, args.shared_down, false)});
}

void expert_mlp(const Context& context, const ExpertMlpArgs& args, std::span<std::byte> scratch) {
  if (args.rows == 0) return;
  AGLM_CHECK(
      static_cast<int64_t>(scratch.size()) >= expert_mlp_scratch_bytes(context, args, args.rows),
      "scratch of {} bytes for {} rows", scratch.size(), args.rows);
  Pieces pieces{.memory = scratch.data()};
  const Buffers b = lay_out(pieces, args, args.rows);
  const std::span<std::byte> rest = scratch.subspan(static_cast<size_t>(pieces.used));
  const bool shared = args.shared_gate_up != nullptr;
  const std::span<const RowGroup> routed(b.groups, static_cast<size_t>(sort_by_expert(args, b)));
  *b.all = {.member = 0, .first = 0, .n = args.rows};
  const std::span<const RowGroup> all(b.all, shared ? 1 : 0);
  const int64_t n_routed = args.rows * args.chosen;

  // The shared rows first: theirs is the longest part of the list when rows are many.
  const auto stage = [&](const GroupedRows& of_routed, const GroupedRows& of_shared) {
    const std::array<GroupedRows, 2> both{of_shared, of_routed};
    grouped_linear(context, shared ? std::span(both) : std::span(both).subspan(1), rest);
  };
  stage({.weight = args.gate_up,
         .epilogue = Epilogue::kSwiglu,
         .groups = routed,
         .x = args.x,
         .x_stride = args.x_stride,
         .x_rows = args.rows,
         .x_row = b.row_of,
         .rounds_once = args.rounds_once,
         .y = b.inner,
         .y_stride = args.down->k()},
        {.weight = args.shared_gate_up,
         .epilogue = Epilogue::kSwiglu,
         .groups = all,
         .x = args.x,
         .x_stride = args.x_stride,
         .x_rows = args.rows,
         .y = b.shared_inner,
         .y_stride = shared ? args.shared_down->k() : 0});
  stage({.weight = args.down,
         .groups = routed,
         .x = b.inner,
         .x_stride = args.down->k(),
         .x_rows = n_routed,
         .y = b.outer,
         .y_stride = args.down->n_out()},
        {.weight = args.shared_down,
         .groups = all,
         .x = b.shared_inner,
         .x_stride = shared ? args.shared_down->k() : 0,
         .x_rows = args.rows,
         .y = b.shared_outer,
         .y_stride = args.down->n_out()});

  const RowKernels& kernels = row_kernels(context.isa);
  const int64_t sum_bytes = round_up(args.down->n_out() * 4, 64);
  const int threads = n_routed * args.down->n_out() <= kSerialElements ? 1 : context.pool.size();
  const auto work = [&](int index) {
    auto* sum = reinterpret_cast<float*>(rest.data() + index * sum_bytes);
    const int64_t end = args.rows * (index + 1) / threads;
    for (int64_t row = args.rows * index / threads; row < end; ++row) {
      combine_row(kernels, args, b, row, sum);
    }
  };
  if (threads == 1) return work(0);
  context.pool.run(work);
}

}  // namespace autoglm
