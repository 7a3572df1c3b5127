// Rows as codes are chosen for them: turned (tensor/rotation.h), as the kernels multiply them.
#pragma once

#include <span>

namespace autoglm {

void turn_weights(std::span<float> row);  // T w / block
void turn_inputs(std::span<float> row);   // T x

// The mean square of turned inputs, in every column about the same: of all columns, for those of
// inputs that are not turned.
float turned_mean_square(std::span<const float> mean_squares);

}  // namespace autoglm
