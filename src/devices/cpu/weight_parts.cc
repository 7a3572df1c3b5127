#include "devices/cpu/weight_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "devices/cpu/plan_weights.h"

namespace autoglm {
namespace {

// The elements of rows [first, first + n) among `all`, which has `of` rows.
template <class T>
std::span<T> rows_of(std::span<T> all, int64_t of, int64_t first, int64_t n) {
  const size_t row = all.size() / static_cast<size_t>(of);
  return all.subspan(static_cast<size_t>(first) * row, static_cast<size_t>(n) * row);
}

void expand(std::span<const ProgressiveGroup> groups, int bits, std::span<int8_t> codes) {
  for (size_t i = 0; i < codes.size(); ++i) {
    const ProgressiveGroup& group = groups[i / 32];
    const int bracket = group.scale * group.codes[i % 32] + group.offset;
    codes[i] = static_cast<int8_t>(is_expandable(group, bits) ? bracket : -128);
  }
}

}  // namespace

Result<WeightParts> WeightParts::open(const Weight& weight, const WeightSource& source) {
  WeightParts parts(weight.rows);
  int64_t begin = 0;
  for (const WeightPart& part : weight.parts) {
    auto tensor = AGLM_TRY(source.open(part.tensor));
    parts.parts_.push_back({begin, part.first_row, std::move(tensor)});
    begin += part.rows;
  }
  return parts;
}

template <class Read>
void WeightParts::for_parts(RowRange rows, const Read& read) const {
  const int64_t end = rows.begin + rows.n;
  AGLM_CHECK(rows.begin >= 0 && rows.n > 0 && end <= rows_, "rows [{}, {}) of {}", rows.begin, end,
             rows_);
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const int64_t part_end = i + 1 < parts_.size() ? parts_[i + 1].begin : rows_;
    const int64_t first = std::max(rows.begin, part.begin);
    const int64_t n = std::min(end, part_end) - first;
    if (n <= 0) continue;
    read(*part.tensor, RowRange{first - part.begin + part.first_row, n}, first - rows.begin);
  }
}

void WeightParts::read_rows(RowRange rows, std::span<float> out) const {
  for_parts(rows, [&](const SourceTensor& tensor, RowRange its, int64_t at) {
    tensor.read_rows(its, rows_of(out, rows.n, at, its.n));
  });
}

void WeightParts::read_codes(RowRange rows, std::span<CodeRow> out) const {
  for_parts(rows, [&](const SourceTensor& tensor, RowRange its, int64_t at) {
    tensor.read_codes(its, rows_of(out, rows.n, at, its.n));
  });
}

void WeightParts::read_progressive(RowRange rows, ProgressiveRows out) const {
  for_parts(rows, [&](const SourceTensor& tensor, RowRange its, int64_t at) {
    tensor.read_progressive(
        its, {rows_of(out.groups, rows.n, at, its.n), rows_of(out.scales, rows.n, at, its.n)});
  });
}

void WeightParts::read_int8(RowRange rows, Int8Rows out) const {
  for_parts(rows, [&](const SourceTensor& tensor, RowRange its, int64_t at) {
    const Int8Rows wanted{rows_of(out.codes, rows.n, at, its.n),
                          rows_of(out.scales, rows.n, at, its.n)};
    if (tensor.form().int8) return tensor.read_int8(its, wanted);
    const size_t columns = wanted.codes.size() / wanted.scales.size();
    const size_t n_groups = (columns + 31) / 32;
    std::vector<ProgressiveGroup> groups(wanted.scales.size() * n_groups);
    tensor.read_progressive(its, {groups, wanted.scales});
    for (size_t i = 0; i < wanted.scales.size(); ++i) {
      expand(std::span(groups).subspan(i * n_groups, n_groups), tensor.form().progressive.bits,
             wanted.codes.subspan(i * columns, columns));
    }
  });
}

bool WeightParts::read_stored(RowRange rows, DType dtype, std::span<std::byte> out) const {
  bool all = true;
  for_parts(rows, [&](const SourceTensor& tensor, RowRange its, int64_t at) {
    all = all && tensor.form().plain && tensor.form().dtype == dtype;
    if (all) tensor.read_stored(its, rows_of(out, rows.n, at, its.n));
  });
  return all;
}

bool WeightParts::has_codes_for(WeightFormat format) const {
  const Progressive wanted = progressive_form(format);
  return std::ranges::all_of(parts_, [&](const Part& part) {
    const StoredForm& stored = part.tensor->form();
    if (!wanted.exists()) return format == WeightFormat::kInt8 && is_integer(held_as(stored));
    return stored.progressive.bits == wanted.bits &&
           stored.progressive.group_size % wanted.group_size == 0;
  });
}

Error WeightParts::not_finite(int64_t row) const {
  return broken(row, "weight is not a number", "finite numbers", "NaN or infinity");
}

Error WeightParts::not_expandable(int64_t row) const {
  return broken(row, "codes are out of range",
                "a finite channel scale, and scale * code + offset in [-127, 127]",
                "one that is not");
}

void WeightParts::release() const {
  for (const Part& part : parts_) part.tensor->release();
}

Error WeightParts::broken(int64_t row, std::string what, std::string expected,
                          std::string found) const {
  Error error{ErrorCode::kCorrupt, std::move(what), {}, std::move(expected), std::move(found)};
  for_parts({row, 1}, [&](const SourceTensor& tensor, RowRange its, int64_t) {
    error.where = fmt::format("{}: row {}", tensor.where(), its.begin);
  });
  return error;
}

void FirstBrokenRow::look(int64_t row, std::span<const float> weights) {
  constexpr uint32_t kExponent = 0x7F800000U;  // all of it is set in NaN and infinity alone
  uint32_t broken = 0;
  for (const float weight : weights) {
    broken |= uint32_t{(std::bit_cast<uint32_t>(weight) & kExponent) == kExponent};
  }
  if (broken != 0) note(row);
}

void FirstBrokenRow::look(RowRange rows, std::span<const float> weights) {
  for (int64_t i = 0; i < rows.n; ++i) look(rows.begin + i, rows_of(weights, rows.n, i, 1));
}

void FirstBrokenRow::note(int64_t row) {
  int64_t first = row_.load();
  while ((first < 0 || row < first) && !row_.compare_exchange_weak(first, row)) {
  }
}

}  // namespace autoglm
