// The choice of every matrix's precision: one for all, or several for an average between.
#pragma once

#include <span>
#include <vector>

#include "autoglm/result.h"
#include "base/thread_pool.h"
#include "train/quantize/folds.h"
#include "train/quantize/precision.h"
#include "train/quantize/targets.h"

namespace autoglm {

// The precisions that `bits` (2 to 5 and 8: of the codes of all layers; else an average over what
// is stored of them) and `group_size` (0: any that there are) allow, one or a mixture's. An average
// begins with the most bits a code that all layers can have within it. Errors: a group size that
// there is not, or not with these bits; an average that the layers cannot have, because of the
// scales of their rows too.
Result<Ladder> ladder_for(const Targets& targets, double bits, int64_t group_size);

// What a group of matrices loses at each rung of a ladder: the relative squared error of its
// products, or of its weights where no text tells.
using RungErrors = std::vector<double>;

// For each group, of its weights: the measure when there is no text to calibrate on.
Result<std::vector<RungErrors>> weight_errors(const Targets& targets, const FoldedWeights& weights,
                                              const Ladder& ladder, ThreadPool& pool);

// Gives all groups the cheapest precision, then better ones where they take away most error for
// each byte they cost, as long as the average over the layers' matrices stays at most `bits`.
// Greedy.
void raise_bits(Targets& targets, const Ladder& ladder, std::span<const RungErrors> errors,
                double bits);

// Bits for each weight of the layers' matrices, with all that is stored for them.
double layer_bits(const Targets& targets);

}  // namespace autoglm
