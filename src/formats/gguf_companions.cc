#include "formats/gguf_companions.h"

#include <span>

#include "base/files.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace autoglm {

Result<void> write_gguf_companions(const Checkpoint& checkpoint, const std::string& folder) {
  const auto write = [&](std::string_view name, std::string_view text) {
    return write_file(folder + "/" + std::string(name), std::as_bytes(std::span(text)));
  };
  if (!checkpoint.generation_config().empty()) {
    AGLM_TRY(
        write("generation_config.json", boost::json::serialize(checkpoint.generation_config())));
  }
  AGLM_TRY(write_chat_templates(checkpoint.chat_templates(), folder));
  const MappedFile file = AGLM_TRY(MappedFile::open(checkpoint.path()));
  const Gguf gguf = AGLM_TRY(parse_gguf(file.bytes(), checkpoint.path()));
  return write(kVocabularyName, gguf_without_tensors(file.bytes(), gguf));
}

}  // namespace autoglm
