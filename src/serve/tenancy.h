// What tenants may have, and what they have had: the state folder's limits and usage joined to the
// counting of requests. Where no key is asked for, nobody is counted.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "autoglm/service.h"
#include "guard/quotas.h"
#include "observe/request_observer.h"
#include "serve/api/errors.h"
#include "serve/http/message.h"

namespace autoglm::serve {

class Tenancy {
 public:
  // `folder`: state_dir_path()'s; empty: there is none, and so are no limits, and usage is lost.
  // Nothing is read or made before somebody has shown a key.
  static Result<std::unique_ptr<Tenancy>> over(std::string folder, const std::string& timezone);
  ~Tenancy();
  Tenancy(const Tenancy&) = delete;
  Tenancy& operator=(const Tenancy&) = delete;

  // Of the thread that takes requests. An error: the limits cannot be read, and nothing is admitted
  // without them.
  Result<guard::Admission> admit(const observe::RequestContext& request, const std::string& model);
  Result<guard::TenantLimits> limits_of(const std::string& tenant);

  // Of any thread. All that has ended until now is in it.
  Result<std::vector<guard::UsageRow>> usage(const guard::UsageQuestion& question);
  const guard::DayClock& clock() const { return quotas_->clock(); }

 private:
  Tenancy(std::string folder, guard::DayClock clock);
  Result<guard::UsageStore*> usage_store();
  Result<void> write_usage();
  void write_now_and_then();

  const std::string folder_;
  std::unique_ptr<guard::TenantStore> tenants_;  // of the thread that takes requests
  const std::shared_ptr<guard::Quotas> quotas_;

  std::mutex mutex_;  // over what follows
  std::optional<guard::UsageStore> usage_;
  std::map<guard::UsageKey, guard::UsageSum> unwritten_;  // what the store could not take
  std::string told_;
  bool ending_ = false;
  std::condition_variable end_;
  std::thread writer_;
};

// "x-ratelimit-limit-requests" and so on, as OpenAI names them.
std::vector<Header> ratelimit_headers(const guard::QuotaStanding& standing);

// 429 with Retry-After, in the words by which OpenAI's clients know it.
Response quota_response(const guard::QuotaRefusal& refusal, ErrorForm form);

}  // namespace autoglm::serve
