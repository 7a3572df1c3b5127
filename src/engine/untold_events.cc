#include "engine/untold_events.h"

#include <exception>
#include <utility>

#include "base/log.h"

namespace autoglm {

void UntoldEvents::add(std::shared_ptr<ActiveRequest> request, GenerationEvent event) {
  untold_.push_back(
      [request = std::move(request), event = std::move(event)] { request->job.on_event(event); });
}

void UntoldEvents::add(std::shared_ptr<ActiveRequest> request,
                       Result<std::vector<float>> embedding) {
  untold_.push_back([request = std::move(request), embedding = std::move(embedding)]() mutable {
    request->job.on_embedding(std::move(embedding));
  });
}

void UntoldEvents::tell() {
  while (!untold_.empty()) {
    for (const auto& tell : std::exchange(untold_, {})) {
      try {
        tell();
      } catch (const std::exception& problem) {  // the callback's affair, and its request's
        logger()->error("an event was not taken: {}", problem.what());
      }
    }
  }
}

}  // namespace autoglm
