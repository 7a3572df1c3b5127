// The choice of the matrices that get 8 bits instead of 4 when the average may lie between.
#pragma once

#include <span>
#include <vector>

#include "autoglm/result.h"
#include "base/thread_pool.h"
#include "train/quantize/folds.h"
#include "train/quantize/targets.h"

namespace autoglm {

// For each group, what 8 bits instead of 4 would take away of the relative squared error of its
// matrices' weights: the measure when there is no text to calibrate on.
Result<std::vector<double>> weight_sensitivity(const Targets& targets, const FoldedWeights& weights,
                                               ThreadPool& pool);

// Gives 8 bits to the groups with the most sensitivity for each byte they cost, as long as the
// average over the layers' matrices stays at most `bits`. Greedy; all groups have 4 bits before.
void raise_bits(Targets& targets, std::span<const double> sensitivity, double bits);

// Bits for each weight of the layers' matrices, with all that is stored for them.
double layer_bits(const Targets& targets);

}  // namespace autoglm
