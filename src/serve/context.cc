// Small things that several routes need.
#include "serve/context.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <random>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"

namespace autoglm::serve {

std::string new_id(std::string_view prefix) {
  thread_local std::random_device device;  // nobody should guess another's ids
  return fmt::format("{}{:08x}{:08x}{:08x}{:08x}", prefix, device(), device(), device(), device());
}

int64_t unix_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string rfc3339(int64_t unix_seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

Result<void> check_model(const ServiceContext& context, const json::Fields& fields) {
  const auto model = AGLM_TRY(string_field(fields, "model"));
  if (!model || model->empty()) return {};
  for (const std::string& name : context.model_names) {
    if (*model == name) return {};
  }
  return Error{ErrorCode::kNotFound,
               "no such model is served here",
               "model",
               fmt::format("{}", fmt::join(context.model_names, ", ")),
               repair_utf8(utf8_prefix(*model, 100)),
               ErrorReason::kUnknownModel};
}

}  // namespace autoglm::serve
