#include "devices/weight_source.h"

#include "base/check.h"

namespace autoglm {

void SourceTensor::read_stored(RowRange, std::span<std::byte>) const {
  AGLM_CHECK(false, "{} is not stored plainly", where_);
}
void SourceTensor::read_codes(RowRange, std::span<CodeRow>) const {
  AGLM_CHECK(false, "{} has no codes", where_);
}
void SourceTensor::read_int8(RowRange, Int8Rows) const {
  AGLM_CHECK(false, "{} has no int8 codes", where_);
}
void SourceTensor::read_progressive(RowRange, ProgressiveRows) const {
  AGLM_CHECK(false, "{} has no progressive codes", where_);
}

}  // namespace autoglm
