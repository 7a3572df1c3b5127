// tokenizer.json as hostile input: the first line of the input is a text, the rest the document.
// What loads must encode and decode the text without fault, and stream what it decodes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tokenizer.h"
#include "text/tokenizer/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm;
  constexpr size_t kMaxInput = size_t{1} << 16;
  constexpr size_t kMaxText = 256;
  if (size > kMaxInput) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line_end = std::min(input.find('\n'), input.size());
  const std::string_view text = input.substr(0, std::min(line_end, kMaxText));
  const std::string_view document = input.substr(std::min(line_end + 1, input.size()));

  const Result<json::value> parsed = json::parse(document, "tokenizer.json");
  if (!parsed) return 0;
  const Result<std::unique_ptr<Tokenizer>> tokenizer =
      read_tokenizer_json(*parsed, "tokenizer.json", {});
  if (!tokenizer) return 0;
  const Result<std::vector<TokenId>> ids = (*tokenizer)->encode(text);
  if (!ids) return 0;
  const Result<std::string> decoded = (*tokenizer)->decode(*ids, false);
  if (!decoded) return 0;
  for (const TokenId id : *ids) {
    (*tokenizer)->token_bytes(id);
    if ((*tokenizer)->is_special(id) && (*tokenizer)->token_spelling(id).empty()) std::abort();
  }
  StreamDecoder stream(**tokenizer, false);
  std::string streamed;
  for (const TokenId id : *ids) streamed += stream.push(id);
  streamed += stream.finish();
  return 0;
}
