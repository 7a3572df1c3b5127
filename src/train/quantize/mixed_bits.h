// The choice of every matrix's precision when the average of all may lie between what two give.
#pragma once

#include <span>
#include <vector>

#include "autoglm/result.h"
#include "base/thread_pool.h"
#include "train/quantize/folds.h"
#include "train/quantize/precision.h"
#include "train/quantize/targets.h"

namespace autoglm {

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
