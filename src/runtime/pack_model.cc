#include "runtime/pack_model.h"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/files.h"
#include "devices/device.h"
#include "formats/checkpoint.h"
#include "formats/gguf_companions.h"
#include "formats/model_identity.h"
#include "formats/model_source.h"
#include "formats/pack_file.h"
#include "models/registry.h"
#include "runtime/checkpoint_weights.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

// Tensors that are no weights but shape the graph (rope divisors) have a few hundred elements.
constexpr int64_t kMaxKeptElements = 16384;
// Tokenizers of a quarter million tokens take 20 MiB; what is larger is none of ours.
constexpr uintmax_t kMaxCopiedBytes = uintmax_t{256} << 20;

Error io_error(std::string_view what, const std::string& path, const std::error_code& code) {
  return Error{ErrorCode::kIo, std::string(what), path, "", code.message()};
}

// The small files of a Hugging Face directory: configuration, tokenizer, template, licence.
bool is_copied(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json")) return false;
  for (const char* extension : {".json", ".jinja", ".txt", ".model", ".tiktoken", ".md"}) {
    if (path.extension() == extension) return true;
  }
  return name.starts_with("LICENSE") || name.starts_with("NOTICE");
}

Result<void> copy_small_files(const std::string& from, const std::string& to) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(from, code)) {
    if (!entry.is_regular_file(code) || !is_copied(entry.path())) continue;
    if (entry.file_size(code) > kMaxCopiedBytes) continue;
    const fs::path target = fs::path(to) / entry.path().filename();
    if (!fs::copy_file(entry.path(), target, code)) {
      return io_error("cannot copy", entry.path().string(), code);
    }
  }
  if (code) return io_error("cannot read the directory", from, code);
  return {};
}

// sentence-transformers' modules have a folder each.
Result<void> copy_modules(const std::string& from, const std::string& to) {
  std::error_code code;
  if (!fs::is_regular_file(from + "/modules.json", code)) return {};
  for (const auto& entry : fs::directory_iterator(from, code)) {
    const fs::path config = entry.path() / "config.json";
    if (!entry.is_directory(code) || !fs::is_regular_file(config, code)) continue;
    const fs::path folder = fs::path(to) / entry.path().filename();
    fs::create_directory(folder, code);
    if (code || !fs::copy_file(config, folder / "config.json", code)) {
      return io_error("cannot copy", config.string(), code);
    }
  }
  return {};
}

Result<void> write_text(const std::string& path, std::string_view text) {
  return write_file(path, std::as_bytes(std::span(text)));
}

// A GGUF file's metadata, as the files that a Hugging Face directory has.
Result<void> write_gguf_files(const Checkpoint& checkpoint, const std::string& to) {
  AGLM_TRY(write_text(to + "/config.json", boost::json::serialize(checkpoint.config())));
  return write_gguf_companions(checkpoint, to);
}

Result<void> write_small_files(const Checkpoint& checkpoint, const std::string& to) {
  if (checkpoint.kind() == Checkpoint::Kind::kGguf) return write_gguf_files(checkpoint, to);
  AGLM_TRY(copy_small_files(checkpoint.path(), to));
  AGLM_TRY(copy_modules(checkpoint.path(), to));
  AGLM_TRY(write_chat_templates(checkpoint.chat_templates(), to));  // some lie in a folder
  if (checkpoint.config().contains("quantization_config")) {
    // It told how the tensors were stored, which are packed now.
    json::object config = checkpoint.config();
    config.erase("quantization_config");
    AGLM_TRY(write_text(to + "/config.json", boost::json::serialize(config)));
  }
  return {};
}

// What a checkpoint's pack says, and the decoded bytes that it keeps of small tensors.
struct Described {
  PackHeader header;
  std::vector<std::vector<float>> kept;
};

Result<Described> describe(const Checkpoint& checkpoint, const Model& model, const Device& device,
                           const CheckpointWeights& weights, const DeviceOptions& options,
                           const std::string& quantize) {
  SmallFiles small = AGLM_TRY(digest_small_files(checkpoint));
  Described described{
      .header = {.layout_version = device.weight_layout_version(),
                 .rounding_version = device.weight_rounding_version(),
                 .architecture = model.architecture,
                 .quantize = quantize,
                 .source = digest_weights(
                     checkpoint, {.threads = options.threads, .progress = options.progress}),
                 .configuration = std::move(small.configuration),
                 .quantization = std::move(small.quantization)}};
  std::set<std::string_view> used;
  for (const Weight& weight : model.graph.weights()) {
    for (const WeightPart& part : weight.parts) used.insert(part.tensor);
  }
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    // A matrix without a use would be listed without bytes, and a reader could take it for one that
    // differs from those there are (token_tables() in models/blocks.h).
    if (!used.contains(tensor.name) && tensor.shape.size() != 1) continue;
    StoredTensor& entry = described.header.tensors.emplace_back();
    entry.name = tensor.name;
    entry.dtype = tensor.dtype;
    entry.shape = tensor.shape;
    const int64_t elements = tensor.rows() * tensor.columns();
    if (used.contains(tensor.name) || tensor.shape.size() != 1 || elements < 1 ||
        elements > kMaxKeptElements) {
      continue;
    }
    std::vector<float>& kept = described.kept.emplace_back(static_cast<size_t>(elements));
    for (int64_t i = 0; i < elements; ++i) {
      decode_row(tensor, i, std::span(kept).subspan(static_cast<size_t>(i), 1));
    }
    entry.dtype = DType::kF32;
    entry.bytes = std::as_bytes(std::span(kept));  // moving a vector does not move its elements
  }
  for (WeightDescription& weight :
       AGLM_TRY(device.describe_weights(model.graph, weights, options))) {
    described.header.weights.push_back({.key = std::move(weight.key),
                                        .form = std::move(weight.form),
                                        .format = std::move(weight.format),
                                        .order = std::move(weight.order),
                                        .rows = weight.rows,
                                        .columns = weight.columns,
                                        .size_bytes = weight.bytes});
  }
  return described;
}

Result<int64_t> write_pack(const Checkpoint& checkpoint, const std::string& path,
                           const PackOptions& options) {
  const Model model = AGLM_TRY(build_model(checkpoint));
  const Device* device = AGLM_TRY(find_device("auto"));
  const CheckpointWeights weights = AGLM_TRY(CheckpointWeights::of(checkpoint, *device));
  const auto quantize = AGLM_TRY(parse_quantize(options.quantize));
  const DeviceOptions known{
      .quantize = quantize, .threads = options.threads, .progress = options.progress};
  const Described described =
      AGLM_TRY(describe(checkpoint, model, *device, weights, known, options.quantize));
  TensorFile file = AGLM_TRY(create_pack(path, described.header));
  int64_t total = 0;
  AGLM_TRY(device->pack(model.graph, weights, known, [&](std::span<const std::byte> bytes) {
    total += static_cast<int64_t>(bytes.size());
    return file.append(bytes);
  }));
  AGLM_TRY(file.finish());
  return total;
}

// A directory under a neighbouring name, removed unless it was put in place.
class NewDirectory {
 public:
  explicit NewDirectory(std::string path)
      : path_(std::move(path)), partial_(fmt::format("{}.{}.partial", path_, ::getpid())) {}
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;
  ~NewDirectory() {
    std::error_code ignored;
    if (made_) fs::remove_all(partial_, ignored);
  }

  const std::string& partial() const { return partial_; }

  Result<void> make() {
    std::error_code code;
    if (fs::exists(path_, code) && !(fs::is_directory(path_, code) && fs::is_empty(path_, code))) {
      return Error{ErrorCode::kInvalidArgument, "output is there already", path_,
                   "a new or an empty directory", "something in it"};
    }
    made_ = fs::create_directory(partial_, code);
    if (!made_) return io_error("cannot create the directory", partial_, code);
    return {};
  }

  Result<void> put_in_place() {
    std::error_code code;
    fs::rename(partial_, path_, code);
    if (code) return io_error("cannot rename into place", path_, code);
    made_ = false;
    return {};
  }

 private:
  std::string path_;
  std::string partial_;
  bool made_ = false;
};

}  // namespace

Result<PackedModel> pack_model(const std::string& in, const std::string& out,
                               const PackOptions& options) {
  const std::string found = AGLM_TRY(find_model(in)).path;
  const auto checkpoint = AGLM_TRY(Checkpoint::open(found));
  if (checkpoint->kind() == Checkpoint::Kind::kPacked) {
    return Error{ErrorCode::kInvalidArgument, "model is packed already", found, "a checkpoint",
                 "a packed model"};
  }
  if (out.empty()) {
    const std::string path = pack_path_beside(checkpoint->path(), options.quantize);
    const auto bytes = AGLM_TRY(write_pack(*checkpoint, path, options));
    return PackedModel{path, bytes};
  }
  std::string target = out;
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  NewDirectory directory(target);
  AGLM_TRY(directory.make());
  AGLM_TRY(write_small_files(*checkpoint, directory.partial()));
  const std::string path = fmt::format("{}/{}", directory.partial(), kPackFileName);
  const int64_t bytes = AGLM_TRY(write_pack(*checkpoint, path, options));
  AGLM_TRY(directory.put_in_place());
  return PackedModel{target, bytes};
}

}  // namespace autoglm
