#include "train/quantize/gptq.h"

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "base/aligned_buffer.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/linear/linear.h"

namespace autoglm {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Columns whose updates are applied to the rest at once: the paper's.
constexpr int64_t kBlock = 128;
constexpr int64_t kColumns = ProgressiveGroup::kColumns;
// Rows of X that one product of second moments takes.
constexpr int64_t kRowBlock = 2048;
constexpr int64_t kSlabRows = 1024;

float rounded(float x) { return std::nearbyint(x); }

}  // namespace

Result<std::vector<float>> second_moments(const Context& context, const RowsView& x) {
  const int64_t k = x.columns;
  std::vector<float> sums(static_cast<size_t>(k * k));
  std::vector<float> turned;
  for (int64_t first = 0; first < x.rows; first += kRowBlock) {
    const int64_t n = std::min(kRowBlock, x.rows - first);
    turned.resize(static_cast<size_t>(k * n));
    context.pool.parallel_for(k, 16, [&](int64_t begin, int64_t end) {
      for (int64_t r = 0; r < n; ++r) {
        const float* row = x.row(first + r);
        for (int64_t c = begin; c < end; ++c) turned[static_cast<size_t>(c * n + r)] = row[c];
      }
    });
    for (int64_t slab = 0; slab < k; slab += kSlabRows) {
      const int64_t rows = std::min(kSlabRows, k - slab);
      PackedWeight packed = AGLM_TRY(PackedWeight::allocate(WeightFormat::kF32, rows, n));
      context.pool.parallel_for(packed.n_panels(), 1, [&](int64_t begin, int64_t end) {
        packed.pack_panels(begin, end, row_by_row([&](int64_t row, std::span<float> out) {
                             std::copy_n(turned.begin() + (slab + row) * n, n, out.begin());
                           }));
      });
      AlignedBuffer scratch = AGLM_TRY(AlignedBuffer::allocate(
          static_cast<size_t>(std::max<int64_t>(64, linear_scratch_bytes(context, packed, k)))));
      linear(context,
             {.weight = &packed,
              .m = k,
              .x = turned.data(),
              .x_stride = n,
              .residual = sums.data() + slab,
              .residual_stride = k,
              .y = sums.data() + slab,
              .y_stride = k},
             {scratch.data(), scratch.size()});
    }
  }
  const float share = 1.0f / static_cast<float>(std::max<int64_t>(1, x.rows));
  for (float& sum : sums) sum *= share;
  return sums;
}

Result<GptqFactor> factorize(std::vector<float> moments, int64_t columns) {
  AGLM_CHECK(static_cast<int64_t>(moments.size()) == columns * columns, "{} moments of {} columns",
             moments.size(), columns);
  Eigen::Map<Matrix> h(moments.data(), columns, columns);
  const double mean = h.diagonal().cast<double>().mean();
  if (!std::isfinite(mean)) {
    return Error{ErrorCode::kCorrupt, "activations are not numbers", "calibration",
                 "finite numbers", "NaN or infinity"};
  }
  const auto level = static_cast<float>(mean > 0 ? mean : 1);
  for (int64_t i = 0; i < columns; ++i) {
    if (!(h(i, i) > 0)) h(i, i) = level;
  }
  // With rows and columns in reverse order, H = L L^T becomes H = R R^T with R upper, and U is the
  // inverse of R: one factorization in place of the paper's two and an inverse. All in H's own
  // memory (for a model of 9 B 750 MB): L takes the lower triangle, the upper one keeps H for
  // another try.
  GptqFactor factor{.columns = columns};
  std::ranges::reverse(moments);
  const Eigen::VectorXf diagonal = h.diagonal();
  for (const double damping : {0.01, 0.03, 0.1}) {
    for (int64_t i = 0; i < columns; ++i) {
      for (int64_t j = 0; j < i; ++j) h(i, j) = h(j, i);
      h(i, i) = diagonal[i] + static_cast<float>(damping) * level;
    }
    const Eigen::LLT<Eigen::Ref<Matrix>> cholesky(h);
    if (cholesky.info() != Eigen::Success) continue;
    factor.upper.assign(moments.size(), 0.0f);
    Eigen::Map<Matrix> upper(factor.upper.data(), columns, columns);
    upper.setIdentity();
    std::ranges::reverse(moments);
    h.triangularView<Eigen::Upper>().solveInPlace(upper);
    if (!upper.allFinite()) {
      std::ranges::reverse(moments);
      continue;
    }
    factor.damping = damping;
    return factor;
  }
  return Error{ErrorCode::kCorrupt, "second moments of the activations are singular", "calibration",
               "a text that exercises the model", "one that does not, or numbers out of range"};
}

void round_rows(const GptqFactor& factor, Precision precision, std::span<const GptqRow> rows) {
  const int64_t k = factor.columns;
  const auto n = static_cast<int64_t>(rows.size());
  const Eigen::Map<const Matrix> upper(factor.upper.data(), k, k);
  Matrix w(n, k);
  for (int64_t r = 0; r < n; ++r) {
    const std::span<const float> weights = rows[static_cast<size_t>(r)].weights;
    std::ranges::copy(weights, w.data() + r * k);
  }
  const int64_t group_size = precision.group_size;
  AGLM_CHECK(precision.bits == 8 || kBlock % group_size == 0, "groups of {}", group_size);
  std::vector<float> importance(static_cast<size_t>(group_size));
  std::vector<float> x(importance.size());
  Matrix errors(n, kBlock);
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    const int64_t end = std::min(k, begin + kBlock);
    for (int64_t j = begin; j < end; ++j) {
      const float pivot = upper(j, j);
      for (int64_t r = 0; r < n; ++r) {
        RowCodes& codes = *rows[static_cast<size_t>(r)].codes;
        const float d = codes.channel_scale;
        float decoded = 0;
        if (d > 0) {
          if (precision.bits == 8) {
            const float code = std::clamp(rounded(w(r, j) / d), -127.0f, 127.0f);
            codes.values[static_cast<size_t>(j)] = static_cast<int8_t>(code);
            decoded = code * d;
          } else {
            ProgressiveGroup& group = codes.groups[static_cast<size_t>(j / kColumns)];
            if (j % group_size == 0) {
              const auto size = static_cast<size_t>(std::min(group_size, k - j));
              for (size_t i = 0; i < size; ++i) {
                const auto at = j + static_cast<int64_t>(i);
                x[i] = w(r, at) / d;
                importance[i] = 1 / (upper(at, at) * upper(at, at));
              }
              choose_group(std::span(x).first(size), std::span(importance).first(size),
                           precision.bits, std::span(&group, (size + kColumns - 1) / kColumns));
            }
            const int code = group_code(group, precision.bits, w(r, j) / d);
            group.codes[static_cast<size_t>(j % kColumns)] = static_cast<uint8_t>(code);
            decoded = static_cast<float>(group.scale * code + group.offset) * d;
          }
        }
        const float error = (w(r, j) - decoded) / pivot;
        errors(r, j - begin) = error;
        w.row(r).segment(j + 1, end - j - 1) -= error * upper.row(j).segment(j + 1, end - j - 1);
      }
    }
    if (end < k) {
      w.rightCols(k - end).noalias() -=
          errors.leftCols(end - begin) * upper.block(begin, end, end - begin, k - end);
    }
  }
}

}  // namespace autoglm
