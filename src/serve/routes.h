// The table of routes: which path and method, who may, and what is done.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "guard/scopes.h"
#include "serve/route_call.h"

namespace autoglm::serve {

// Who may: everybody, also where keys are asked for, or a key with that scope. Nothing is for
// everybody by not saying so.
struct Who {
  bool everybody = false;
  guard::Scope scope = guard::Scope::kInference;
};

// May take the request apart.
using RouteFunction = void (*)(const Call&, Request&);

struct Route {
  std::string_view method;
  std::string_view path;
  Who who;
  RouteFunction run;
  ErrorForm errors = ErrorForm::kOpenAi;
};

// The routes of a path: one for each method.
std::span<const Route> find_routes(std::string_view path);
// Whose clients ask at `path`, also where there is no route.
ErrorForm error_form(const Route* found, std::string_view path);
size_t n_paths();

}  // namespace autoglm::serve
