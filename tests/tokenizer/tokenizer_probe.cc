// tokenizer_probe PATH: reads lines {"text": "...", "add_special_tokens": true,
// "parse_special": true} from standard input and writes, a line for each, {"ids": [...], "text":
// "...", "text_without_special": "...", "streamed": "..."} or {"error": "..."}. Not a command for
// users: `autoglm tokenize` is.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include "base/json.h"
#include "runtime/load_tokenizer.h"
#include "text/tokenizer.h"

namespace autoglm {
namespace {

Result<json::object> answer(const Tokenizer& tokenizer, const std::string& line) {
  const json::value question = AGLM_TRY(json::parse(line, "standard input"));
  const json::Fields fields = AGLM_TRY(json::fields_of(question, "standard input"));
  EncodeOptions options;
  options.add_special_tokens = AGLM_TRY(fields.boolean_or("add_special_tokens", true));
  options.parse_special = AGLM_TRY(fields.boolean_or("parse_special", true));
  const std::string text = AGLM_TRY(fields.string("text"));
  const std::vector<TokenId> ids = AGLM_TRY(tokenizer.encode(text, options));
  json::object out;
  json::array numbers;
  for (const TokenId id : ids) numbers.push_back(static_cast<int32_t>(id));
  out["ids"] = std::move(numbers);
  out["text"] = AGLM_TRY(tokenizer.decode(ids, false));
  out["text_without_special"] = AGLM_TRY(tokenizer.decode(ids, true));
  StreamDecoder stream(tokenizer, false);
  std::string streamed;
  for (const TokenId id : ids) streamed += stream.push(id);
  out["streamed"] = streamed + stream.finish();
  return out;
}

int run(const std::string& path) {
  const auto start = std::chrono::steady_clock::now();
  const Result<std::shared_ptr<const Tokenizer>> tokenizer = load_tokenizer(path);
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message().c_str());
    return 1;
  }
  const std::chrono::duration<double, std::milli> load_ms =
      std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "loaded in %.0f ms\n", load_ms.count());
  for (std::string line; std::getline(std::cin, line);) {
    const Result<json::object> out = answer(**tokenizer, line);
    const json::object error{{"error", out ? "" : out.error().message()}};
    std::cout << boost::json::serialize(out ? *out : error) << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace autoglm

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tokenizer_probe PATH < lines\n");
    return 2;
  }
  return autoglm::run(argv[1]);
}
