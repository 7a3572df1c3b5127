// The version of the library that runs, which may differ from the headers a program was built with.
#include "autoglm/version.h"

namespace autoglm {

const char* version() { return kVersion; }

}  // namespace autoglm
