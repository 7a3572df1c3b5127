#include "train/quantize/output.h"

#include <array>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "formats/gguf_companions.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMaxCompanionBytes = uintmax_t{256} << 20;

bool is_companion(const fs::directory_entry& entry) {
  constexpr std::array<std::string_view, 8> kWeights{".safetensors", ".bin", ".pt",   ".pth",
                                                     ".gguf",        ".h5",  ".onnx", ".msgpack"};
  std::error_code ignored;
  const std::string name = entry.path().filename().string();
  if (!entry.is_regular_file(ignored) || name.starts_with('.') || name == "config.json")
    return false;
  if (name == "quantize_config.json" || name == "quant_config.json") return false;
  if (name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json")) return false;
  if (entry.file_size(ignored) > kMaxCompanionBytes) return false;
  const std::string extension = entry.path().extension().string();
  for (const std::string_view weights : kWeights) {
    if (extension == weights) return false;
  }
  return true;
}

Error io(std::string what, const std::string& where, const std::error_code& code) {
  return Error{ErrorCode::kIo, std::move(what), where, "", code.message()};
}

}  // namespace

Result<OutputFolder> OutputFolder::create(const std::string& path) {
  fs::path clean = fs::path(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();  // "out/"
  const std::string name = clean.string();
  std::error_code code;
  if (fs::exists(clean, code) && !(fs::is_directory(clean, code) && fs::is_empty(clean, code))) {
    return Error{ErrorCode::kInvalidArgument, "output exists and is not an empty folder", name,
                 "a name that is free", "something there already"};
  }
  const std::string partial = name + ".partial";
  if (fs::exists(partial, code)) {
    return Error{ErrorCode::kInvalidArgument, "an interrupted run left its folder", partial,
                 "no such folder: remove it, unless another run is writing it now", "one"};
  }
  if (!fs::create_directories(partial, code)) {
    return io("cannot create the output folder", partial, code);
  }
  return OutputFolder(name, partial);
}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : path_(std::move(other.path_)), partial_(std::exchange(other.partial_, {})) {}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!partial_.empty()) fs::remove_all(partial_, ignored);
}

std::string OutputFolder::file(const std::string& name) const { return partial_ + "/" + name; }

Result<void> OutputFolder::copy_companions(const Checkpoint& from) const {
  if (from.kind() == Checkpoint::Kind::kGguf) return write_gguf_companions(from, partial_);
  std::error_code code;
  fs::directory_iterator entries(from.path(), code);
  if (code) return io("cannot list the folder", from.path(), code);
  for (const fs::directory_entry& entry : entries) {
    if (!is_companion(entry)) continue;
    const std::string name = entry.path().filename().string();
    if (!fs::copy_file(entry.path(), file(name), code)) {
      return io("cannot copy", entry.path().string(), code);
    }
    fs::permissions(file(name), fs::perms::owner_write, fs::perm_options::add, code);
  }
  return write_chat_templates(from.chat_templates(), partial_);  // some lie in a folder
}

Result<void> OutputFolder::write_config(const json::object& config) const {
  const std::string text = boost::json::serialize(config) + "\n";
  return write_file(file("config.json"), std::as_bytes(std::span(text)));
}

Result<void> OutputFolder::finish() {
  std::error_code code;
  fs::remove(path_, code);  // an empty folder, as create() saw
  fs::rename(partial_, path_, code);
  if (code) return io("cannot move the output into place", path_, code);
  partial_.clear();
  return {};
}

}  // namespace autoglm
