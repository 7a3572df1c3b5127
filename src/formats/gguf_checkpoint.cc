#include "formats/gguf_checkpoint.h"

#include "formats/chat_template_source.h"

#include <utility>

#include "base/files.h"
#include "formats/gguf.h"
#include "formats/gguf_translation.h"

namespace autoglm {
namespace {

class GgufCheckpoint final : public Checkpoint {
 public:
  GgufCheckpoint(MappedFile file, std::optional<std::string> chat_template,
                 TranslatedGguf translated)
      : file_(std::move(file)),
        chat_template_(std::move(chat_template)),
        translated_(std::move(translated)) {
    for (size_t i = 0; i < translated_.tensors.size(); ++i) {
      index_.emplace(translated_.tensors[i].name, i);
    }
  }

  Kind kind() const override { return Kind::kGguf; }
  const std::string& path() const override { return file_.path(); }
  const json::object& config() const override { return translated_.config; }
  const json::object& generation_config() const override { return translated_.generation_config; }
  std::optional<std::string> chat_template() const override { return chat_template_; }
  const std::vector<StoredTensor>& tensors() const override { return translated_.tensors; }
  std::vector<const MappedFile*> weight_files() const override { return {&file_}; }

 private:
  MappedFile file_;
  std::optional<std::string> chat_template_;
  TranslatedGguf translated_;
};

}  // namespace

Result<std::shared_ptr<const Checkpoint>> open_gguf(const std::string& path) {
  MappedFile file = AGLM_TRY(MappedFile::open(path));
  const Gguf gguf = AGLM_TRY(parse_gguf(file.bytes(), path));
  TranslatedGguf translated = AGLM_TRY(translate_gguf(gguf));
  std::optional<std::string> chat_template = AGLM_TRY(read_chat_template(path));
  return std::shared_ptr<const Checkpoint>(std::make_shared<GgufCheckpoint>(
      std::move(file), std::move(chat_template), std::move(translated)));
}

}  // namespace autoglm
