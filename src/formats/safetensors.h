// The safetensors container: eight bytes of header length, a JSON header, raw tensors. Knows
// nothing of models or of files; the bytes may come from anywhere and are not trusted.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

// The tensors of one file, in the order of their bytes; they point into `file`. Refused: a header
// that is too long for the file or over 100 MB (the limit of the reference implementation), names
// that appear twice, unknown dtypes, a length that differs from shape times dtype, and data that
// overlap or leave bytes unclaimed.
Result<std::vector<StoredTensor>> parse_safetensors(std::span<const std::byte> file,
                                                    std::string_view where);

}  // namespace autoglm
