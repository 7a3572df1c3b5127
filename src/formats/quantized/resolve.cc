#include "formats/quantized/resolve.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "formats/quantized/methods.h"

namespace autoglm {
namespace {

// The type of the model's weights; what is not said was 16-bit.
DType stored_dtype(const json::Fields& config) {
  for (const char* key : {"torch_dtype", "dtype"}) {
    const json::value* v = config.find(key);
    if (v == nullptr || !v->is_string()) continue;
    if (v->get_string() == "float16") return DType::kF16;
    if (v->get_string() == "float32") return DType::kF32;
  }
  return DType::kBF16;
}

MethodResult method_of(const json::Fields& quantization, std::string_view name, DType stored) {
  if (name == "gptq") return gptq_method(quantization);
  if (name == "awq") return awq_method(quantization);
  if (name == "compressed-tensors") return compressed_tensors_method(quantization, stored);
  if (name == "fp8") return fp8_method(quantization, stored);
  return Error{ErrorCode::kUnsupported, "quantization method is unknown",
               quantization.where() + ": quant_method",
               "gptq, awq, compressed-tensors or fp8 (or a checkpoint without)",
               std::string(name.substr(0, 60))};
}

// The file of AutoGPTQ has no method; that of AutoAWQ has w_bit.
std::string_view own_method(const json::object& config) {
  return config.contains("w_bit") ? "awq" : "gptq";
}

}  // namespace

Result<ResolvedQuantization> resolve_quantization(const json::object& config,
                                                  const json::object* own_config,
                                                  const std::string& where,
                                                  std::vector<StoredTensor> tensors) {
  const json::Fields fields(config, where);
  std::unique_ptr<const QuantizationMethod> method;
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (method != nullptr || fields.find(key) == nullptr) continue;
    const json::Fields quantization = AGLM_TRY(fields.child(key));
    const bool compressed = std::string_view(key) == "compression_config";
    const std::string name =
        AGLM_TRY(compressed ? quantization.string_or("quant_method", "compressed-tensors")
                            : quantization.string("quant_method"));
    method = AGLM_TRY(method_of(quantization, name, stored_dtype(fields)));
  }
  if (method == nullptr && own_config != nullptr) {
    const json::Fields quantization(*own_config, where + ": its own file of quantization");
    const std::string name =
        AGLM_TRY(quantization.string_or("quant_method", own_method(*own_config)));
    method = AGLM_TRY(method_of(quantization, name, stored_dtype(fields)));
  }

  ResolvedQuantization result;
  if (method == nullptr) {
    for (const StoredTensor& tensor : tensors) {
      if (!tensor.name.ends_with(".qweight") && !tensor.name.ends_with(".weight_packed")) continue;
      return Error{ErrorCode::kNotFound, "tensor is quantized, and nothing says how", tensor.where,
                   where + ": quantization_config", "no such field"};
    }
    result.tensors = std::move(tensors);
    return result;
  }

  TensorIndex index;
  for (const StoredTensor& tensor : tensors) index.emplace(tensor.name, &tensor);
  std::set<const StoredTensor*> taken;
  std::vector<StoredTensor> matrices;
  for (const StoredTensor& tensor : tensors) {
    const std::string_view suffix = method->marker(tensor);
    if (suffix.empty()) continue;
    const std::string prefix = tensor.name.substr(0, tensor.name.size() - suffix.size() - 1);
    ModuleTensors module(prefix, index);
    QuantizedModule read = AGLM_TRY(method->read(module));
    const std::string name = prefix + ".weight";
    if (suffix != "weight" && index.contains(name)) {
      return Error{ErrorCode::kCorrupt, "matrix is there twice, quantized and not", tensor.where,
                   "one of them", index.find(name)->second->where};
    }
    std::shared_ptr<QuantizedMatrix> matrix = std::move(read.matrix);
    for (const StoredTensor* part : module.taken()) {
      matrix->parts.push_back(part->bytes);
      taken.insert(part);
    }
    matrices.push_back({.name = name,
                        .where = tensor.where,
                        .dtype = read.dtype,
                        .shape = {read.rows, read.columns},
                        .quantized = std::move(matrix)});
  }
  if (matrices.empty()) {
    return Error{ErrorCode::kCorrupt, "no tensor is quantized", where, method->describe(),
                 fmt::format("{} plain tensors", tensors.size())};
  }
  result.description = method->describe();
  for (StoredTensor& tensor : tensors) {
    if (!taken.contains(&tensor)) result.tensors.push_back(std::move(tensor));
  }
  for (StoredTensor& matrix : matrices) result.tensors.push_back(std::move(matrix));
  return result;
}

}  // namespace autoglm
