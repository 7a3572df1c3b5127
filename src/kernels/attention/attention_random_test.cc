// kv_write() and attention() on random steps: several sequences of different lengths that begin in
// the middle of pages, heads of the sizes that models have, windows, strides and values. Pages, and
// results where that is promised (docs/decisions/0072), are the same bytes on every instruction set
// and with any number of threads, and results agree with a softmax in double over the keys and
// values as they are stored.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/plan.h"
#include "kernels/simd/half.h"
#include "kernels/testing/guarded_rows.h"
#include "kernels/testing/random_cases.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

constexpr double kUlp = 0x1p-24;
constexpr int64_t kPage = KvCache::kPageTokens;

// A head of a token as a page holds it.
std::vector<float> stored(std::span<const float> head, DType dtype) {
  std::vector<float> out(head.begin(), head.end());
  float peak = 0;
  for (const float x : head) peak = std::max(peak, std::abs(x));
  const float inverse = 127.0f / peak;
  const bool usable = peak > 0 && std::isfinite(inverse);
  for (float& x : out) {
    if (dtype == DType::kBF16) x = bf16_to_f32(f32_to_bf16(x));
    if (dtype == DType::kF16) x = f16_to_f32(f32_to_f16(x));
    if (dtype == DType::kI8) x = usable ? std::nearbyint(x * inverse) * (peak / 127.0f) : 0.0f;
  }
  return out;
}

// One sequence: all its keys and values, of which the last n_rows are the step's.
struct Text {
  int64_t length = 0;
  int64_t n_rows = 0;
  std::vector<int32_t> pages;
  std::vector<std::vector<float>> keys, values;  // by position, all heads
  std::vector<std::vector<float>> stored_keys, stored_values;
};

struct Near {
  double value = 0;
  double bound = 0;
};

class AttentionCase {
 public:
  explicit AttentionCase(Draw& draw)
      : dtype_(draw.of(std::span<const DType>(kKvDTypes))),
        head_dim_(draw.of<int64_t>({64, 80, 96, 128, 192, 256, 20, 7})),
        n_kv_heads_(draw.between(1, 4)),
        group_(draw.between(1, 7)),
        window_(draw.one_in(2) ? 0 : draw.of<int64_t>({1, 2, 31, 33, 64, 100, 257, 300})),
        scale_(draw.one_in(4) ? 0.5f : 1.0f / std::sqrt(static_cast<float>(head_dim_))),
        page_stride_(KvCache::page_bytes(dtype_, n_kv_heads_, head_dim_) +
                     64 * draw.between(0, 3)) {
    // A float of 16 bits holds up to 65504.
    const float huge = draw.one_in(4) ? 1e3f : 10.0f;
    for (int64_t i = draw.between(1, 4); i > 0; --i) texts_.push_back(random_text(draw, huge));
    hand_out_pages(draw);
    for (const Text& text : texts_) n_rows_ += text.n_rows;
    const auto gap = [&] { return draw.between(0, 40); };
    q_.emplace(n_rows_, n_heads() * head_dim_, n_heads() * head_dim_ + gap());
    k_stride_ = kv_columns() + gap();
    v_stride_ = kv_columns() + gap();
    y_stride_ = n_heads() * head_dim_ + gap();
    for (int64_t i = 0; i < n_rows_; ++i) draw.fill(q_->row(i), huge);
  }

  std::string text() const {
    std::string lengths;
    for (const Text& t : texts_) {
      lengths += " " + std::to_string(t.n_rows) + "/" + std::to_string(t.length);
    }
    return std::to_string(n_heads()) + " heads over " + std::to_string(n_kv_heads_) + " of " +
           std::to_string(head_dim_) + " in " + std::string(dtype_info(dtype_).name) + ", window " +
           std::to_string(window_) + ", rows of sequences" + lengths;
  }
  DType dtype() const { return dtype_; }

  struct Result {
    GuardedBytes pages;
    GuardedRows y;
  };
  Result run(Isa isa, int threads) const {
    ThreadPool pool(threads);
    const Context context{.pool = pool, .isa = isa};
    Result result{GuardedBytes(n_pages_ * page_stride_, 64),
                  GuardedRows(n_rows_, n_heads() * head_dim_, y_stride_)};
    const KvCache cache{.data = result.pages.data(),
                        .page_stride_bytes = page_stride_,
                        .dtype = dtype_,
                        .n_kv_heads = n_kv_heads_,
                        .head_dim = head_dim_};
    write(context, cache, false);
    write(context, cache, true);
    const std::vector<KvSequence> sequences = step(true);
    const GuardedBytes scratch(attention_scratch_bytes(threads, head_dim_), 64);
    attention(context,
              {.sequences = sequences,
               .n_heads = n_heads(),
               .q = q_->data(),
               .q_stride = q_->stride(),
               .scale = scale_,
               .window = window_,
               .cache = cache,
               .y = result.y.data(),
               .y_stride = y_stride_},
              scratch.span());
    const std::string what = text() + " on " + std::string(isa_name(isa));
    scratch.expect_untouched_outside(what + ": scratch");
    if (threads == 1) expect_nodes_untouched(scratch, what);
    result.pages.expect_untouched_outside(what + ": pages");
    result.y.expect_untouched_outside(what);
    return result;
  }

  void expect_near_double(const GuardedRows& y, bool tiles) const {
    int64_t row = 0;
    for (const Text& t : texts_) {
      for (int64_t i = 0; i < t.n_rows; ++i, ++row) {
        for (int64_t head = 0; head < n_heads(); ++head) {
          const std::vector<Near> expected = attended(t, row, t.length - t.n_rows + i, head, tiles);
          for (int64_t d = 0; d < head_dim_; ++d) {
            const Near& near = expected[static_cast<size_t>(d)];
            ASSERT_NEAR(y.row(row)[head * head_dim_ + d], near.value, near.bound)
                << text() << " at row " << row << ", head " << head << ", element " << d;
          }
        }
      }
    }
  }

  // Pages that no sequence has are as they were.
  void expect_foreign_pages_untouched(const GuardedBytes& pages) const {
    for (int64_t page = 0; page < n_pages_; ++page) {
      const auto has = [&](const Text& t) {
        return std::ranges::count(t.pages, static_cast<int32_t>(page)) > 0;
      };
      if (std::ranges::any_of(texts_, has)) continue;
      const auto bytes = pages.span().subspan(static_cast<size_t>(page * page_stride_),
                                              static_cast<size_t>(page_stride_));
      ASSERT_TRUE(
          std::ranges::all_of(bytes, [](std::byte b) { return b == GuardedBytes::kPoison; }))
          << text() << ": page " << page;
    }
  }

 private:
  // One thread cuts no sequence: nodes, which lie behind its own working memory, stay as they were.
  void expect_nodes_untouched(const GuardedBytes& scratch, const std::string& what) const {
    const int64_t nodes = AttentionPlan::kNodesPerThread * fold_floats(padded_head(head_dim_)) *
                          int64_t{sizeof(float)};
    EXPECT_TRUE(std::ranges::all_of(scratch.span().last(static_cast<size_t>(nodes)),
                                    [](std::byte b) { return b == GuardedBytes::kPoison; }))
        << what << ": more working memory than a part's";
  }

  int64_t n_heads() const { return n_kv_heads_ * group_; }
  int64_t kv_columns() const { return n_kv_heads_ * head_dim_; }

  Text random_text(Draw& draw, float huge) const {
    Text t;
    // A stretch of softmax is 256 keys; some are longer than two.
    t.length = draw.one_in(4) ? draw.between(200, 700) : draw.between(1, 100);
    t.n_rows = std::min(t.length, draw.one_in(2) ? 1 : draw.between(1, 20));
    if (t.length <= 100 && draw.one_in(4)) t.n_rows = t.length;  // a prompt in one piece
    for (int64_t i = 0; i < t.length; ++i) {
      for (const auto& [given, held] :
           {std::pair(&t.keys, &t.stored_keys), std::pair(&t.values, &t.stored_values)}) {
        given->emplace_back(static_cast<size_t>(kv_columns()));
        draw.fill(given->back(), huge);
        held->emplace_back();
        for (int64_t head = 0; head < n_kv_heads_; ++head) {
          const std::vector<float> part = stored(head_of(given->back(), head), dtype_);
          held->back().insert(held->back().end(), part.begin(), part.end());
        }
      }
    }
    return t;
  }

  void hand_out_pages(Draw& draw) {
    for (const Text& t : texts_) n_pages_ += (t.length + kPage - 1) / kPage;
    n_pages_ += 3;  // that nobody has
    std::vector<int32_t> free(static_cast<size_t>(n_pages_));
    std::iota(free.begin(), free.end(), 0);
    for (Text& t : texts_) {
      for (int64_t i = 0; i < t.length; i += kPage) {
        const auto at = free.begin() + draw.between(0, std::ssize(free) - 1);
        t.pages.push_back(*at);
        free.erase(at);
      }
    }
  }

  // The step's rows, or what came before them.
  std::vector<KvSequence> step(bool now) const {
    std::vector<KvSequence> sequences;
    int64_t row = 0;
    for (const Text& t : texts_) {
      const int64_t before = t.length - t.n_rows;
      const int64_t n = now ? t.n_rows : before;
      if (n == 0) continue;
      sequences.push_back(
          {.first_row = row, .n_rows = n, .start_position = now ? before : 0, .pages = t.pages});
      row += n;
    }
    return sequences;
  }

  void write(const Context& context, const KvCache& cache, bool now) const {
    const std::vector<KvSequence> sequences = step(now);
    if (sequences.empty()) return;
    const int64_t rows = sequences.back().first_row + sequences.back().n_rows;
    const GuardedRows k(rows, kv_columns(), k_stride_);
    const GuardedRows v(rows, kv_columns(), v_stride_);
    int64_t row = 0;
    for (const Text& t : texts_) {
      const int64_t before = t.length - t.n_rows;
      for (int64_t i = now ? before : 0; i < (now ? t.length : before); ++i, ++row) {
        std::ranges::copy(t.keys[static_cast<size_t>(i)], k.row(row).begin());
        std::ranges::copy(t.values[static_cast<size_t>(i)], v.row(row).begin());
      }
    }
    kv_write(context, {.sequences = sequences,
                       .k = k.data(),
                       .k_stride = k_stride_,
                       .v = v.data(),
                       .v_stride = v_stride_,
                       .cache = cache});
  }

  std::span<const float> head_of(const std::vector<float>& all, int64_t kv_head) const {
    return std::span(all).subspan(static_cast<size_t>(kv_head * head_dim_),
                                  static_cast<size_t>(head_dim_));
  }

  std::vector<Near> attended(const Text& t, int64_t row, int64_t position, int64_t head,
                             bool tiles) const {
    const std::span<const float> q =
        q_->row(row).subspan(static_cast<size_t>(head * head_dim_), static_cast<size_t>(head_dim_));
    const int64_t first = window_ > 0 ? std::max<int64_t>(0, position - window_ + 1) : 0;
    double q_peak = 0;
    for (const float x : q) q_peak = std::max(q_peak, std::abs(double{x}));
    // How far off a score may be: a rounding an element and those of the scale; in int8 half a step
    // of the query's 16 bits for each element instead; on tiles the 17th bit of the query.
    std::vector<double> scores;
    double greatest = -HUGE_VAL;
    double slack = 0;
    for (int64_t j = first; j <= position; ++j) {
      const auto key = head_of(t.stored_keys[static_cast<size_t>(j)], head / group_);
      double s = 0;
      double terms = 0;
      double keys = 0;
      for (size_t d = 0; d < key.size(); ++d) {
        s += double{q[d]} * double{key[d]};
        terms += std::abs(double{q[d]} * double{key[d]});
        keys += std::abs(double{key[d]});
      }
      double off = terms * (static_cast<double>(head_dim_) + 4) * kUlp;
      if (dtype_ == DType::kI8) off = terms * 8 * kUlp + keys * q_peak / 65534;
      if (tiles) off += terms * 0x1p-16;
      slack = std::max(slack, off * double{scale_});
      scores.push_back(s * double{scale_});
      greatest = std::max(greatest, scores.back());
    }
    // The difference from the greatest is rounded once more; from 104 on nothing is left of it.
    double span = 0;
    double sum = 0;
    for (double& s : scores) {
      span = std::max(span, std::min(greatest - s, 104.0));
      sum += s = std::exp(s - greatest);
    }
    slack += span * kUlp;
    std::vector<Near> y(static_cast<size_t>(head_dim_));
    std::vector<double> sizes(y.size());
    double peak = 0;  // of weight times value scale, which int8 rounds to 16 bits in each stretch
    for (int64_t j = first; j <= position; ++j) {
      const auto v = head_of(t.stored_values[static_cast<size_t>(j)], head / group_);
      const double p = scores[static_cast<size_t>(j - first)] / sum;
      for (size_t d = 0; d < v.size(); ++d) {
        y[d].value += p * double{v[d]};
        sizes[d] += p * std::abs(double{v[d]});
        peak = std::max(peak, p * std::abs(double{v[d]}));
      }
    }
    const auto n = static_cast<double>(position - first + 1);
    for (size_t d = 0; d < y.size(); ++d) {
      // Each weight is off by a factor of e^slack at most, and so is their sum; then a rounding for
      // each key of a stretch, and some for each of the stretches' folds.
      const double factor = std::expm1(2 * slack + (std::min(n, 256.0) + 40) * kUlp);
      y[d].bound = sizes[d] * (factor + (tiles ? 0x1p-16 : 0)) + 1e-35;
      // Weights below 1e-34 have no codes.
      if (dtype_ == DType::kI8) y[d].bound += n * (peak * 1.01 / 65534 + 127e-34);
    }
    return y;
  }

  DType dtype_;
  int64_t head_dim_;
  int64_t n_kv_heads_;
  int64_t group_;  // heads that share a key and value head
  int64_t window_;
  float scale_;
  int64_t page_stride_;
  std::vector<Text> texts_;
  int64_t n_pages_ = 0;
  int64_t n_rows_ = 0;
  std::optional<GuardedRows> q_;
  int64_t k_stride_ = 0;
  int64_t v_stride_ = 0;
  int64_t y_stride_ = 0;
};

TEST(RandomAttention, InstructionSetsAgreeWithEachOtherAndWithDouble) {
  for_random_cases(70, [&](Draw& draw) {
    const AttentionCase c(draw);
    const auto first = c.run(Isa::kGeneric, 1);
    c.expect_near_double(first.y, false);
    c.expect_foreign_pages_untouched(first.pages);
    for (const Isa isa : isas_here()) {
      const std::string what = c.text() + " on " + std::string(isa_name(isa));
      const auto found = c.run(isa, static_cast<int>(draw.between(1, 4)));
      ASSERT_TRUE(std::ranges::equal(found.pages.span(), first.pages.span())) << what << ": pages";
      if (has_common_bits(isa, c.dtype())) {
        found.y.expect_same(first.y, what);
      } else {
        c.expect_near_double(found.y, true);
      }
    }
  });
}

}  // namespace
}  // namespace autoglm
