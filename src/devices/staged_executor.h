// A model whose stages (graph/stages.h) are executors in a row, seen as one: what a stage makes of
// a step's rows is handed to the next. A stage may be on another device, or stand for one on
// another machine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "devices/executor.h"

namespace autoglm {

class StagedExecutor : public Executor {
 public:
  // In the order of the model, at least one. Precondition: each takes the columns that the one
  // before hands on, and all have pages of as many tokens.
  explicit StagedExecutor(std::vector<std::unique_ptr<Executor>> stages);

  const ExecutorLimits& limits() const override { return limits_; }
  Result<void> reserve_pages(int32_t n_pages) override;
  // The stages' bytes, one after the other.
  void read_page(int32_t page, std::span<std::byte> out) override;
  void write_page(int32_t page, std::span<const std::byte> bytes) override;
  bool step(const StepInput& input) override;
  std::span<const float> logits(int32_t index) const override { return last().logits(index); }
  std::span<const float> hidden_state(int32_t index) const override {
    return last().hidden_state(index);
  }

 private:
  const Executor& last() const { return *stages_.back(); }

  std::vector<std::unique_ptr<Executor>> stages_;
  ExecutorLimits limits_;
};

}  // namespace autoglm
