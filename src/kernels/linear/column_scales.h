// Scales for the columns of a weight that is rounded with one scale a row: a few channels that are
// far greater in the activations and far smaller in the weights would else lose their weights to
// rounding. What the activations gain through a norm's weight is known without running the model
// (docs/decisions/0170).
#pragma once

#include <span>
#include <vector>

namespace autoglm {

// `weights`: the size of each column of the weight (a root mean square, say); `inputs`: how large
// the column's activations are, up to a common factor, or empty. The result multiplies activations
// and divides weights: with r = weights / inputs and its median, 2^round(log2(r / median) / 2),
// which brings both sides to the middle. Where nothing is
// known of the inputs, small columns are raised to the median all the way: their inputs only get
// smaller. Columns that would be moved by less than a factor of 4 stay: rounding bears them, and
// powers of two coarsen them.
std::vector<float> choose_column_scales(std::span<const float> weights,
                                        std::span<const float> inputs);

}  // namespace autoglm
