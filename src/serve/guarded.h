// Runs work of a request so that what it throws (memory that is not there, mostly) is that
// request's error and nobody else's.
#pragma once

#include <exception>
#include <new>
#include <type_traits>

#include "autoglm/result.h"
#include "base/log.h"

namespace autoglm::serve {

inline Error out_of_memory() {
  return Error{ErrorCode::kUnavailable, "the server has no memory left for this request", "", "",
               ""};
}

// `work` returns a Result<void>, or nothing.
template <class Work>
Result<void> guarded(Work&& work) {
  try {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (const std::bad_alloc&) {
    logger()->warn("no memory left for a request");
    return out_of_memory();
  } catch (const std::exception& problem) {
    logger()->error("a request failed: {}", problem.what());
    return Error{ErrorCode::kInternal, "the request failed inside the server", "", "", ""};
  }
}

}  // namespace autoglm::serve
