#include "formats/synthetic.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "formats/safetensors_writer.h"
#include "formats/shape.h"
#include "formats/synthetic_model.h"
#include "formats/synthetic_vocabulary.h"
#include "quant/blocks.h"
#include "quant/half.h"

namespace autoglm {
namespace {

constexpr float kDeviation = 0.02f;  // transformers' initializer_range

// splitmix64 (Steele, Lea, Flood 2014): a good hash of a counter, one multiply-xor chain a number.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t hash(std::string_view text, uint64_t seed) {
  for (const char c : text) seed = mix(seed ^ static_cast<unsigned char>(c));
  return seed;
}

// Sums of four uniform numbers: within 3.5 deviations, close to normal and far cheaper to draw for
// a billion weights.
void fill_row(uint64_t state, float mean, std::span<float> row) {
  // Four times the variance of 0 .. 65535, (2^32 - 1) / 12, has the root 37837.2.
  constexpr float kScale = kDeviation / 37837.2f;
  for (float& value : row) {
    const uint64_t bits = mix(state++);
    const auto sum = static_cast<int64_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                          (bits >> 32 & 0xffff) + (bits >> 48));
    value = mean + static_cast<float>(sum - 131070) * kScale;
  }
}

// llama.cpp's row `stored` of a head is transformers' row of this number.
int64_t logical_row(int64_t stored, int64_t rows, int64_t heads) {
  if (heads == 0) return stored;
  const int64_t dim = rows / heads;
  const int64_t in_head = stored % dim;
  return stored - in_head + in_head / 2 + in_head % 2 * (dim / 2);
}

DType stored_dtype(const SyntheticTensor& tensor, DType matrices, bool gguf) {
  return gguf && (tensor.shape.size() == 1 || tensor.router) ? DType::kF32 : matrices;
}

std::vector<TensorPlan> plan(const std::vector<SyntheticTensor>& tensors, DType dtype, bool gguf) {
  std::vector<TensorPlan> plans;
  for (const SyntheticTensor& tensor : tensors) {
    plans.push_back(
        {gguf ? tensor.gguf_name : tensor.name, stored_dtype(tensor, dtype, gguf), tensor.shape});
  }
  return plans;
}

Result<void> write_tensor(const SyntheticTensor& tensor, const SyntheticOptions& options, bool gguf,
                          TensorFile& file) {
  // A vector is one row to write, and as many to permute.
  const bool is_vector = tensor.shape.size() == 1;
  const bool stacked = !tensor.experts.empty();
  const int64_t rows = is_vector ? 1 : stacked ? tensor.shape[1] : tensor.shape[0];
  const DType dtype = stored_dtype(tensor, options.dtype, gguf);
  std::vector<float> values(static_cast<size_t>(tensor.shape.back()));
  const TensorPlan row_plan{"", dtype, {1, tensor.shape.back()}};
  std::vector<std::byte> encoded(row_plan.bytes());
  const int64_t heads = gguf ? tensor.permuted_heads : 0;
  const int64_t all_rows = stacked ? rows * tensor.shape[0] : rows;
  uint64_t seed = hash(tensor.name, options.seed);
  for (int64_t at = 0; at < all_rows; ++at) {
    const int64_t row = at % rows;
    if (stacked && row == 0) {
      seed = hash(tensor.experts[static_cast<size_t>(at / rows)], options.seed);
    }
    const int64_t logical = is_vector ? 0 : logical_row(row, rows, heads);
    fill_row(mix(seed ^ mix(static_cast<uint64_t>(logical))), tensor.around_one ? 1.0f : 0.0f,
             values);
    if (is_vector && heads > 0) {
      const std::vector<float> in_order = values;
      const auto size = static_cast<int64_t>(values.size());
      for (int64_t i = 0; i < size; ++i) {
        values[static_cast<size_t>(i)] = in_order[static_cast<size_t>(logical_row(i, size, heads))];
      }
    }
    if (tensor.router) {
      for (float& value : values) value = bf16_to_f32(f32_to_bf16(value));
    }
    encode_elements(dtype, values, encoded);
    AGLM_TRY(file.append(encoded));
  }
  return {};
}

Result<void> write_tensors(const std::vector<SyntheticTensor>& tensors,
                           const SyntheticOptions& options, bool gguf, TensorFile& file) {
  double total = 0;
  for (const TensorPlan& each : plan(tensors, options.dtype, gguf)) {
    total += static_cast<double>(each.bytes());
  }
  double done = 0;
  for (const SyntheticTensor& tensor : tensors) {
    AGLM_TRY(write_tensor(tensor, options, gguf, file));
    done += static_cast<double>(plan({tensor}, options.dtype, gguf)[0].bytes());
    if (options.progress) options.progress(done / total);
  }
  return file.finish();
}

Result<void> write_text(const std::string& path, std::string_view text) {
  return write_file(path, std::as_bytes(std::span(text)));
}

Result<void> write_hugging_face(const SyntheticOptions& options,
                                const std::vector<SyntheticTensor>& tensors) {
  std::error_code failure;
  std::filesystem::create_directories(options.path, failure);
  if (failure) {
    return Error{ErrorCode::kIo, "cannot make the folder", options.path, "", failure.message()};
  }
  const auto in = [&](std::string_view name) { return fmt::format("{}/{}", options.path, name); };
  const SyntheticVocabulary vocabulary = synthetic_vocabulary(options.shape.vocab_size);
  const json::object config = synthetic_config(options.shape, options.dtype);
  AGLM_TRY(write_text(in("config.json"), boost::json::serialize(config)));
  AGLM_TRY(write_text(in("generation_config.json"),
                      boost::json::serialize(json::object{
                          {"eos_token_id", vocabulary.specials_begin}, {"do_sample", false}})));
  AGLM_TRY(write_text(in("tokenizer.json"), tokenizer_json(vocabulary)));
  AGLM_TRY(
      write_text(in("tokenizer_config.json"),
                 boost::json::serialize(json::object{{"tokenizer_class", "PreTrainedTokenizerFast"},
                                                     {"eos_token", "<|endoftext|>"},
                                                     {"pad_token", "<|endoftext|>"},
                                                     {"clean_up_tokenization_spaces", false}})));
  TensorFile file =
      AGLM_TRY(create_safetensors(in("model.safetensors"), plan(tensors, options.dtype, false)));
  return write_tensors(tensors, options, false, file);
}

Result<void> write_gguf(const SyntheticOptions& options,
                        const std::vector<SyntheticTensor>& tensors) {
  GgufMetadata metadata;
  add_synthetic_metadata(options.shape, options.dtype, metadata);
  add_vocabulary(synthetic_vocabulary(options.shape.vocab_size), metadata);
  TensorFile file =
      AGLM_TRY(create_gguf(options.path, metadata, plan(tensors, options.dtype, true)));
  return write_tensors(tensors, options, true, file);
}

}  // namespace

Result<SyntheticShape> synthetic_preset(std::string_view name, std::string_view architecture) {
  const bool mixture_preset = name == "3b-moe";
  if (architecture.empty()) {
    architecture = mixture_preset ? "Qwen3MoeForCausalLM" : "LlamaForCausalLM";
  }
  SyntheticShape shape{.architecture = std::string(architecture)};
  // In order: layers, hidden, intermediate, heads, key and value heads, head, vocabulary, context.
  const auto fill = [&](const std::array<int64_t, 8>& s) {
    shape.layers = s[0];
    shape.hidden_size = s[1];
    shape.intermediate_size = s[2];
    shape.heads = s[3];
    shape.kv_heads = s[4];
    shape.head_dim = s[5];
    shape.vocab_size = s[6];
    shape.max_position_embeddings = s[7];
  };
  if (name == "tiny") {
    fill({2, 256, 512, 4, 2, 64, 512, 512});
  } else if (name == "0.5b") {
    fill({28, 1024, 4096, 16, 4, 64, 32000, 8192});
  } else if (name == "1.4b") {
    fill({28, 2048, 5632, 16, 4, 128, 32000, 8192});
  } else if (mixture_preset) {
    fill({28, 1024, 4096, 16, 4, 128, 32000, 8192});
  } else {
    return Error{ErrorCode::kInvalidArgument, "no such preset", "preset",
                 "tiny, 0.5b, 1.4b or 3b-moe", std::string(name)};
  }
  if (mixture_preset) {
    shape.experts = 64;
    shape.experts_per_token = 8;
    shape.expert_size = 512;
  } else if (has_experts(architecture)) {
    // A token meets as much as it would without experts.
    shape.experts = 8;
    shape.experts_per_token = 2;
    shape.expert_size = shape.intermediate_size / 2;
  }
  AGLM_TRY(check_shape(shape));
  return shape;
}

Result<void> write_synthetic(const SyntheticOptions& options) {
  AGLM_TRY(check_shape(options.shape));
  const bool gguf = options.path.ends_with(".gguf");
  const bool allowed = gguf ? can_encode(options.dtype)
                            : can_encode(options.dtype) && !is_block_format(options.dtype);
  if (!allowed) {
    return Error{ErrorCode::kUnsupported, "weights cannot be written in this format", options.path,
                 gguf ? "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K"
                      : "F32, F16 or BF16",
                 std::string(dtype_info(options.dtype).name)};
  }
  const std::vector<SyntheticTensor> tensors = synthetic_tensors(options.shape, gguf);
  for (const SyntheticTensor& tensor : tensors) {
    AGLM_TRY(stored_bytes(stored_dtype(tensor, options.dtype, gguf), tensor.shape, tensor.name));
  }
  return gguf ? write_gguf(options, tensors) : write_hugging_face(options, tensors);
}

}  // namespace autoglm
