// Events of requests between the step that made them and the callbacks that take them: a callback
// may call the engine, and must find in its numbers all that the step did.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "autoglm/generation.h"
#include "engine/sequence.h"

namespace autoglm {

class UntoldEvents {
 public:
  void add(std::shared_ptr<ActiveRequest> request, GenerationEvent event);
  void add(std::shared_ptr<ActiveRequest> request, Result<std::vector<float>> embedding);

  bool empty() const { return untold_.empty(); }
  // All there are, in order, and those that callbacks add meanwhile. What a callback throws is
  // logged.
  void tell();

 private:
  std::vector<std::function<void()>> untold_;
};

}  // namespace autoglm
