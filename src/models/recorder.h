// Records a model's graph against a checkpoint: weights are asked for by name with the shape that
// the configuration implies, and the first one that is missing or shaped otherwise is remembered,
// so that a model's page reads as if nothing could fail. finish() hands the error over.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  // Tensors [rows, columns] of any rows, one below the other, as `members` matrices of equal shape.
  struct Part {
    std::string name;
    int64_t rows = 0;
  };
  WeightId stacked(const std::vector<Part>& parts, int64_t columns, int64_t members,
                   WeightRole role = WeightRole::kMatrix);
  // Tensors whose names begin so belong to the model and are not needed.
  void ignore(std::string prefix) { ignored_.push_back(std::move(prefix)); }
  const std::vector<std::string>& ignored() const { return ignored_; }

  bool failed() const { return error_.has_value(); }
  Result<Graph> finish() &&;
  int64_t parameters() const { return parameters_; }  // elements of all weights asked for
  bool used(std::string_view name) const;

 private:
  WeightId add(const std::string& name, std::vector<int64_t> shape, WeightRole role);
  void check(const std::string& name, const std::vector<int64_t>& shape);

  const Checkpoint* checkpoint_;
  Graph graph_;
  std::map<std::string, WeightId, std::less<>> weights_;
  std::set<std::string, std::less<>> parts_;  // of stacked weights
  std::vector<std::string> ignored_;
  std::optional<Error> error_;
  int64_t parameters_ = 0;
};

}  // namespace autoglm
