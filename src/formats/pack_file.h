// A pack: a model's weights as a device held them, laid out so that the next start maps them and
// is ready (docs/formats/pack.md). The container only: what the bytes of a weight mean is the
// device's business. The bytes of the file are not trusted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/files.h"
#include "formats/checkpoint.h"
#include "formats/model_identity.h"
#include "formats/tensor_file.h"

namespace autoglm {

inline constexpr int64_t kPackPageBytes = 4096;  // every weight begins on a page
// The weights of a packed model's directory.
inline constexpr std::string_view kPackFileName = "autoglm.pack";
struct PackedWeightEntry {
  std::string key;  // of which rows of which tensors it is made
  std::string form;
  std::string format;
  std::string order;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t size_bytes = 0;
  std::span<const std::byte> bytes;  // empty in a header that is to be written
};

struct PackHeader {
  int64_t layout_version = 0;
  int64_t rounding_version = 0;
  std::string architecture;
  std::string quantize;
  // The packed checkpoint: every byte of its weights, and what says how they are meant.
  std::vector<WeightFile> source;
  std::string configuration;  // as SmallFiles
  std::string quantization;
  // The checkpoint's tensors: names, dtypes and shapes; bytes of the few small ones that are no
  // weights but shape the graph.
  std::vector<StoredTensor> tensors;
  std::vector<PackedWeightEntry> weights;
};

// Everything points into `file`. Refused: another version, a header that the file cannot hold,
// weights or tensors that leave the file, overlap, are misaligned or appear twice, shapes that
// contradict sizes.
Result<PackHeader> parse_pack(std::span<const std::byte> file, std::string_view where);

class PackFile {
 public:
  static Result<std::shared_ptr<const PackFile>> open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const PackHeader& header() const { return header_; }
  const PackedWeightEntry* find(std::string_view key) const;  // nullptr: there is none

 private:
  PackFile(MappedFile file, PackHeader header);

  MappedFile file_;
  PackHeader header_;
  std::map<std::string_view, const PackedWeightEntry*> index_;
};

// A file to which the bytes of header.weights are appended in order, after those of the tensors
// that have any. Errors as TensorFile.
Result<TensorFile> create_pack(const std::string& path, const PackHeader& header);

// Where a start looks for a pack of the checkpoint at `path` (a directory or a file), without being
// told: inside the directory, or beside the file.
std::string pack_path_beside(const std::string& path, std::string_view quantize);

}  // namespace autoglm
