// Paths and methods to routes; everything that no route takes becomes 404, 405 or 204.
#pragma once

#include <memory>
#include <string_view>

#include "serve/context.h"
#include "serve/http/message.h"

namespace autoglm::serve {

// Answers now or later; may be called from one thread at a time. `context` outlives the exchange.
void route(const ServiceContext& context, Request request,
           const std::shared_ptr<Exchange>& exchange);

// The route's name for metrics: one of a fixed set, "other" for unknown paths.
std::string_view route_label(std::string_view path);
size_t n_routes();  // that have a label
std::string_view method_label(std::string_view method);

}  // namespace autoglm::serve
