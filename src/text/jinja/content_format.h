// Whether a chat template loops over the parts of a message's content, found without running it.
#pragma once

#include "text/jinja/ast.h"

namespace autoglm::jinja {

bool iterates_content(const Template& parsed);

}  // namespace autoglm::jinja
