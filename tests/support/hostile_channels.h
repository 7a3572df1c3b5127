// A checkpoint with the same function in f32, and with channels that are hostile to rounding: some
// are `factor` times as large in the activations, and as much smaller in the weights that meet
// them. That is what trained transformers have more of the larger they are. In norms (their
// weights, against the next matrices' columns), inside the MLP (rows of up_proj against columns of
// down_proj) and inside attention (rows of v_proj against columns of o_proj).
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "devices/weight_source.h"
#include "quant/grid.h"

namespace autoglm {

struct HostileShape {
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
};

class HostileChannels : public WeightSource {
 public:
  // `grid`: matrices of layers are handed on as codes of this kind, kNone: as floats.
  HostileChannels(const WeightSource& plain, const HostileShape& shape, float factor,
                  CodeKind grid = CodeKind::kNone)
      : plain_(&plain), shape_(shape), factor_(factor), grid_(grid) {}

  Result<OpenTensor> open(std::string_view name) const override {
    OpenTensor plain = AGLM_TRY(plain_->open(name));
    const bool on_grid = grid_ != CodeKind::kNone && name.ends_with("_proj.weight");
    return OpenTensor(std::make_unique<Tensor>(std::move(plain), change_of(name), columns_of(name),
                                               on_grid ? grid_ : CodeKind::kNone));
  }

 private:
  struct Change {
    std::set<int64_t> rows, columns;
    float row_factor = 1;
    float column_factor = 1;
    void apply(int64_t row, std::span<float> values) const {
      if (rows.contains(row)) {
        for (float& v : values) v *= row_factor;
      }
      for (const int64_t column : columns) values[static_cast<size_t>(column)] *= column_factor;
    }
  };

  class Tensor : public SourceTensor {
   public:
    // `columns` count where there is a grid.
    Tensor(OpenTensor plain, Change change, int64_t columns, CodeKind grid)
        : SourceTensor({.dtype = DType::kF32, .code_kind = grid}, plain->where()),
          plain_(std::move(plain)),
          change_(std::move(change)),
          columns_(columns) {}

    void read_rows(RowRange rows, std::span<float> out) const override {
      const size_t columns = out.size() / static_cast<size_t>(rows.n);
      for (int64_t i = 0; i < rows.n; ++i) {
        const auto row = out.subspan(static_cast<size_t>(i) * columns, columns);
        changed_row(rows.begin + i, row);
        // What the codes stand for is the reference.
        if (form().code_kind != CodeKind::kNone) stand_for(codes_of(row), row);
      }
    }
    void read_codes(RowRange rows, std::span<CodeRow> out) const override {
      for (int64_t i = 0; i < rows.n; ++i) {
        CodeRow& codes = out[static_cast<size_t>(i)];
        std::vector<float> row(static_cast<size_t>(columns_));
        changed_row(rows.begin + i, row);
        codes = codes_of(row);
      }
    }
    void release() const override { plain_->release(); }

   private:
    void changed_row(int64_t row, std::span<float> out) const {
      plain_->read_rows({row, 1}, out);
      change_.apply(row, out);
    }
    CodeRow codes_of(std::span<const float> row) const {
      CodeRow codes;
      codes_on_grid(form().code_kind, row, codes);
      return codes;
    }
    static void stand_for(const CodeRow& codes, std::span<float> row) {
      for (size_t i = 0; i < row.size(); ++i) {
        row[i] = codes.scales[i / 32] * static_cast<float>(codes.codes[i]) - codes.minima[i / 32];
      }
    }

    OpenTensor plain_;
    Change change_;
    int64_t columns_;
  };

  // A few, from all over.
  static std::set<int64_t> channels(int64_t n) { return {3, n / 2 + 5, n - 2}; }

  int64_t columns_of(std::string_view name) const {
    if (name.ends_with("down_proj.weight")) return shape_.intermediate;
    if (name.ends_with("o_proj.weight")) return shape_.n_heads * shape_.head_dim;
    return shape_.hidden;
  }

  Change change_of(std::string_view name) const {
    const auto is = [&](std::string_view end) { return name.ends_with(end); };
    const float up = factor_;
    const float down = 1 / factor_;
    if (is("input_layernorm.weight") || is("post_attention_layernorm.weight")) {
      return {.rows = channels(shape_.hidden), .row_factor = up};
    }
    Change change;
    if (is("q_proj.weight") || is("k_proj.weight") || is("v_proj.weight") ||
        is("gate_proj.weight") || is("up_proj.weight")) {
      change.columns = channels(shape_.hidden);
      change.column_factor = down;
    }
    change.row_factor = up;
    if (is("gate_up_proj.weight")) {
      for (const int64_t c : channels(shape_.intermediate))
        change.rows.insert(shape_.intermediate + c);
    } else if (is("up_proj.weight")) {
      change.rows = channels(shape_.intermediate);
    } else if (is("v_proj.weight")) {
      change.rows = channels(shape_.n_kv_heads * shape_.head_dim);
    } else if (is("down_proj.weight")) {
      change.columns = channels(shape_.intermediate);
      change.column_factor = down;
    } else if (is("o_proj.weight")) {
      const int64_t share = shape_.n_heads / shape_.n_kv_heads;
      for (const int64_t c : channels(shape_.n_kv_heads * shape_.head_dim)) {
        for (int64_t i = 0; i < share; ++i) {
          const int64_t head = c / shape_.head_dim * share + i;
          change.columns.insert(head * shape_.head_dim + c % shape_.head_dim);
        }
      }
      change.column_factor = down;
    }
    return change;
  }

  const WeightSource* plain_;
  HostileShape shape_;
  float factor_;
  CodeKind grid_;
};

}  // namespace autoglm
