#include "kernels/linear/grouped.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/check.h"
#include "base/node_shares.h"
#include "base/round_up.h"
#include "base/thread_pool.h"
#include "kernels/linear/panel_kernels.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

// Below this much work waking the other threads costs more than it saves.
constexpr int64_t kSerialElements = 16384;

// A group with everything looked up, and where its parts begin in the list of all.
struct Job {
  LinearTask task;
  int64_t rows = 0;
  int64_t block_rows = 0;
  int64_t n_panels = 0;
  int64_t part_panels = 0;
  int64_t first_part = 0;

  int64_t n_blocks() const { return (rows + block_rows - 1) / block_rows; }
  int64_t n_parts() const { return (n_panels + part_panels - 1) / part_panels * n_blocks(); }
};

int64_t room_bytes(int64_t k) { return round_up(k * int64_t{sizeof(float)}, 64); }

// Rows as the products of one group read them.
int64_t group_bytes(Isa isa, WeightFormat format, int64_t rows, int64_t k) {
  if (is_integer(format)) return QuantizedRows::bytes(rows, k);
  if (takes_bf16_rows(isa, format)) return Bf16Rows::bytes(rows, k);
  return rows * room_bytes(k);
}

// Whether each row of x is rounded once, and then copied to the groups that it is in.
bool rounds_once(const GroupedRows& g) {
  return is_integer(g.weight->format()) && g.x_row != nullptr && g.rounds_once;
}

QuantizedRows quantized_at(std::byte* memory, const GroupedRows& g, int64_t rows, int64_t member) {
  QuantizedRows view = QuantizedRows::at(memory, rows, g.weight->k());
  view.rounding = rounding_of(g.weight->format());
  if (!holds_codes(g.weight->format())) view.column_scales = g.weight->column_scales(member);
  return view;
}

class Preparing {
 public:
  Preparing(const Context& context, std::byte* memory, std::byte* rooms)
      : context_(context), memory_(memory), rooms_(rooms) {}

  // The rows of every group, as its products read them; the jobs' tasks are filled in.
  void prepare(const GroupedRows& g, std::span<Job> jobs) {
    const int64_t k = g.weight->k();
    QuantizedRows once;
    if (rounds_once(g)) {
      once = quantized_at(take(QuantizedRows::bytes(g.x_rows, k)), g, g.x_rows, 0);
      quantize_rows(context_, g.x, g.x_stride, once,
                    {rooms_, static_cast<size_t>(quantize_scratch_bytes(context_, k))});
    }
    bool any = false;  // row is left to be made
    for (size_t i = 0; i < jobs.size(); ++i) any = begin(g, g.groups[i], once, jobs[i]) || any;
    if (!any) return;
    const auto work = [&](int index, int64_t first, int64_t end) {
      size_t i = 0;
      while (g.groups[i].first + g.groups[i].n <= first) ++i;
      for (int64_t row = first; row < end; ++row) {
        if (row >= g.groups[i].first + g.groups[i].n) ++i;
        make_row(g, g.groups[i], once, jobs[i].task, row, rooms_ + index * room_bytes(k));
      }
    };
    const int64_t rows = g.rows();
    const int threads = context_.pool.size();
    if (threads == 1 || rows * k <= kSerialElements) return work(0, 0, rows);
    context_.pool.run([&](int index) {
      const int64_t first = rows * index / threads;
      const int64_t end = rows * (index + 1) / threads;
      if (first < end) work(index, first, end);
    });
  }

 private:
  std::byte* take(int64_t bytes) {
    std::byte* taken = memory_;
    memory_ += round_up(bytes, 64);
    return taken;
  }

  static bool is_view(const GroupedRows& g, const RowGroup& group, Isa isa) {
    const WeightFormat format = g.weight->format();
    if (is_integer(format)) return group.n == 1 && rounds_once(g);
    return !takes_bf16_rows(isa, format) && (group.n == 1 || g.x_row == nullptr);
  }

  // Whether the group's rows are to be made, and do not lie ready elsewhere.
  bool begin(const GroupedRows& g, const RowGroup& group, const QuantizedRows& once, Job& job) {
    const Isa isa = context_.isa;
    const WeightFormat format = g.weight->format();
    const int64_t k = g.weight->k();
    LinearTask& task = job.task;
    const int64_t x_row = g.x_row == nullptr ? group.first : g.x_row[group.first];
    const bool view = is_view(g, group, isa);
    if (is_integer(format)) {
      if (view) {
        task.quantized = once.one_row(x_row);
        return false;
      }
      task.quantized =
          quantized_at(take(QuantizedRows::bytes(group.n, k)), g, group.n, group.member);
      task.quantized.tiled = takes_tiled_rows(isa, format, group.n);
    } else if (takes_bf16_rows(isa, format)) {
      task.bf16_rows = take(Bf16Rows::bytes(group.n, k));
    } else if (view) {
      task.x = g.x + x_row * g.x_stride;
      task.x_stride = g.x_stride;
    } else {
      task.x = reinterpret_cast<const float*>(take(group.n * room_bytes(k)));
      task.x_stride = room_bytes(k) / int64_t{sizeof(float)};
    }
    return !view;
  }

  void make_row(const GroupedRows& g, const RowGroup& group, const QuantizedRows& once,
                const LinearTask& task, int64_t row, std::byte* room) const {
    if (is_view(g, group, context_.isa)) return;
    const int64_t k = g.weight->k();
    const int64_t in_group = row - group.first;
    const int64_t x_row = g.x_row == nullptr ? row : g.x_row[row];
    const float* x = g.x + x_row * g.x_stride;
    if (once.values != nullptr) {
      copy_row(once, x_row, task.quantized, in_group);
    } else if (is_integer(g.weight->format())) {
      quantize_row(row_kernels(context_.isa), x, reinterpret_cast<float*>(room), task.quantized,
                   in_group);
    } else if (task.bf16_rows != nullptr) {
      linear_variant(context_.isa)
          .split_rows({.x = x,
                       .x_stride = 0,  // only this row
                       .k = k,
                       .row_begin = in_group,
                       .row_end = in_group + 1,
                       .rows = const_cast<std::byte*>(task.bf16_rows)});
    } else {
      std::copy_n(x, k, const_cast<float*>(task.x) + in_group * task.x_stride);
    }
  }

  const Context& context_;
  std::byte* memory_;
  std::byte* rooms_;
};

// All but the rows of x.
Job job_of(const Context& context, const GroupedRows& g, const RowGroup& group) {
  const PackedWeight& weight = *g.weight;
  const LinearVariant& variant = linear_variant(context.isa);
  const int64_t panels = weight.member_panels();
  const int64_t first_panel = group.member * panels;
  const bool scaled = has_channel_scales(weight.format());
  return {.task = {.format = weight.format(),
                   .panels = weight.panel(first_panel),
                   .panel_bytes = weight.panel_bytes(),
                   .channel_scales =
                       scaled ? weight.channel_scales() + first_panel * PackedWeight::kPanelRows
                              : nullptr,
                   .k = weight.k(),
                   .n_out = weight.n_out(),
                   .y = g.y + group.first * g.y_stride,
                   .y_stride = g.y_stride,
                   .epilogue = g.epilogue},
          .rows = group.n,
          .block_rows = variant.block_rows(weight.format(), weight.k(), group.n),
          .n_panels = panels};
}

// Bytes that each thread needs: to round a row, and for its products.
int64_t thread_bytes(const Context& context, const PackedWeight& weight, int64_t rows) {
  return std::max(room_bytes(weight.k()),
                  thread_scratch_bytes(context.isa, weight.format(), weight.k(), rows));
}

void check(const GroupedRows& g) {
  AGLM_CHECK(g.weight != nullptr && !g.weight->empty() && g.x != nullptr && g.y != nullptr,
             "weight, x and y are needed");
  AGLM_CHECK((g.epilogue == Epilogue::kSwiglu) == (g.weight->order() == PackOrder::kGateUp),
             "the gate and up order of the weight and the epilogue go together");
  int64_t row = 0;
  for (const RowGroup& group : g.groups) {
    AGLM_CHECK(group.first == row && group.n > 0 && group.member >= 0 &&
                   group.member < g.weight->members(),
               "{} rows from {} for member {} of {}", group.n, group.first, group.member,
               g.weight->members());
    row += group.n;
  }
}

}  // namespace

int64_t grouped_scratch_bytes(const Context& context, std::span<const GroupedLimits> limits) {
  int64_t jobs = 0;
  int64_t rows = 0;
  int64_t of_thread = 0;
  for (const GroupedLimits& l : limits) {
    const WeightFormat format = l.weight->format();
    const int64_t k = l.weight->k();
    jobs += l.groups;
    // Each group's rows are rounded up to tiles, and its arrays to cache lines.
    rows += group_bytes(context.isa, format, l.rows, k) +
            l.groups * group_bytes(context.isa, format, 1, k);
    if (is_integer(format) && l.picks_rows) rows += QuantizedRows::bytes(l.x_rows, k);
    of_thread = std::max(of_thread, thread_bytes(context, *l.weight, l.group_rows));
  }
  return round_up(jobs * int64_t{sizeof(Job)}, 64) + rows + context.pool.size() * of_thread;
}

void grouped_linear(const Context& context, std::span<const GroupedRows> all,
                    std::span<std::byte> scratch) {
  int64_t n_jobs = 0;
  int64_t of_thread = 0;
  for (const GroupedRows& g : all) {
    check(g);
    n_jobs += std::ssize(g.groups);
    int64_t most = 0;
    for (const RowGroup& group : g.groups) most = std::max(most, group.n);
    of_thread = std::max(of_thread, thread_bytes(context, *g.weight, most));
  }
  if (n_jobs == 0) return;
  std::array<GroupedLimits, 4> limits;
  AGLM_CHECK(all.size() <= limits.size(), "{} weights at once", all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const GroupedRows& g = all[i];
    int64_t most = 0;
    for (const RowGroup& group : g.groups) most = std::max(most, group.n);
    limits[i] = {g.weight, g.rows(), std::ssize(g.groups), g.x_rows, most, g.x_row != nullptr};
  }
  AGLM_CHECK(static_cast<int64_t>(scratch.size()) >=
                 grouped_scratch_bytes(context, std::span(limits).first(all.size())),
             "scratch of {} bytes for {} groups", scratch.size(), n_jobs);

  auto* const jobs = reinterpret_cast<Job*>(scratch.data());
  std::byte* const threads_memory = scratch.data() + round_up(n_jobs * int64_t{sizeof(Job)}, 64);
  Preparing preparing(context, threads_memory + context.pool.size() * of_thread, threads_memory);
  int64_t n = 0;
  int64_t n_panels = 0;
  for (const GroupedRows& g : all) {
    const int64_t first = n;
    for (const RowGroup& group : g.groups) {
      std::construct_at(jobs + n, job_of(context, g, group));
      n_panels += jobs[n].n_panels * jobs[n].n_blocks();
      ++n;
    }
    if (n > first) preparing.prepare(g, {jobs + first, static_cast<size_t>(n - first)});
  }
  // Parts are about as large as those of one product with as many panels.
  const int64_t most_panels = part_panels(n_panels, context.pool.size());
  int64_t n_parts = 0;
  for (int64_t i = 0; i < n; ++i) {
    jobs[i].part_panels = std::min(most_panels, jobs[i].n_panels);
    jobs[i].first_part = n_parts;
    n_parts += jobs[i].n_parts();
  }
  const LinearVariant& variant = linear_variant(context.isa);
  NodeShares shares(context.pool, n_parts, 1);
  const auto work = [&](int index) {
    std::byte* own = threads_memory + index * of_thread;
    shares.take(index, [&](int64_t part, int64_t) {
      const Job* job = std::upper_bound(jobs, jobs + n, part,
                                        [](int64_t p, const Job& j) { return p < j.first_part; }) -
                       1;
      // All rows against one stretch of panels, then against the next: the panels stay in a cache.
      const int64_t in_job = part - job->first_part;
      const int64_t row = in_job % job->n_blocks() * job->block_rows;
      const int64_t panel = in_job / job->n_blocks() * job->part_panels;
      variant.run(job->task,
                  {.row_begin = row,
                   .row_end = std::min(job->rows, row + job->block_rows),
                   .panel_begin = panel,
                   .panel_end = std::min(job->n_panels, panel + job->part_panels)},
                  own);
    });
  };
  if (n_parts == 1) return work(0);
  context.pool.run(work);
}

}  // namespace autoglm
