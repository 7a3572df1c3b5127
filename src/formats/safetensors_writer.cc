#include "formats/safetensors_writer.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "quant/blocks.h"

namespace autoglm {

std::string safetensors_header(std::span<const TensorPlan> plans) {
  // transformers refuses files that do not say which framework wrote them.
  json::object header{{"__metadata__", json::object{{"format", "pt"}}}};
  size_t offset = 0;
  for (const TensorPlan& plan : plans) {
    AGLM_CHECK(!is_block_format(plan.dtype), "{}: safetensors has no {}", plan.name,
               dtype_info(plan.dtype).name);
    const size_t end = offset + plan.bytes();
    header[plan.name] = json::object{{"dtype", dtype_info(plan.dtype).name},
                                     {"shape", json::array(plan.shape.begin(), plan.shape.end())},
                                     {"data_offsets", json::array{offset, end}}};
    offset = end;
  }
  std::string text = boost::json::serialize(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  std::string result(sizeof length, '\0');
  std::memcpy(result.data(), &length, sizeof length);
  return result + text;
}

Result<TensorFile> create_safetensors(const std::string& path, std::vector<TensorPlan> plans) {
  const std::string header = safetensors_header(plans);
  return TensorFile::create(path, header, std::move(plans), 1);
}

}  // namespace autoglm
