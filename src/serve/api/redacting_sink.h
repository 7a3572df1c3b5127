// Between where answers are taken apart and where they are written: whatever the dialect, it is
// given what may leave.
#pragma once

#include <memory>

#include "serve/api/generation_sink.h"
#include "serve/backend.h"
#include "serve/redaction.h"

namespace autoglm::serve {

// `json_content`: answers are held to be JSON, and still are when they have been redacted.
std::unique_ptr<GenerationSink> redacting_sink(const ModelBackend& backend, bool json_content,
                                               std::shared_ptr<const RequestRedaction> redaction,
                                               std::unique_ptr<GenerationSink> sink);

}  // namespace autoglm::serve
