// The one place where a model's name becomes a place on disk, for every command, the service, the
// C++ API and draft models alike (docs/decisions/0162).
#pragma once

#include <string>

#include "autoglm/result.h"

namespace autoglm {

struct ModelSource {
  // A directory, or a .gguf file, of a split model its first part. Weights need not be there: a
  // tokenizer or a template alone is enough for some readers.
  std::string path;
  // What clients call it: a hub id as it was written, else the folder's or the file's own name.
  std::string name;
};

// `name_or_path` is, in this order:
//   ""  or "tiny-glm"        the model that comes with the program
//   PATH                     a directory or file
//   ORG/NAME or NAME         a hub id in a local cache; nothing is ever downloaded
// with :TAG behind a directory or hub id that holds several .gguf files (":Q4_K_M": the one whose
// name contains it), and @REVISION behind a hub id. A folder that holds one .gguf model and no
// other weights stands for that file. The error lists every place searched.
Result<ModelSource> find_model(const std::string& name_or_path);

}  // namespace autoglm
