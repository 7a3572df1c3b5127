// A checkpoint on disk, seen the same way whether it is a Hugging Face directory or a GGUF file: a
// configuration with Hugging Face's keys, and tensors with Hugging Face's names.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/files.h"
#include "base/json.h"
#include "formats/chat_template_source.h"
#include "formats/coded_matrix.h"
#include "tensor/code_row.h"
#include "tensor/dtype.h"

namespace autoglm {

// A matrix that somebody's quantizer spread over several tensors: codes, scales, zero points.
// formats/quantized/ makes them; the tensors' bytes must outlive it.
class QuantizedMatrix {
 public:
  virtual ~QuantizedMatrix() = default;
  // Writes row `row` to out[columns]: the numbers that the method's reference implementation
  // computes. May be called by several threads at once.
  virtual void decode_row(int64_t row, std::span<float> out) const = 0;
  // The form that holds the matrix without rounding, and a row of it; kNone: none does.
  virtual CodeKind code_kind() const { return CodeKind::kNone; }
  virtual void read_codes(int64_t /*row*/, CodeRow& /*out*/) const {}

  std::string label;                              // "GPTQ 4-bit"
  std::vector<std::span<const std::byte>> parts;  // where all of it lies
};

// One tensor, mapped from disk. Rows are the first dimension; each row is stored contiguously.
struct StoredTensor {
  std::string name;   // "model.layers.0.self_attn.q_proj.weight"
  std::string where;  // file and stored name, for errors
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // slowest first, as PyTorch prints it
  // Checked: exactly the size that dtype and shape need. Not aligned: safetensors may put a tensor
  // at any byte. Empty for quantized matrices, and in packed models.
  std::span<const std::byte> bytes;
  // GGUF stores Llama's q and k rows in another order: logical row i is stored row row_order[i].
  // Empty: as stored.
  std::vector<int32_t> row_order;
  // Of dtypes kCodes8 to kCodes2: `bytes` again, and what gives them their meaning.
  std::optional<CodedMatrix> coded;
  // Set: the matrix lies in several tensors, `shape` is what they stand for, and `dtype` is the
  // type that the reference implementation decodes to.
  std::shared_ptr<const QuantizedMatrix> quantized;

  int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
  int64_t columns() const;  // elements of one row: the product of the other dimensions
  // The bytes of logical row i; empty for quantized matrices.
  std::span<const std::byte> row(int64_t i) const;
  int64_t stored_bytes() const;  // on disk
};

class PackFile;

class Checkpoint {
 public:
  enum class Kind {
    kHuggingFace,
    kGguf,
    kPacked,  // what `autoglm pack IN OUT` wrote: no tensor but a few has bytes, pack() has them
  };

  // A directory with config.json, or a .gguf file, of a split one the first part: what find_model()
  // (formats/model_source.h) answers with. Maps the files; reads no weights. The error for what is
  // no checkpoint says what it is instead.
  static Result<std::shared_ptr<const Checkpoint>> open(const std::string& path);
  virtual ~Checkpoint() = default;

  virtual Kind kind() const = 0;
  virtual const std::string& path() const = 0;
  virtual const json::object& config() const = 0;             // as config.json has it
  virtual const json::object& generation_config() const = 0;  // empty when there is none
  virtual NamedTemplates chat_templates() const { return {}; }
  // How somebody quantized the weights ("GPTQ 4-bit, groups of 128"); empty when nobody did, and
  // for GGUF, whose tensors tell for themselves.
  virtual std::string quantization() const { return {}; }
  virtual const std::vector<StoredTensor>& tensors() const = 0;
  const StoredTensor* find(std::string_view name) const;  // nullptr: there is none
  // What the tensors lie in. Empty for a packed model.
  virtual std::vector<const MappedFile*> weight_files() const = 0;
  // The weights of a packed model; nullptr for the other kinds.
  virtual std::shared_ptr<const PackFile> pack() const { return nullptr; }

 protected:
  std::map<std::string, size_t, std::less<>> index_;  // name -> position in tensors()
};

// Writes row `i` of `tensor`, decoded to f32, to out[columns()]. Every dtype a checkpoint may hold.
void decode_row(const StoredTensor& tensor, int64_t i, std::span<float> out);

// Tells the system that nobody will read the tensor soon: its pages need no memory.
void drop_pages(const StoredTensor& tensor);

// How `tensor`, a matrix, can be held as its codes; and row `i` of those.
CodeKind code_kind(const StoredTensor& tensor);
void read_codes(const StoredTensor& tensor, int64_t i, CodeRow& out);

}  // namespace autoglm
