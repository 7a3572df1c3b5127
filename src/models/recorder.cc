#include "models/recorder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace autoglm {
namespace {

std::string text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

WeightId Recorder::add(const std::string& name, std::vector<int64_t> shape, WeightRole role) {
  if (const auto known = weights_.find(name); known != weights_.end()) return known->second;
  const int64_t rows = shape[0];
  const int64_t columns = shape.size() > 1 ? shape[1] : 1;
  check(name, shape);
  parameters_ += rows * columns;
  const WeightId id = graph_.add_weight(
      {.role = role, .rows = rows, .columns = columns, .parts = {{name, 0, rows}}});
  weights_.emplace(name, id);
  return id;
}

void Recorder::check(const std::string& name, const std::vector<int64_t>& shape) {
  if (error_) return;
  const StoredTensor* tensor = checkpoint_->find(name);
  if (tensor == nullptr) {
    error_ = Error{ErrorCode::kNotFound, "tensor is missing",
                   fmt::format("{}: {}", checkpoint_->path(), name), text(shape), "no such tensor"};
  } else if (tensor->shape != shape) {
    error_ = Error{ErrorCode::kCorrupt, "tensor has the wrong shape for config.json",
                   tensor->where.empty() ? name : tensor->where, text(shape), text(tensor->shape)};
  }
}

WeightId Recorder::stacked(const std::vector<Part>& parts, int64_t columns, int64_t members,
                           WeightRole role) {
  Weight weight{.role = role, .columns = columns, .members = members};
  for (const Part& part : parts) {
    check(part.name, {part.rows, columns});
    parts_.insert(part.name);
    weight.parts.push_back({part.name, 0, part.rows});
    weight.rows += part.rows;
  }
  parameters_ += weight.rows * columns;
  return graph_.add_weight(std::move(weight));
}

bool Recorder::used(std::string_view name) const {
  return weights_.contains(name) || parts_.contains(name) ||
         std::ranges::any_of(ignored_,
                             [&](const std::string& prefix) { return name.starts_with(prefix); });
}

WeightId Recorder::matrix(const std::string& name, int64_t rows, int64_t columns, WeightRole role) {
  return add(name, {rows, columns}, role);
}

WeightId Recorder::vector(const std::string& name, int64_t n) {
  return add(name, {n}, WeightRole::kVector);
}

Result<Graph> Recorder::finish() && {
  if (error_) return *std::move(error_);
  AGLM_CHECK(graph_.output(kHiddenOutput) >= 0, "a model of {} nodes without hidden states",
             graph_.nodes().size());
  return std::move(graph_);
}

}  // namespace autoglm
