// A small model with made-up weights, for tests of what runs one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "autoglm/result.h"
#include "devices/weight_source.h"
#include "graph/graph.h"

namespace autoglm::made_up {

// A tensor of so many columns whose rows a function of row and columns makes.
class MadeUpTensor : public SourceTensor {
 public:
  using Row = std::function<void(int64_t row, std::span<float> out)>;
  MadeUpTensor(DType dtype, std::string where, Row row)
      : SourceTensor({.dtype = dtype}, std::move(where)), row_(std::move(row)) {}

  void read_rows(RowRange rows, std::span<float> out) const override {
    const size_t columns = out.size() / static_cast<size_t>(rows.n);
    for (int64_t i = 0; i < rows.n; ++i) {
      row_(rows.begin + i, out.subspan(static_cast<size_t>(i) * columns, columns));
    }
  }

 private:
  Row row_;
};

// Every tensor exists; its elements are a hash of name, row and column, in [-0.25, 0.25), with a
// stretch of the mantissa that bf16 holds exactly.
class MadeUpWeights : public WeightSource {
 public:
  explicit MadeUpWeights(DType dtype) : dtype_(dtype) {}

  Result<OpenTensor> open(std::string_view name) const override {
    if (name == "absent") {
      return Error{ErrorCode::kNotFound, "tensor is missing", "made up", std::string(name), "none"};
    }
    const size_t seed = std::hash<std::string_view>()(name);
    const bool norm = name.find("norm") != std::string_view::npos;
    return OpenTensor(std::make_unique<MadeUpTensor>(
        dtype_, std::string(name),
        [this, tensor = std::string(name), seed, norm](int64_t row, std::span<float> out) {
          for (size_t c = 0; c < out.size(); ++c) {
            uint64_t h = seed + static_cast<uint64_t>(row) * 1000003 + c * 7919;
            h = (h ^ (h >> 31)) * 0x9E3779B97F4A7C15U;
            const auto step = static_cast<int>((h >> 40) % 128) - 64;
            out[c] = static_cast<float>(step) / 256.0F + (norm ? 1.0F : 0.0F);
          }
          damage(tensor, row, out);
        }));
  }

 private:
  // What a test does to rows on their way.
  virtual void damage(std::string_view /*tensor*/, int64_t /*row*/,
                      std::span<float> /*out*/) const {}

  DType dtype_;
};

inline constexpr int64_t kVocab = 50;
inline constexpr int64_t kHidden = 72;
inline constexpr int64_t kInner = 100;

struct Recording {
  Graph graph;
  WeightId matrix(const std::string& name, int64_t rows, int64_t columns,
                  WeightRole role = WeightRole::kMatrix) {
    return graph.add_weight(
        {.role = role, .rows = rows, .columns = columns, .parts = {{name, 0, rows}}});
  }
  WeightId vector(const std::string& name, int64_t n) {
    return matrix(name, n, 1, WeightRole::kVector);
  }
};

// Everything that models use: biases, head norms, partial rope of both kinds, a window, norms after
// sub-layers, separate and fused gate and up, tied output.
inline Graph made_up_model() {
  Recording r;
  Graph& g = r.graph;
  const RopeId interleaved =
      g.add_rope({.inverse_frequencies = {1.0, 0.3, 0.1}, .interleaved = true});
  const RopeId half_split =
      g.add_rope({.inverse_frequencies = {1.0, 0.2, 0.04, 0.008}, .attention_factor = 1.1});
  const WeightId table = r.matrix("embed", kVocab, kHidden, WeightRole::kEmbedding);
  Value x = embedding(g, table);
  for (int32_t i = 0; i < 3; ++i) {
    const std::string p = std::to_string(i) + ".";
    const bool sandwich = i == 1;
    const Value normed = rms_norm(x, r.vector(p + "norm", kHidden), 1e-5F);
    Value q = linear(normed, r.matrix(p + "q", 72, kHidden), r.vector(p + "q.bias", 72));
    Value k = linear(normed, r.matrix(p + "k", 24, kHidden), r.vector(p + "k.bias", 24));
    const Value v = linear(normed, r.matrix(p + "v", 24, kHidden), r.vector(p + "v.bias", 24));
    if (i == 2) {
      q = rms_norm_heads(q, r.vector(p + "q_norm", 12), 1e-6F, 12);
      k = rms_norm_heads(k, r.vector(p + "k_norm", 12), 1e-6F, 12);
    }
    const RopeId turn = i == 2 ? half_split : interleaved;
    const Value attended = attention(rope(q, turn, 12), rope(k, turn, 12), v,
                                     {.layer = i,
                                      .n_heads = 6,
                                      .n_kv_heads = 2,
                                      .head_dim = 12,
                                      .scale = 0.3F,
                                      .window = i == 1 ? 11 : 0});
    Value out = linear(attended, r.matrix(p + "o", kHidden, 72));
    if (sandwich) out = rms_norm(out, r.vector(p + "post_norm", kHidden), 1e-5F);
    x = x + out;
    const Value fed = rms_norm(x, r.vector(p + "mlp_norm", kHidden), 1e-5F);
    Value inner;
    if (sandwich) {
      const Value both = linear(fed, r.matrix(p + "gate_up", 2 * kInner, kHidden));
      inner = swiglu(slice(both, 0, kInner), slice(both, kInner, kInner));
    } else {
      inner = swiglu(linear(fed, r.matrix(p + "gate", kInner, kHidden)),
                     linear(fed, r.matrix(p + "up", kInner, kHidden)));
    }
    x = x + linear(inner, r.matrix(p + "down", kHidden, kInner));
  }
  const Value hidden = rms_norm(select_outputs(x), r.vector("final_norm", kHidden), 1e-5F);
  g.add_output(kLogitsOutput, linear(hidden, table));
  g.add_output(kHiddenOutput, hidden);
  return std::move(r.graph);
}

}  // namespace autoglm::made_up
