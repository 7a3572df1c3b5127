// Records a model's graph against a checkpoint: weights are asked for by name with the shape that
// the configuration implies, and the first one that is missing or shaped otherwise is remembered,
// so that a model's page reads as if nothing could fail. finish() hands the error over.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "formats/checkpoint.h"
#include "graph/graph.h"

namespace autoglm {

class Recorder {
 public:
  explicit Recorder(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}

  Graph& graph() { return graph_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }

  // A tensor [rows, columns]. The same name gives the same weight.
  WeightId matrix(const std::string& name, int64_t rows, int64_t columns,
                  WeightRole role = WeightRole::kMatrix);
  WeightId vector(const std::string& name, int64_t n);  // a tensor [n]

  bool failed() const { return error_.has_value(); }
  Result<Graph> finish() &&;
  int64_t parameters() const { return parameters_; }  // elements of all weights asked for
  size_t tensors_used() const { return weights_.size(); }
  bool used(std::string_view name) const { return weights_.contains(name); }

 private:
  WeightId add(const std::string& name, std::vector<int64_t> shape, WeightRole role);

  const Checkpoint* checkpoint_;
  Graph graph_;
  std::map<std::string, WeightId, std::less<>> weights_;
  std::optional<Error> error_;
  int64_t parameters_ = 0;
};

}  // namespace autoglm
