#include "train/quantize/matrix_codes.h"

#include <algorithm>

#include "base/check.h"

namespace autoglm {
namespace {

int64_t groups_of(Precision precision, int64_t columns) {
  return CodedMatrix::groups_of(columns, precision.group_size);
}

}  // namespace

MatrixCodes::MatrixCodes(Precision precision, int64_t rows, int64_t columns)
    : precision_(precision), rows_(rows), columns_(columns) {
  const int bits = precision.bits;
  AGLM_CHECK(CodedMatrix::fits(bits, columns), "{} bits for {} columns", bits, columns);
  codes_.resize(static_cast<size_t>(rows * CodedMatrix::row_bytes(bits, columns)));
  channel_scales_.resize(static_cast<size_t>(rows));
  if (bits == 8) return;
  group_scales_.resize(static_cast<size_t>(rows * groups_of(precision, columns)));
  group_offsets_.resize(group_scales_.size());
}

void MatrixCodes::store(int64_t row, const RowCodes& codes) {
  channel_scales_[static_cast<size_t>(row)] = codes.channel_scale;
  std::byte* out = codes_.data() + row * CodedMatrix::row_bytes(precision_.bits, columns_);
  if (precision_.bits == 8) {
    for (size_t i = 0; i < codes.values.size(); ++i)
      out[i] = static_cast<std::byte>(codes.values[i]);
    return;
  }
  const int64_t n_groups = groups_of(precision_, columns_);
  for (int64_t begin = 0; begin < columns_; begin += ProgressiveGroup::kColumns) {
    const ProgressiveGroup& group =
        codes.groups[static_cast<size_t>(begin / ProgressiveGroup::kColumns)];
    const auto at = static_cast<size_t>(row * n_groups + begin / precision_.group_size);
    group_scales_[at] = static_cast<std::byte>(group.scale);
    group_offsets_[at] = static_cast<std::byte>(group.offset);
    const int64_t n = std::min(ProgressiveGroup::kColumns, columns_ - begin);
    // A group begins with a byte.
    uint32_t waiting = 0;
    int n_waiting = 0;
    std::byte* to = out + begin * precision_.bits / 8;
    for (int64_t i = 0; i < n; ++i) {
      waiting |= uint32_t{group.codes[i]} << n_waiting;
      for (n_waiting += precision_.bits; n_waiting >= 8; n_waiting -= 8, waiting >>= 8) {
        *to++ = static_cast<std::byte>(waiting & 0xff);
      }
    }
    if (n_waiting > 0) *to = static_cast<std::byte>(waiting);
  }
}

RowCodes MatrixCodes::row(int64_t row) const {
  const CodedMatrix matrix = view();
  RowCodes out{.channel_scale = matrix.channel_scale(row)};
  if (precision_.bits == 8) {
    out.values.resize(static_cast<size_t>(columns_));
    for (int64_t i = 0; i < columns_; ++i)
      out.values[static_cast<size_t>(i)] = matrix.whole(row, i);
    return out;
  }
  for (int64_t begin = 0; begin < columns_; begin += ProgressiveGroup::kColumns) {
    const int64_t g = begin / precision_.group_size;
    ProgressiveGroup& group = out.groups.emplace_back();
    group = {.scale = matrix.scale(row, g), .offset = matrix.offset(row, g)};
    const int64_t n = std::min(ProgressiveGroup::kColumns, columns_ - begin);
    for (int64_t i = 0; i < n; ++i) group.codes[i] = matrix.code(row, begin + i);
  }
  return out;
}

CodedMatrix MatrixCodes::view() const {
  return {.bits = precision_.bits,
          .group_size = precision_.bits == 8 ? 32 : precision_.group_size,
          .columns = columns_,
          .codes = codes_,
          .group_scales = group_scales_,
          .group_offsets = group_offsets_,
          .channel_scales = std::as_bytes(std::span(channel_scales_))};
}

Result<PackedWeight> MatrixCodes::pack(int64_t begin, int64_t end, ThreadPool& pool) const {
  const WeightFormat format =
      precision_.bits == 8 ? WeightFormat::kInt8 : progressive_format(precision_.form());
  PackedWeight packed = AGLM_TRY(PackedWeight::allocate(format, end - begin, columns_));
  pool.parallel_for(packed.n_panels(), 1, [&](int64_t first, int64_t last) {
    if (precision_.bits == 8) {
      packed.pack_codes(first, last, row_by_row([&](int64_t i, std::span<int8_t> out) {
                          const RowCodes codes = row(begin + i);
                          std::ranges::copy(codes.values, out.begin());
                          return codes.channel_scale;
                        }));
    } else {
      packed.pack_codes(first, last, row_by_row([&](int64_t i, std::span<ProgressiveGroup> out) {
                          const RowCodes codes = row(begin + i);
                          std::ranges::copy(codes.groups, out.begin());
                          return codes.channel_scale;
                        }));
    }
  });
  return packed;
}

std::vector<TensorPlan> MatrixCodes::plans(const std::string& name, Precision precision,
                                           int64_t rows, int64_t columns) {
  using namespace coded_suffix;
  const auto named = [&](std::string_view suffix) { return name + std::string(suffix); };
  std::vector<TensorPlan> plans;
  if (precision.bits == 8) {
    plans.push_back({.name = named(kCodes), .dtype = DType::kI8, .shape = {rows, columns}});
  } else {
    const int64_t groups = groups_of(precision, columns);
    const int64_t bytes = CodedMatrix::row_bytes(precision.bits, columns);
    plans.push_back({.name = named(kCodes), .dtype = DType::kU8, .shape = {rows, bytes}});
    plans.push_back({.name = named(kGroupScales), .dtype = DType::kU8, .shape = {rows, groups}});
    plans.push_back({.name = named(kGroupOffsets), .dtype = DType::kI8, .shape = {rows, groups}});
  }
  plans.push_back({.name = named(kChannelScales), .dtype = DType::kF32, .shape = {rows}});
  return plans;
}

Result<void> MatrixCodes::append_to(TensorFile& file) const {
  AGLM_TRY(file.append(codes_));
  AGLM_TRY(file.append(group_scales_));
  AGLM_TRY(file.append(group_offsets_));
  return file.append(std::as_bytes(std::span(channel_scales_)));
}

int64_t MatrixCodes::stored_bytes(Precision precision, int64_t rows, int64_t columns) {
  int64_t bytes = 0;
  for (const TensorPlan& plan : plans("", precision, rows, columns)) {
    bytes += static_cast<int64_t>(plan.bytes());
  }
  return bytes;
}

}  // namespace autoglm
