#include "formats/hugging_face.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <utility>

#include "base/files.h"
#include "base/log.h"
#include "formats/chat_template_source.h"
#include "formats/expert_tensors.h"
#include "formats/gguf.h"
#include "formats/not_a_checkpoint.h"
#include "formats/pack_file.h"
#include "formats/quantized/resolve.h"
#include "formats/safetensors.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxIndexBytes = size_t{256} << 20;
constexpr size_t kMaxShards = 10'000;

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

class HuggingFaceCheckpoint final : public Checkpoint {
 public:
  explicit HuggingFaceCheckpoint(std::string directory) : directory_(std::move(directory)) {}

  Kind kind() const override { return pack_ ? Kind::kPacked : Kind::kHuggingFace; }
  const std::string& path() const override { return directory_; }
  const json::object& config() const override { return config_; }
  const json::object& generation_config() const override { return generation_config_; }
  NamedTemplates chat_templates() const override { return chat_templates_; }
  std::string quantization() const override { return quantization_; }
  const std::vector<StoredTensor>& tensors() const override { return tensors_; }

  std::vector<const MappedFile*> weight_files() const override {
    std::vector<const MappedFile*> files;
    for (const MappedFile& file : files_) files.push_back(&file);
    return files;
  }
  std::shared_ptr<const PackFile> pack() const override { return pack_; }

  Result<void> load() {
    config_ = AGLM_TRY(read_object("config.json"));
    if (is_file(in("generation_config.json"))) {
      generation_config_ = AGLM_TRY(read_object("generation_config.json"));
    }
    chat_templates_ = AGLM_TRY(read_chat_templates(directory_));
    if (is_file(in("model.safetensors"))) {
      AGLM_TRY(add_file("model.safetensors", nullptr));
    } else if (is_file(in("model.safetensors.index.json"))) {
      AGLM_TRY(add_shards());
    } else if (is_file(in(kPackFileName))) {
      return add_pack();
    } else {
      return explain_directory(directory_);
    }
    if (const auto coded = AGLM_TRY(read_coded_config(config_, in("config.json")))) {
      return join(*coded);
    }
    return resolve();
  }

 private:
  using WeightMap = std::map<std::string, std::string>;

  std::string in(std::string_view name) const { return fmt::format("{}/{}", directory_, name); }

  Result<json::object> read_object(std::string_view name) const {
    json::value document =
        AGLM_TRY(json::parse_file(in(name), {.max_bytes = kMaxConfigBytes, .max_depth = 64}));
    AGLM_TRY(json::fields_of(document, in(name)));
    return std::move(document.get_object());
  }

  Result<void> add_shards() {
    const std::string name = in("model.safetensors.index.json");
    const json::value index = AGLM_TRY(json::parse_file(name, {.max_bytes = kMaxIndexBytes}));
    const WeightMap weight_map = AGLM_TRY(parse_shard_index(index, name));
    std::set<std::string> files;
    for (const auto& [tensor, file] : weight_map) files.insert(file);
    for (const std::string& file : files) {
      if (!is_file(in(file))) {
        return Error{ErrorCode::kNotFound, "index names a file that does not exist", name, in(file),
                     "no such file"};
      }
      AGLM_TRY(add_file(file, &weight_map));
    }
    // A tensor that nobody needs may be missing; one that the model needs is refused by name when
    // its graph is recorded.
    for (const auto& [tensor, file] : weight_map) {
      if (!index_.contains(tensor)) {
        logger()->info("{}: {} is not in {}", name, printable(tensor), file);
      }
    }
    return {};
  }

  // With an index, a tensor that it places in another file is left out; one that it does not name
  // is taken, as transformers does.
  Result<void> add_file(const std::string& file, const WeightMap* weight_map) {
    files_.push_back(AGLM_TRY(MappedFile::open(in(file))));
    std::vector<StoredTensor> found = AGLM_TRY(parse_safetensors(files_.back().bytes(), in(file)));
    for (StoredTensor& tensor : found) {
      if (weight_map != nullptr) {
        const auto place = weight_map->find(tensor.name);
        if (place != weight_map->end() && place->second != file) continue;
      }
      if (!index_.emplace(tensor.name, tensors_.size()).second) {
        return Error{ErrorCode::kCorrupt, "two files hold the tensor", tensor.where, "one",
                     tensors_[index_.find(tensor.name)->second].where};
      }
      tensors_.push_back(std::move(tensor));
    }
    return {};
  }

  Result<void> add_pack() {
    pack_ = AGLM_TRY(PackFile::open(in(kPackFileName)));
    tensors_ = pack_->header().tensors;
    for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
    return {};
  }

  // What `autoglm quantize` wrote.
  Result<void> join(const CodedConfig& coded) {
    quantization_ = std::string(kCodedQuantMethod);
    tensors_ = AGLM_TRY(join_coded(std::move(tensors_), coded));
    index_.clear();
    for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
    return {};
  }

  // Matrices that a quantizer spread over several tensors become one each.
  Result<void> resolve() {
    std::optional<json::object> own;
    for (const char* name : {"quantize_config.json", "quant_config.json"}) {
      if (!own && is_file(in(name))) own = AGLM_TRY(read_object(name));
    }
    ResolvedQuantization resolved = AGLM_TRY(resolve_quantization(
        config_, own ? &*own : nullptr, in("config.json"), std::move(tensors_)));
    quantization_ = std::move(resolved.description);
    tensors_ = AGLM_TRY(split_fused_experts(std::move(resolved.tensors)));
    index_.clear();
    for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
    return {};
  }

  std::string directory_;
  json::object config_;
  json::object generation_config_;
  NamedTemplates chat_templates_;
  std::vector<MappedFile> files_;
  std::string quantization_;
  std::shared_ptr<const PackFile> pack_;
  std::vector<StoredTensor> tensors_;
};

bool is_plain_file_name(std::string_view name) {
  return !name.starts_with('.') && name.ends_with(".safetensors") && name.size() <= 255 &&
         name.find('/') == std::string_view::npos && name.find('\\') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

Result<std::map<std::string, std::string>> parse_shard_index(const json::value& index,
                                                             std::string_view where) {
  const json::Fields fields = AGLM_TRY(json::fields_of(index, where));
  const json::Fields weight_map = AGLM_TRY(fields.child("weight_map"));
  std::map<std::string, std::string> files_by_tensor;
  std::set<std::string> files;
  for (const auto& entry : weight_map.raw()) {
    const json::value& stored = entry.value();
    const std::string file(stored.is_string() ? std::string_view(stored.get_string()) : "");
    if (!is_plain_file_name(file)) {
      return weight_map.wrong(entry.key(), "the name of a .safetensors file beside the index");
    }
    files.insert(file);
    if (files.size() > kMaxShards) {
      return Error{ErrorCode::kResourceExhausted, "index names too many files", weight_map.where(),
                   fmt::format("at most {}", kMaxShards), "more"};
    }
    files_by_tensor.emplace(entry.key(), file);
  }
  if (files.empty()) return fields.wrong("weight_map", "at least one tensor");
  return files_by_tensor;
}

Result<std::shared_ptr<const Checkpoint>> open_hugging_face(const std::string& directory) {
  auto checkpoint = std::make_shared<HuggingFaceCheckpoint>(directory);
  AGLM_TRY(checkpoint->load());
  return std::shared_ptr<const Checkpoint>(std::move(checkpoint));
}

}  // namespace autoglm
