// linear() on random shapes, strides and values in every weight format: every instruction set gives
// the same bits where that is promised (docs/decisions/0001, 0072), and all agree with sums in
// double over the very weights and activations that the product is made of. So the bounds are those
// of a few roundings of the result, and a scale or a column that is wrong cannot hide in the
// rounding of activations; that one is quantize_random_test.cc's.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear/code_form.h"
#include "kernels/linear/code_testing.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/half.h"
#include "kernels/testing/guarded_rows.h"
#include "kernels/testing/random_cases.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

constexpr double kUlp = 0x1p-24;

struct Shape {
  WeightFormat format = WeightFormat::kF32;
  int64_t m = 1;
  int64_t n = 1;  // rows of the weight
  int64_t k = 1;
  bool swiglu = false;

  std::string text() const {
    return std::string(weight_format_name(format)) + " m " + std::to_string(m) + " n " +
           std::to_string(n) + " k " + std::to_string(k) + (swiglu ? " swiglu" : "");
  }
};

// A weight whose panels end where memory may not be touched, and what each of its elements is: a
// product of a code and a float, less a minimum.
struct RandomWeight {
  struct Element {
    double scaled = 0;
    double minimum = 0;
  };
  GuardedBytes panels;
  PackedWeight packed;
  std::vector<std::vector<Element>> rows;

  RandomWeight(Draw& draw, const Shape& shape) : panels(bytes(shape), 64) {
    PackedWeight made = *PackedWeight::allocate(shape.format, shape.n, shape.k, order(shape));
    if (has_channel_scales(shape.format)) {
      std::vector<float> scales(static_cast<size_t>(shape.k));
      for (float& s : scales) s = std::exp2(static_cast<float>(draw.between(-2, 2)));
      made.set_column_scales(scales);
    }
    rows.resize(static_cast<size_t>(shape.n), std::vector<Element>(static_cast<size_t>(shape.k)));
    if (holds_codes(shape.format)) {
      of_codes(draw, made);
    } else if (shape.format == WeightFormat::kInt8) {
      of_int8(draw, made);
    } else if (is_integer(shape.format)) {
      of_groups(draw, made);
    } else {
      of_floats(draw, made);
    }
    std::ranges::copy(made.stored(), panels.data());
    packed = *PackedWeight::view_of(shape.format, {shape.n, shape.k, order(shape)}, panels.span());
  }

  static PackOrder order(const Shape& shape) {
    return shape.swiglu ? PackOrder::kGateUp : PackOrder::kPlain;
  }
  static int64_t bytes(const Shape& shape) {
    return PackedWeight::bytes(shape.format, shape.n, shape.k, order(shape));
  }

 private:
  void of_floats(Draw& draw, PackedWeight& made) {
    const WeightFormat format = made.format();
    const auto rounded = [format](float w) {
      if (format == WeightFormat::kF16) return f16_to_f32(f32_to_f16(w));
      if (format == WeightFormat::kBF16) return bf16_to_f32(f32_to_bf16(w));
      return w;
    };
    made.pack_panels(0, made.n_panels(), row_by_row([&](int64_t row, std::span<float> out) {
                       draw.fill(out, 1e3f);
                       for (size_t i = 0; i < out.size(); ++i) {
                         rows[static_cast<size_t>(row)][i].scaled = double{rounded(out[i])};
                       }
                     }));
  }

  void of_int8(Draw& draw, PackedWeight& made) {
    made.pack_codes(0, made.n_panels(), row_by_row([&](int64_t row, std::span<int8_t> codes) {
                      const float scale = 0.01f * draw.normal();
                      const bool greatest = draw.one_in(4);
                      for (size_t i = 0; i < codes.size(); ++i) {
                        codes[i] = static_cast<int8_t>(greatest ? 127 : draw.between(-127, 127));
                        rows[static_cast<size_t>(row)][i].scaled = double{scale} * codes[i];
                      }
                      return scale;
                    }));
  }

  void of_groups(Draw& draw, PackedWeight& made) {
    const Progressive form = progressive_form(made.format());
    const int64_t alike = form.group_size / ProgressiveGroup::kColumns;
    made.pack_codes(
        0, made.n_panels(), row_by_row([&](int64_t row, std::span<ProgressiveGroup> groups) {
          const float channel_scale = 0.01f * draw.normal();
          for (int64_t g = 0; g < std::ssize(groups); ++g) {
            ProgressiveGroup& group = groups[static_cast<size_t>(g)];
            if (g % alike == 0) {
              group.scale = static_cast<uint8_t>(draw.between(0, form.largest_scale()));
              const int64_t span = int64_t{group.scale} * form.largest_code();
              group.offset = static_cast<int8_t>(draw.between(-127, 127 - span));
            } else {
              group.scale = groups[static_cast<size_t>(g - 1)].scale;
              group.offset = groups[static_cast<size_t>(g - 1)].offset;
            }
            for (int64_t i = 0; i < ProgressiveGroup::kColumns; ++i) {
              group.codes[i] = static_cast<uint8_t>(draw.between(0, form.largest_code()));
              const int64_t column = g * ProgressiveGroup::kColumns + i;
              if (column >= made.k()) continue;
              const int bracket = group.scale * group.codes[i] + group.offset;
              rows[static_cast<size_t>(row)][static_cast<size_t>(column)].scaled =
                  double{channel_scale} * bracket;
            }
          }
          return channel_scale;
        }));
  }

  void of_codes(Draw& draw, PackedWeight& made) {
    const int64_t first = draw.between(0, 1000);
    const bool nested = code_form(made.format()).nested;
    made.pack_codes(0, made.n_panels(), row_by_row([&](int64_t row, CodeRow& out) {
                      random_codes(made.format(), made.k(), first + row, out);
                      for (size_t i = 0; i < out.codes.size(); ++i) {
                        const size_t group =
                            i / static_cast<size_t>(nested ? CodeRow::kSuper : CodeRow::kGroup);
                        double scale = out.scales[group];
                        double minimum = out.minima[group];
                        if (nested) {
                          scale *= out.group_scales[i / CodeRow::kSmallGroup];
                          minimum *= out.group_minima[i / CodeRow::kSmallGroup];
                        }
                        rows[static_cast<size_t>(row)][i] = {scale * out.codes[i], minimum};
                      }
                    }));
  }
};

// The activations as the product takes them: themselves, or what their codes stand for.
std::vector<std::vector<double>> taken(const GuardedRows& x, const PackedWeight& weight) {
  std::vector<std::vector<double>> all;
  for (int64_t i = 0; i < x.rows(); ++i) all.emplace_back(x.row(i).begin(), x.row(i).end());
  if (!is_integer(weight.format())) return all;
  ThreadPool pool(1);
  const Context context{.pool = pool};
  const GuardedBytes memory(QuantizedRows::bytes(x.rows(), x.columns()), 64);
  const GuardedBytes scratch(quantize_scratch_bytes(context, x.columns()), 64);
  QuantizedRows q = QuantizedRows::at(memory.data(), x.rows(), x.columns());
  q.rounding = rounding_of(weight.format());
  if (!holds_codes(weight.format())) q.column_scales = weight.column_scales();
  quantize_rows(context, x.data(), x.stride(), q, scratch.span());
  for (int64_t i = 0; i < x.rows(); ++i) {
    for (int64_t c = 0; c < x.columns(); ++c) {
      const bool grouped = q.rounding == Rounding::kGroups;
      const float scale = grouped ? q.group_scales[i * q.groups() + c / 32] : q.scales[i];
      all[i][c] = double{scale} * q.values[i * q.padded_k() + c];
    }
    if (q.rounding != Rounding::kGroups) continue;
    for (const Outlier& outlier : q.outliers_of(i)) all[i][outlier.column] = outlier.value;
  }
  return all;
}

struct Near {
  double value = 0;
  double bound = 0;
};

Near product(const Shape& shape, const std::vector<double>& x,
             const std::vector<RandomWeight::Element>& w) {
  double sum = 0;
  double terms = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += x[i] * (w[i].scaled - w[i].minimum);
    terms += std::abs(x[i]) * (std::abs(w[i].scaled) + std::abs(w[i].minimum));
  }
  // Floats: a rounding a column. Codes of files: for a group of 16 or 32 columns, and for what is
  // kept apart of it (at most one column in 16 of the row), some four. Others: the integers are
  // exact, and few roundings follow.
  double roundings = 4;
  if (!is_integer(shape.format)) roundings = static_cast<double>(shape.k) + 2;
  if (holds_codes(shape.format)) roundings = static_cast<double>(shape.k) / 4 + 8;
  // The double itself, where terms cancel each other that are exact as integers.
  const double own = terms * static_cast<double>(shape.k) * 0x1p-53;
  if (is_integer(shape.format) && !holds_codes(shape.format)) terms = std::abs(sum);
  // AMX takes 16 bits of activations, and numbers below 2^-126 for 0.
  const bool halves = !has_common_bits(best_isa(), shape.format);
  return {sum, own + terms * (roundings * kUlp + (halves ? 0x1p-16 : 0)) +
                   static_cast<double>(shape.k) * (halves ? 0x1p-110 : 0x1p-140)};
}

class LinearCase {
 public:
  LinearCase(Draw& draw, WeightFormat format, int64_t m = 0)  // 0: any
      : shape_(random_shape(draw, format, m)),
        weight_(draw, shape_),
        x_(shape_.m, shape_.k, shape_.k + draw.between(0, 40)),
        bias_(1, shape_.n, shape_.n),
        residual_(shape_.m, n_out(), n_out() + draw.between(0, 40)),
        y_stride_(n_out() + draw.between(0, 40)),
        has_bias_(draw.one_in(2)),
        has_residual_(draw.one_in(2)),
        residual_is_y_(draw.one_in(2)) {
    for (int64_t i = 0; i < shape_.m; ++i) {
      draw.fill(x_.row(i), 1e10f);
      draw.fill(residual_.row(i), 1e10f);
    }
    draw.fill(bias_.row(0), 1e10f);
  }

  const Shape& shape() const { return shape_; }

  // Rows [first, first + m) on their own.
  GuardedRows run(Isa isa, int threads, int64_t first, int64_t m) const {
    ThreadPool pool(threads);
    const Context context{.pool = pool, .isa = isa};
    GuardedRows y(m, n_out(), y_stride_);
    const bool onto_itself = has_residual_ && residual_is_y_;
    for (int64_t i = 0; onto_itself && i < m; ++i) {
      std::ranges::copy(residual_.row(first + i), y.row(i).begin());
    }
    const GuardedBytes scratch(linear_scratch_bytes(context, weight_.packed, m), 64);
    const float* residual = onto_itself ? y.data() : residual_.data() + first * residual_.stride();
    linear(context,
           {.weight = &weight_.packed,
            .m = m,
            .x = x_.data() + first * x_.stride(),
            .x_stride = x_.stride(),
            .bias = has_bias_ ? bias_.data() : nullptr,
            .residual = has_residual_ ? residual : nullptr,
            .residual_stride = onto_itself ? y.stride() : residual_.stride(),
            .y = y.data(),
            .y_stride = y.stride(),
            .epilogue = shape_.swiglu ? Epilogue::kSwiglu : Epilogue::kNone},
           scratch.span());
    const std::string what = shape_.text() + " on " + std::string(isa_name(isa));
    scratch.expect_untouched_outside(what + ": scratch");
    y.expect_untouched_outside(what);
    return y;
  }

  // Threads lie next to each other in their working memory: a part takes no more than its variant
  // says, and gives the same bits in exactly that.
  void expect_part_fits(Isa isa, const GuardedRows& expected) const {
    ThreadPool pool(1);
    const Context context{.pool = pool, .isa = isa};
    const GuardedBytes memory(QuantizedRows::bytes(shape_.m, shape_.k), 64);
    QuantizedRows rows;
    if (is_integer(shape_.format)) {
      rows = QuantizedRows::at(memory.data(), shape_.m, shape_.k);
      rows.rounding = rounding_of(shape_.format);
      rows.tiled = takes_tiled_rows(isa, shape_.format, shape_.m);
      if (!holds_codes(shape_.format)) rows.column_scales = weight_.packed.column_scales();
      const GuardedBytes room(quantize_scratch_bytes(context, shape_.k), 64);
      quantize_rows(context, x_.data(), x_.stride(), rows, room.span());
    }
    GuardedRows y(shape_.m, n_out(), y_stride_);
    const LinearTask task =
        linear_task({.weight = &weight_.packed,
                     .m = shape_.m,
                     .x = x_.data(),
                     .x_stride = x_.stride(),
                     .bias = has_bias_ ? bias_.data() : nullptr,
                     .residual = has_residual_ ? residual_.data() : nullptr,
                     .residual_stride = residual_.stride(),
                     .y = y.data(),
                     .y_stride = y.stride(),
                     .epilogue = shape_.swiglu ? Epilogue::kSwiglu : Epilogue::kNone},
                    rows);
    const LinearVariant& variant = linear_variant(isa);
    const GuardedBytes scratch(variant.scratch_bytes(shape_.format, shape_.k, shape_.m), 64);
    variant.run(task, {.row_end = shape_.m, .panel_end = weight_.packed.n_panels()},
                scratch.data());
    const std::string what = shape_.text() + ", a part on " + std::string(isa_name(isa));
    scratch.expect_untouched_outside(what + ": scratch");
    y.expect_same(expected, what);
  }

  void expect_near_double(const GuardedRows& y) const {
    const std::vector<std::vector<double>> x = taken(x_, weight_.packed);
    for (int64_t i = 0; i < shape_.m; ++i) {
      for (int64_t j = 0; j < n_out(); ++j) {
        const Near expected = element(x[static_cast<size_t>(i)], i, j);
        ASSERT_NEAR(y.row(i)[j], expected.value, expected.bound)
            << shape_.text() << (has_bias_ ? ", bias" : "") << (has_residual_ ? ", residual" : "")
            << " at row " << i << ", column " << j;
      }
    }
  }

 private:
  static Shape random_shape(Draw& draw, WeightFormat format, int64_t m) {
    Shape shape{.format = format, .m = draw.rows(70), .swiglu = draw.one_in(3)};
    if (m > 0) shape.m = m;
    shape.n = draw.columns(100) * (shape.swiglu ? 2 : 1);
    shape.k = draw.columns(400);
    if (holds_codes(format)) {
      const int64_t step = code_form(format).columns();
      shape.k = step * draw.between(1, step == 32 ? 9 : 3);
    }
    return shape;
  }

  int64_t n_out() const { return shape_.swiglu ? shape_.n / 2 : shape_.n; }

  Near channel(const std::vector<double>& x, int64_t row) const {
    Near y = product(shape_, x, weight_.rows[static_cast<size_t>(row)]);
    if (!has_bias_) return y;
    y.value += double{bias_.row(0)[static_cast<size_t>(row)]};
    y.bound += std::abs(y.value) * kUlp;
    return y;
  }

  Near element(const std::vector<double>& x, int64_t i, int64_t j) const {
    Near y = channel(x, j);
    if (shape_.swiglu) {
      const Near up = channel(x, j + n_out());
      const double gate = y.value / (1 + std::exp(-y.value));
      // The slope of silu is at most 1.1; silu takes eight roundings, and below -88.7 it is 0
      // instead of -3e-37.
      const double gate_bound = 1.1 * y.bound + std::abs(gate) * 8 * kUlp + 4e-37;
      y = {gate * up.value, gate_bound * (std::abs(up.value) + up.bound) +
                                std::abs(gate) * up.bound + std::abs(gate * up.value) * kUlp};
    }
    if (has_residual_) {
      y.value += double{residual_.row(i)[static_cast<size_t>(j)]};
    }
    // Of the last sum, which is of a number that may be off by the bound.
    y.bound += (std::abs(y.value) + y.bound) * 2 * kUlp + 0x1p-149;
    return y;
  }

  Shape shape_;
  RandomWeight weight_;
  GuardedRows x_;
  GuardedRows bias_;
  GuardedRows residual_;
  int64_t y_stride_;
  bool has_bias_;
  bool has_residual_;
  bool residual_is_y_;
};

class RandomLinear : public testing::TestWithParam<std::string> {};

TEST_P(RandomLinear, InstructionSetsAgreeWithEachOtherAndWithDouble) {
  const WeightFormat format = *weight_format_named(GetParam());
  for_random_cases(25, [&](Draw& draw) {
    const LinearCase c(draw, format);
    const int64_t m = c.shape().m;
    const GuardedRows first = c.run(Isa::kGeneric, 1, 0, m);
    c.expect_near_double(first);
    for (const Isa isa : isas_here()) {
      const std::string what = c.shape().text() + " on " + std::string(isa_name(isa));
      const GuardedRows found = c.run(isa, static_cast<int>(draw.between(1, 3)), 0, m);
      if (has_common_bits(isa, format)) {
        found.expect_same(first, what);
      } else {
        c.expect_near_double(found);
      }
      // A row alone, and with some others.
      const int64_t from = draw.between(0, m - 1);
      const int64_t n = draw.one_in(2) ? 1 : draw.between(1, m - from);
      const GuardedRows some = c.run(isa, 1, from, n);
      for (int64_t i = 0; i < n; ++i) {
        expect_same_bits(
            some.row(i), found.row(from + i),
            what + ": row " + std::to_string(from + i) + " among " + std::to_string(n));
      }
    }
  });
}

TEST_P(RandomLinear, PartsFitTheWorkingMemoryThatIsTheirs) {
  const WeightFormat format = *weight_format_named(GetParam());
  for_random_cases(20, [&](Draw& draw) {
    const auto m = static_cast<int64_t>(1 + draw.seed() % 20);
    const LinearCase c(draw, format, m);
    const GuardedRows expected = c.run(Isa::kGeneric, 1, 0, m);
    for (const Isa isa : isas_here()) {
      if (has_common_bits(isa, format)) c.expect_part_fits(isa, expected);
    }
  });
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const WeightFormatInfo& info : kWeightFormats) names.emplace_back(info.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Formats, RandomLinear, testing::ValuesIn(format_names()),
                         [](const auto& format) {
                           std::string name = format.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace autoglm
