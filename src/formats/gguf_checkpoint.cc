#include "formats/gguf_checkpoint.h"

#include <utility>
#include <vector>

#include "base/files.h"
#include "formats/chat_template_source.h"
#include "formats/gguf.h"
#include "formats/gguf_split.h"
#include "formats/gguf_translation.h"
#include "formats/not_a_checkpoint.h"

namespace autoglm {
namespace {

class GgufCheckpoint final : public Checkpoint {
 public:
  GgufCheckpoint(std::vector<MappedFile> files, NamedTemplates chat_templates,
                 TranslatedGguf translated)
      : files_(std::move(files)),
        chat_templates_(std::move(chat_templates)),
        translated_(std::move(translated)) {
    for (size_t i = 0; i < translated_.tensors.size(); ++i) {
      index_.emplace(translated_.tensors[i].name, i);
    }
  }

  Kind kind() const override { return Kind::kGguf; }
  const std::string& path() const override { return files_.front().path(); }
  const json::object& config() const override { return translated_.config; }
  const json::object& generation_config() const override { return translated_.generation_config; }
  NamedTemplates chat_templates() const override { return chat_templates_; }
  const std::vector<StoredTensor>& tensors() const override { return translated_.tensors; }
  std::vector<const MappedFile*> weight_files() const override {
    std::vector<const MappedFile*> files;
    for (const MappedFile& file : files_) files.push_back(&file);
    return files;
  }

 private:
  std::vector<MappedFile> files_;  // of a split model all parts, the first in front
  NamedTemplates chat_templates_;
  TranslatedGguf translated_;
};

}  // namespace

Result<std::shared_ptr<const Checkpoint>> open_gguf(const std::string& path) {
  std::vector<MappedFile> files;
  files.push_back(AGLM_TRY(MappedFile::open(path)));
  Gguf gguf = AGLM_TRY(parse_gguf(files.front().bytes(), path));
  AGLM_TRY(refuse_companion(gguf));
  AGLM_TRY(add_later_parts(gguf, files));
  TranslatedGguf translated = AGLM_TRY(translate_gguf(gguf));
  NamedTemplates chat_templates = AGLM_TRY(read_chat_templates(path));
  return std::shared_ptr<const Checkpoint>(std::make_shared<GgufCheckpoint>(
      std::move(files), std::move(chat_templates), std::move(translated)));
}

}  // namespace autoglm
