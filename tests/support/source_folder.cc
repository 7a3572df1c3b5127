// The one file that knows where the checkout lies, so that moving it recompiles nothing else.
#include "support/source_folder.h"

namespace autoglm {

std::string source_folder() { return AUTOGLM_SOURCE_FOLDER; }

}  // namespace autoglm
