#include "kernels/attention/plan.h"

#include <algorithm>

namespace autoglm {
namespace {

constexpr int64_t kStretch = AttentionPart::kStretch;

int64_t parts_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

}  // namespace

AttentionPlan::AttentionPlan(const AttentionArgs& args, int64_t n_threads)
    : args_(args),
      group_heads_(args.n_heads / args.cache.n_kv_heads),
      heads_(std::min(group_heads_, AttentionPart::kMaxQueries)),
      head_parts_(parts_of(group_heads_, heads_)),
      rows_(std::max<int64_t>(1, AttentionPart::kMaxQueries / heads_)) {
  if (n_threads == 1) return;
  // A thread should meet some four parts, so that none waits long for another. A part of more than
  // twice that size is cut; blocks are then at least a quarter of it, which bounds their number.
  const int64_t alike = args.cache.n_kv_heads * head_parts_;
  int64_t total = 0;
  for (const KvSequence& sequence : args.sequences) {
    const Cut whole = cut(sequence);
    total += alike * whole.row_blocks * (whole.end_stretch - whole.first_stretch);
  }
  const int64_t fair = std::max<int64_t>(1, total / (4 * n_threads));
  int64_t block = 1;
  while (block * AttentionPart::kFanOut <= fair) block *= AttentionPart::kFanOut;
  cut_above_ = 2 * fair;
  block_ = block;
  int64_t nodes = 0;
  bool fits = true;
  for (const KvSequence& sequence : args.sequences) {
    const Cut c = cut(sequence);
    if (c.n_blocks == 1) continue;
    fits = fits && c.n_blocks <= AttentionPart::kMaxNodes;
    nodes += alike * c.n_blocks;
    n_groups_ += alike;
  }
  if (!fits || nodes > kNodesPerThread * n_threads || n_groups_ > kGroupsPerThread * n_threads) {
    block_ = 0;
    n_groups_ = 0;
  }
}

int64_t AttentionPlan::first_stretch(int64_t position) const {
  const int64_t first = args_.window > 0 ? std::max<int64_t>(0, position - args_.window + 1) : 0;
  return first / kStretch;
}

AttentionPlan::Cut AttentionPlan::cut(const KvSequence& sequence) const {
  Cut c{.row_blocks = parts_of(sequence.n_rows, rows_),
        .first_stretch = first_stretch(sequence.start_position),
        .end_stretch = parts_of(sequence.start_position + sequence.n_rows, kStretch)};
  if (block_ == 0 || c.row_blocks != 1 || c.end_stretch - c.first_stretch <= cut_above_) return c;
  c.first_block = c.first_stretch / block_;
  c.n_blocks = parts_of(c.end_stretch, block_) - c.first_block;
  return c;
}

bool AttentionPlan::seek(int64_t index, Work* work) {
  const int64_t alike = args_.cache.n_kv_heads * head_parts_;
  Cut c;
  for (;; ++at_) {
    if (at_ == args_.sequences.size()) return false;
    c = cut(args_.sequences[at_]);
    const int64_t parts = c.row_blocks * c.n_blocks * alike;
    if (index < base_ + parts) break;
    base_ += parts;
    if (c.n_blocks > 1) {
      node_ += alike * c.n_blocks;
      group_ += alike;
    }
  }
  const KvSequence& sequence = args_.sequences[at_];
  const int64_t step = (index - base_) / alike;
  const int64_t group = (index - base_) % alike;
  const int64_t in_group = group % head_parts_ * heads_;
  AttentionPart part{.sequence = &sequence,
                     .kv_head = group / head_parts_,
                     .head = group / head_parts_ * group_heads_ + in_group,
                     .n_heads = std::min(heads_, group_heads_ - in_group),
                     .first_stretch = c.first_stretch,
                     .end_stretch = c.end_stretch};
  if (c.n_blocks > 1) {
    part.n_rows = sequence.n_rows;
    part.first_stretch = std::max(part.first_stretch, (c.first_block + step) * block_);
    part.end_stretch = std::min(part.end_stretch, (c.first_block + step + 1) * block_);
    *work = {.part = part,
             .group = group_ + group,
             .node = node_ + group * c.n_blocks,
             .n_nodes = c.n_blocks,
             .first_block = c.first_block,
             .block = step};
    return true;
  }
  // The last rows see the most keys and go first, so that no thread ends with the longest part.
  part.row = (c.row_blocks - 1 - step) * rows_;
  part.n_rows = std::min(rows_, sequence.n_rows - part.row);
  const int64_t first = sequence.start_position + part.row;
  part.first_stretch = first_stretch(first);
  part.end_stretch = parts_of(first + part.n_rows, kStretch);
  *work = {.part = part};
  return true;
}

}  // namespace autoglm
