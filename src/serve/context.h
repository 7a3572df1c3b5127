// What every route may use, for as long as the service lives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/service.h"
#include "base/json.h"
#include "guard/gate.h"
#include "observe/metrics.h"
#include "serve/access.h"
#include "serve/api/response_store.h"
#include "serve/backend.h"
#include "serve/fair_queue.h"
#include "serve/http/forwarding.h"
#include "serve/redaction.h"
#include "serve/request_task.h"
#include "serve/tenancy.h"
#include "serve/work_queue.h"

namespace autoglm::serve {

struct ServiceContext {
  std::unique_ptr<ModelBackend> backend;
  std::vector<std::string> model_names;  // at least one; the first is the one we answer with
  std::shared_ptr<observe::Metrics> metrics;
  int64_t created = 0;  // seconds since the epoch
  bool chat_page = true;
  AccessRules access;
  mutable guard::Gate gate;  // of the server's thread
  bool forwarded_needs_key = true;
  TrustedProxies proxies;
  std::unique_ptr<Tenancy> tenancy;  // what of it is of the thread that takes requests says so
  std::unique_ptr<const Redaction> redaction;  // nullptr: none
  mutable ResponseStore responses;
  std::function<bool()> draining;
  mutable RequestTasks tasks;
  RequestObservers observers;  // of every request that a route takes; the metrics are one
  // All by tenant. Reading a request, templates and tokenizing: mostly short. Grammars: a new one
  // may take a third of a second. Embeddings: each text is a whole pass through the model.
  std::unique_ptr<FairQueue> prepare;
  std::unique_ptr<FairQueue> grammars;
  std::unique_ptr<FairQueue> embeddings;
  // Long answers:
  // those that take so long to write that they wait for each other, and nobody else for them; one
  // thread, so that what belongs to a request keeps its order.
  std::unique_ptr<WorkQueue> long_answers;

  const std::string& model_name() const { return model_names.front(); }
};

// "chatcmpl-" and 32 random hexadecimal digits.
std::string new_id(std::string_view prefix);
int64_t unix_time();
// "2026-11-30T12:00:00Z"
std::string rfc3339(int64_t unix_seconds);

// The request's `model`, when given, must be one that is served.
Result<void> check_model(const ServiceContext& context, const json::Fields& fields);

}  // namespace autoglm::serve
