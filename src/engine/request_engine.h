// What every engine is to those who hold one, whatever its requests are.
#pragma once

#include <cstdint>
#include <memory>

#include "autoglm/model.h"

namespace autoglm {

class RequestEngine {
 public:
  virtual ~RequestEngine() = default;
  // Unknown numbers are nothing: the request had ended.
  virtual void cancel(uint64_t id) = 0;
  virtual EngineStats stats() const = 0;
  virtual void observe(std::shared_ptr<EngineObserver> observer) = 0;
  // Refuses new requests from now on; returns when none is left, after `timeout_ms` by cancelling.
  virtual void drain(int64_t timeout_ms) = 0;
};

}  // namespace autoglm
