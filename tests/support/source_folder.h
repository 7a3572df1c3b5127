// The checkout that the tests were built from.
#pragma once

#include <string>

namespace autoglm {

std::string source_folder();

}  // namespace autoglm
