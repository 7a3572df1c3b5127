// The table. Flags that this program has under the same name have no place here.
#include "cli/foreign_flags.h"

#include <algorithm>
#include <array>

namespace autoglm {
namespace {

// llama.cpp's, vLLM's, TGI's, SGLang's and Ollama's.
constexpr std::array<ForeignFlag, 34> kForeignFlags = {{
    {"-c --ctx-size --n-ctx --context-length --context-window --max-total-tokens "
     "--max-input-length --max-model-length --max-seq-len",
     "--max-model-len", ""},
    {"-ngl --gpu-layers --n-gpu-layers", "--device",
     "all layers are computed in the one place that it names"},
    {"--main-gpu -mg --tensor-split -ts --split-mode -sm", "--device", ""},
    {"--tensor-parallel-size -tp --tp --tp-size --num-shard --pipeline-parallel-size -pp "
     "--pp-size --data-parallel-size -dp --dp-size",
     "", "nothing: one process runs the model on one machine"},
    {"--api-keys", "--api-key", "or a file of them: --api-key-file"},
    {"--ssl-keyfile --ssl-certfile --ssl-key-file --ssl-cert-file", "",
     "nothing: TLS is a proxy's in front of the server"},
    {"--n-predict --predict --max-new-tokens --max-length", "--max-tokens",
     "or max_tokens of a request"},
    {"-p --prompt", "", "the prompt as a word: autoglm generate \"...\""},
    {"-t --threads-batch -tb --n-threads -nt", "--threads", ""},
    {"-hf -hfr --hf-repo --hf-file -hff --model-path --model-id --model-tag", "--model",
     "a hub id in a local cache; nothing is ever downloaded"},
    {"--model-url -mu --download-dir --hf-token -hft", "",
     "nothing: nothing is ever downloaded; --model takes a hub id in a local cache"},
    {"-np --parallel --max-num-seqs --max-running-requests --max-batch-total-tokens",
     "--max-batch-size", ""},
    {"-b --batch-size -ub --ubatch-size --max-num-batched-tokens --chunked-prefill-size "
     "--max-batch-prefill-tokens",
     "--max-batched-tokens", ""},
    {"--gpu-memory-utilization --mem-fraction-static --kv-cache-memory-bytes --cpu-offload-gb "
     "--swap-space",
     "--kv-cache-memory", "as a size, such as 2GiB"},
    {"-ctk -ctv --cache-type-k --cache-type-v --cache-dtype", "--kv-cache-dtype", ""},
    {"--quantization -q", "--quantize", ""},
    {"--dtype", "--quantize", "none keeps the type of the file"},
    {"--max-concurrent-requests --max-queue-size --max-queued-requests", "--max-queue", ""},
    {"-a --alias --model-name", "--served-model-name", ""},
    {"--hostname --bind --listen", "--host", ""},
    {"--allowed-origins --cors-allow-origins --cors", "--cors-allow-origin", ""},
    {"--chat-template-file", "--chat-template", ""},
    {"-sys --system-prompt --system-prompt-file", "--system", "the text itself"},
    {"-s --random-seed", "--seed", ""},
    {"-md --model-draft --speculative-draft-model-path", "--speculative-model", ""},
    {"--draft --draft-max --draft-n --speculative-num-steps", "--num-speculative-tokens", ""},
    {"--speculative-config --speculative-algorithm", "--speculative-method", ""},
    {"--no-enable-prefix-caching --disable-radix-cache --no-cache-prompt",
     "--enable-prefix-caching", "false"},
    {"--no-webui --no-ui", "--chat-page", "false"},
    {"--reasoning-format", "--reasoning-parser", ""},
    {"--enable-auto-tool-choice --jinja --enable-chunked-prefill --cont-batching -cb "
     "--flash-attn -fa --metrics --disable-log-requests",
     "", "nothing: it is always so"},
    {"--trust-remote-code", "", "nothing: no code that comes with a model is ever run"},
    {"--tokenizer --tokenizer-path --tokenizer-mode", "",
     "nothing: the tokenizer is the model's own"},
    {"-v --verbose --log-verbose -lv --uvicorn-log-level", "--log-level", ""},
}};

bool has_name(std::string_view names, std::string_view name) {
  for (size_t at = 0; at <= names.size();) {
    const size_t end = std::min(names.find(' ', at), names.size());
    if (names.substr(at, end - at) == name) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

std::span<const ForeignFlag> foreign_flags() { return kForeignFlags; }

const ForeignFlag* find_foreign_flag(std::string_view flag) {
  for (const ForeignFlag& foreign : kForeignFlags) {
    if (has_name(foreign.names, flag)) return &foreign;
  }
  return nullptr;
}

}  // namespace autoglm
