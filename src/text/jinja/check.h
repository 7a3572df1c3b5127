// What jinja2 finds while compiling, on the parsed tree: unknown filters and tests, break outside
// of a loop, assignments to `loop`. It also resolves filters and tests to their functions and
// notes which special variables a macro or a loop body uses.
#pragma once

#include "text/jinja/ast.h"

namespace autoglm::jinja {

Result<void> check_template(Template& parsed);

}  // namespace autoglm::jinja
