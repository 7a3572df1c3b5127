// What a path holds that was meant to be a model and is none, and what to do about it: each kind
// that people are known to download by mistake has a sentence of its own.
#pragma once

#include <string>

#include "autoglm/result.h"
#include "formats/gguf.h"

namespace autoglm {

// A directory without config.json, or with it and without weights that we read.
Error explain_directory(const std::string& directory);

// A file that does not begin as a GGUF file does.
Error explain_file(const std::string& path);

// GGUF files that go beside a model: projectors for images, adapters, importance matrices.
Result<void> refuse_companion(const Gguf& gguf);

}  // namespace autoglm
