// Reads an answer's text, after its reasoning, in one format: byte by byte, so that the split of
// the text cannot matter. Text that turns out to be no call is given as content, whole.
#pragma once

#include <memory>

#include "text/tools/delta.h"
#include "text/tools/output_format.h"
#include "text/tools/tool_catalog.h"

namespace autoglm::tools {

class CallReader {
 public:
  virtual ~CallReader() = default;
  virtual void byte(char c) = 0;
  // The answer ends here: what was held back is given. A call that is cut off stays as it is.
  virtual void finish() = 0;
};

// `catalog` and `sink` must outlive the reader.
std::unique_ptr<CallReader> make_call_reader(CallFormat format, const ToolCatalog& catalog,
                                             DeltaSink& sink);

// One for each family of formats.
std::unique_ptr<CallReader> make_hermes_reader(const ToolCatalog& catalog, DeltaSink& sink);
std::unique_ptr<CallReader> make_llama_reader(const ToolCatalog& catalog, DeltaSink& sink);
std::unique_ptr<CallReader> make_mistral_reader(const ToolCatalog& catalog, DeltaSink& sink);
std::unique_ptr<CallReader> make_named_reader(CallFormat format, const ToolCatalog& catalog,
                                              DeltaSink& sink);
std::unique_ptr<CallReader> make_tagged_reader(CallFormat format, const ToolCatalog& catalog,
                                               DeltaSink& sink);

}  // namespace autoglm::tools
