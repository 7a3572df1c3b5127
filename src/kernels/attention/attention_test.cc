// attention() against a softmax in double, every variant against the generic one, and a query
// against itself in other company.
#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/simd/half.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

struct Shape {
  int64_t n_heads = 4;
  int64_t n_kv_heads = 2;
  int64_t head_dim = 32;
  int64_t window = 0;
  DType dtype = DType::kF32;

  std::string text() const {
    return std::to_string(n_heads) + " heads over " + std::to_string(n_kv_heads) + " of " +
           std::to_string(head_dim) + ", window " + std::to_string(window) + ", " +
           std::string(dtype_info(dtype).name);
  }
};

float stored(float value, DType dtype) {
  if (dtype == DType::kBF16) return bf16_to_f32(f32_to_bf16(value));
  if (dtype == DType::kF16) return f16_to_f32(f32_to_f16(value));
  return value;
}

// One head of a token as it is stored.
std::vector<float> stored(std::span<const float> head, DType dtype) {
  std::vector<float> out(head.begin(), head.end());
  float peak = 0;
  for (const float x : head) peak = std::max(peak, std::abs(x));
  for (float& x : out)
    x = dtype == DType::kI8 ? std::nearbyint(x * (127 / peak)) * (peak / 127) : stored(x, dtype);
  return out;
}

// One sequence of `length` random tokens; pages lie scattered in a pool of garbage.
class Sequence {
 public:
  Sequence(const Shape& shape, int64_t length) : shape_(shape), length_(length) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (auto* v : {&q_, &k_, &v_}) {
      v->resize(static_cast<size_t>(length * (v == &q_ ? shape.n_heads : shape.n_kv_heads) *
                                    shape.head_dim));
      for (float& x : *v) x = normal(random);
    }
    const int64_t n_pages = (length + 31) / 32;
    for (int64_t i = 0; i < n_pages; ++i) {
      pages_.push_back(static_cast<int32_t>((i * 5 + 3) % (2 * n_pages + 5)));
    }
    std::sort(pages_.begin(), pages_.end());
    pages_.erase(std::unique(pages_.begin(), pages_.end()), pages_.end());
    for (int32_t page = 0; static_cast<int64_t>(pages_.size()) < n_pages; ++page) {
      if (std::find(pages_.begin(), pages_.end(), page) == pages_.end()) pages_.push_back(page);
    }
    stride_ = KvCache::page_bytes(shape.dtype, shape.n_kv_heads, shape.head_dim) + 128;
  }

  // Steps through the sequence in chunks of `chunk` rows; the result of all rows.
  std::vector<float> run(Isa isa, int threads, int64_t chunk) const {
    ThreadPool pool(threads);
    const Context context{.pool = pool, .isa = isa};
    const int64_t width = shape_.n_heads * shape_.head_dim;
    const int64_t kv_width = shape_.n_kv_heads * shape_.head_dim;
    Result<AlignedBuffer> memory =
        AlignedBuffer::allocate(static_cast<size_t>(stride_ * (2 * (length_ / 32 + 1) + 6)));
    std::memset(memory->data(), 0xff, memory->size());  // not-a-number everywhere
    const KvCache cache{.data = memory->data(),
                        .page_stride_bytes = stride_,
                        .dtype = shape_.dtype,
                        .n_kv_heads = shape_.n_kv_heads,
                        .head_dim = shape_.head_dim};
    const auto bytes = static_cast<size_t>(attention_scratch_bytes(threads, shape_.head_dim));
    Result<AlignedBuffer> scratch = AlignedBuffer::allocate(bytes + 64);
    std::memset(scratch->data(), 0x5a, bytes + 64);
    std::vector<float> y(static_cast<size_t>(length_ * width), -1.0f);
    for (int64_t start = 0; start < length_; start += chunk) {
      const int64_t rows = std::min(chunk, length_ - start);
      const KvSequence sequence{
          .first_row = 0, .n_rows = rows, .start_position = start, .pages = pages_};
      kv_write(context, {.sequences = {&sequence, 1},
                         .k = k_.data() + start * kv_width,
                         .k_stride = kv_width,
                         .v = v_.data() + start * kv_width,
                         .v_stride = kv_width,
                         .cache = cache});
      attention(context,
                {.sequences = {&sequence, 1},
                 .n_heads = shape_.n_heads,
                 .q = q_.data() + start * width,
                 .q_stride = width,
                 .scale = scale(),
                 .window = shape_.window,
                 .cache = cache,
                 .y = y.data() + start * width,
                 .y_stride = width},
                {scratch->data(), bytes});
    }
    for (size_t i = bytes; i < bytes + 64; ++i) EXPECT_EQ(scratch->data()[i], std::byte{0x5a});
    return y;
  }

  std::vector<double> reference() const {
    std::vector<double> y;
    const int64_t group = shape_.n_heads / shape_.n_kv_heads;
    const int64_t d = shape_.head_dim;
    std::vector<float> keys, values;
    for (size_t at = 0; at < k_.size(); at += static_cast<size_t>(d)) {
      for (const auto& [from, to] : {std::pair(&k_, &keys), std::pair(&v_, &values)}) {
        const auto head =
            stored(std::span(*from).subspan(at, static_cast<size_t>(d)), shape_.dtype);
        to->insert(to->end(), head.begin(), head.end());
      }
    }
    for (int64_t row = 0; row < length_; ++row) {
      const int64_t first = shape_.window > 0 ? std::max<int64_t>(0, row - shape_.window + 1) : 0;
      for (int64_t head = 0; head < shape_.n_heads; ++head) {
        const auto kv = [&](const std::vector<float>& all, int64_t position, int64_t i) {
          const int64_t at = (position * shape_.n_kv_heads + head / group) * d + i;
          return double{all[static_cast<size_t>(at)]};
        };
        std::vector<double> p;
        double greatest = -HUGE_VAL;
        for (int64_t j = first; j <= row; ++j) {
          double s = 0;
          for (int64_t i = 0; i < d; ++i) {
            s += double{q_[static_cast<size_t>((row * shape_.n_heads + head) * d + i)]} *
                 kv(keys, j, i);
          }
          p.push_back(s * double{scale()});
          greatest = std::max(greatest, p.back());
        }
        double sum = 0;
        for (double& x : p) sum += x = std::exp(x - greatest);
        for (int64_t i = 0; i < d; ++i) {
          double out = 0;
          for (int64_t j = first; j <= row; ++j) {
            out += p[static_cast<size_t>(j - first)] / sum * kv(values, j, i);
          }
          y.push_back(out);
        }
      }
    }
    return y;
  }

  float scale() const { return 1.0f / std::sqrt(static_cast<float>(shape_.head_dim)); }

 private:
  Shape shape_;
  int64_t length_;
  int64_t stride_ = 0;
  std::vector<float> q_, k_, v_;
  std::vector<int32_t> pages_;
};

std::vector<Shape> shapes() {
  return {{},
          {.n_heads = 3, .n_kv_heads = 1, .head_dim = 20},
          {.n_heads = 7, .n_kv_heads = 7, .head_dim = 5, .dtype = DType::kBF16},
          {.n_heads = 14, .n_kv_heads = 2, .head_dim = 64, .dtype = DType::kBF16},
          {.n_heads = 32, .n_kv_heads = 1, .head_dim = 16, .dtype = DType::kF16},
          {.window = 1},
          {.window = 7, .dtype = DType::kBF16},
          {.n_heads = 6, .n_kv_heads = 2, .head_dim = 24, .window = 33},
          {.window = 64, .dtype = DType::kF16},
          {.n_heads = 6, .n_kv_heads = 2, .head_dim = 40, .dtype = DType::kI8},
          {.n_heads = 5, .n_kv_heads = 1, .head_dim = 7, .window = 9, .dtype = DType::kI8}};
}

// Longer than several stretches, so that nodes are made and joined.
std::vector<Shape> long_shapes() {
  return {{.n_heads = 6, .n_kv_heads = 2, .head_dim = 24, .dtype = DType::kBF16},
          {.n_heads = 16, .n_kv_heads = 1, .head_dim = 16, .dtype = DType::kI8},
          {.n_heads = 2, .n_kv_heads = 1, .head_dim = 16, .window = 700}};
}

void expect_near_double(const Shape& shape, int64_t length) {
  const Sequence sequence(shape, length);
  const std::vector<float> y = sequence.run(best_isa(), 2, length);
  const std::vector<double> expected = sequence.reference();
  // Values are of the order of 1, scores of the order of 4: some tens of roundings. Beside int8
  // queries and weights are rounded to 16 bits.
  double tolerance = shape.dtype == DType::kI8 ? 3e-4 : 4e-6;
  // Of queries and weights 16 bits count.
  if (!has_common_bits(best_isa(), shape.dtype)) tolerance = 2e-5;
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(y[i], expected[i], tolerance) << shape.text() << " element " << i;
  }
}

TEST(Attention, AgreesWithASoftmaxInDouble) {
  for (const Shape& shape : shapes()) expect_near_double(shape, 101);
  for (const Shape& shape : long_shapes()) expect_near_double(shape, 1500);
}

TEST(Attention, StretchesJoinToTheSameBitsWhereverTheyAreComputed) {
  for (const Shape& shape : long_shapes()) {
    const Sequence sequence(shape, 1500);
    const std::vector<float> whole = sequence.run(best_isa(), 1, 1500);
    if (has_common_bits(best_isa(), shape.dtype)) {
      expect_same_bits(sequence.run(Isa::kGeneric, 3, 1500), whole, shape.text() + " generic");
    }
    // Few rows and many threads: sequences are cut into blocks of stretches.
    for (const int64_t chunk : {3, 40, 1000}) {
      expect_same_bits(sequence.run(best_isa(), 8, chunk), whole,
                       shape.text() + " chunks of " + std::to_string(chunk));
    }
  }
}

TEST(Attention, EveryVariantGivesTheGenericVariantsBits) {
  for (const Shape& shape : shapes()) {
    const Sequence sequence(shape, 101);
    const std::vector<float> expected = sequence.run(Isa::kGeneric, 1, 101);
    for (const Isa isa : isas_here()) {
      if (!has_common_bits(isa, shape.dtype)) continue;
      expect_same_bits(sequence.run(isa, 1, 101), expected,
                       shape.text() + " " + std::string(isa_name(isa)));
    }
  }
}

TEST(Attention, ChunksAndThreadsDoNotChangeABit) {
  for (const Shape& shape : shapes()) {
    const Sequence sequence(shape, 101);
    const std::vector<float> whole = sequence.run(best_isa(), 1, 101);
    for (const int64_t chunk : {1, 7, 32, 50}) {
      expect_same_bits(sequence.run(best_isa(), 1, chunk), whole,
                       shape.text() + " chunks of " + std::to_string(chunk));
    }
    for (const int threads : {2, 3, 8}) {
      expect_same_bits(sequence.run(best_isa(), threads, 101), whole, shape.text() + " threads");
      expect_same_bits(sequence.run(best_isa(), threads, 1), whole, shape.text() + " decode");
    }
  }
}

TEST(Attention, SequencesOfAStepDoNotMeet) {
  // Two sequences of one step, the second of them alone: the same bits.
  ThreadPool pool(2);
  const Context context{.pool = pool, .isa = best_isa()};
  constexpr int64_t d = 16;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> q(5 * d), k(5 * d), v(5 * d);
  for (auto* x : {&q, &k, &v}) {
    for (float& value : *x) value = normal(random);
  }
  const int64_t stride = KvCache::page_bytes(DType::kF32, 1, d);
  Result<AlignedBuffer> memory = AlignedBuffer::allocate(static_cast<size_t>(2 * stride));
  const KvCache cache{
      .data = memory->data(), .page_stride_bytes = stride, .n_kv_heads = 1, .head_dim = d};
  const std::vector<int32_t> first_pages{1};
  const std::vector<int32_t> second_pages{0};
  const std::vector<KvSequence> both{
      {.first_row = 0, .n_rows = 2, .start_position = 0, .pages = first_pages},
      {.first_row = 2, .n_rows = 3, .start_position = 0, .pages = second_pages}};
  const auto bytes = static_cast<size_t>(attention_scratch_bytes(2, d));
  Result<AlignedBuffer> scratch = AlignedBuffer::allocate(bytes);
  const auto step = [&](std::span<const KvSequence> sequences) {
    std::vector<float> y(5 * d);
    kv_write(context, {.sequences = sequences,
                       .k = k.data(),
                       .k_stride = d,
                       .v = v.data(),
                       .v_stride = d,
                       .cache = cache});
    attention(context,
              {.sequences = sequences,
               .n_heads = 1,
               .q = q.data(),
               .q_stride = d,
               .scale = 0.25f,
               .cache = cache,
               .y = y.data(),
               .y_stride = d},
              {scratch->data(), bytes});
    return y;
  };
  const std::vector<float> together = step(both);
  const std::vector<float> alone = step(std::span(both).subspan(1));
  expect_same_bits({together.begin() + 2 * d, together.end()}, {alone.begin() + 2 * d, alone.end()},
                   "second sequence");
}

}  // namespace
}  // namespace autoglm
