// Who asks, and what became of it: what the service tells metrics, traces and the like of every
// request that a route takes. Prompts and answers are not among it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "autoglm/generation.h"
#include "autoglm/result.h"

namespace autoglm::observe {

// Where a request stands in its caller's trace (W3C Trace Context, level 1).
struct TraceContext {
  std::string trace_id{};   // 32 hexadecimal digits; empty: the caller traces nothing
  std::string parent_id{};  // 16, of the caller's span
  bool sampled = false;     // the caller may have recorded it
};

// Made once, where a request is routed; never changed afterwards.
struct RequestContext {
  std::string id{};          // the answer's X-Request-Id, and the engine's for its generations
  std::string_view route{};  // of a fixed set: "/v1/chat/completions"
  std::string principal{};   // who has proved who it is; empty where nobody is asked to
  std::string client{};      // the address of who asks, behind proxies that are trusted
  std::string key_id{};      // of the key that was shown, as usage is counted by it
  // Whose work it is: the key's tenant, or what X-Tenant says where that is to be believed; where
  // no keys are asked for, else the body's `user` as it is spelled there.
  std::string tenant{};
  bool tenant_outranks = false;  // one of the first two: whatever the body says
  TraceContext trace{};
  // Of the transport, where it carries one; the field `timeout_ms` may ask for an earlier one.
  std::optional<std::chrono::steady_clock::time_point> deadline{};
};

// An error that a request has ended with, and who has met it.
struct RequestFailure {
  const Error& error;
  bool of_engine = false;  // which counts its own (EngineStats::internal_errors)
  Usage usage{};           // of what had been made until then
};

// Every request is started, and then finished or failed, once; one that is dropped with the service
// may be neither. Called on any thread, which waits: be quick.
class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  virtual void started(const RequestContext&) {}
  virtual void first_token(const RequestContext&) {}  // of a generation
  virtual void finished(const RequestContext&, const Usage&) {}
  virtual void failed(const RequestContext&, const RequestFailure&) {}
};

}  // namespace autoglm::observe
