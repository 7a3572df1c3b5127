// How the attention of a step is cut into parts for threads. What a part is never changes a result
// (fold.h), so the cut may look at everything: how many threads there are, and how long the
// sequences.
#pragma once

#include <cstdint>

#include "kernels/attention/variants.h"

namespace autoglm {

// Walks the parts of a step, numbered sequence by sequence; forward only, so that finding the next
// part of a thread takes no table. Sequences with so few rows that these make one part for each key
// and value head may be cut into blocks of stretches too, where the threads would otherwise lack
// work or wait for the longest.
class AttentionPlan {
 public:
  // Nodes and groups that cut sequences may have together, for each thread.
  static constexpr int64_t kNodesPerThread = 32;
  static constexpr int64_t kGroupsPerThread = 8;

  AttentionPlan(const AttentionArgs& args, int64_t n_threads);

  struct Work {
    AttentionPart part;
    // Where the part is one of several blocks of stretches: they are nodes [node, node + n_nodes)
    // of the step, this one being block `first_block` + `block`, and make up group `group`.
    int64_t group = -1;
    int64_t node = 0;
    int64_t n_nodes = 1;
    int64_t first_block = 0;
    int64_t block = 0;
  };

  // Part `index`, not less than before; false past the last.
  bool seek(int64_t index, Work* work);

  int64_t n_groups() const { return n_groups_; }

 private:
  // How one sequence is cut.
  struct Cut {
    int64_t row_blocks = 0;
    int64_t first_stretch = 0;
    int64_t end_stretch = 0;
    int64_t first_block = 0;
    int64_t n_blocks = 1;  // of stretches
  };
  Cut cut(const KvSequence& sequence) const;
  int64_t first_stretch(int64_t position) const;

  const AttentionArgs& args_;
  const int64_t group_heads_;  // heads of one key and value head
  const int64_t heads_;        // of one part
  const int64_t head_parts_;   // of one group of heads
  const int64_t rows_;         // of one part
  int64_t block_ = 0;          // stretches of a block, a power of the fold's fan-out; 0: no cuts
  int64_t cut_above_ = 0;      // stretches of a part that is cut
  int64_t n_groups_ = 0;

  size_t at_ = 0;      // the sequence that holds the part last sought
  int64_t base_ = 0;   // its first part
  int64_t node_ = 0;   // its first node
  int64_t group_ = 0;  // its first group
};

}  // namespace autoglm
