// Answers in every format: any bytes, in pieces. The first byte chooses the format, the second the
// length of the pieces. Read whole and in pieces they must come to the same, calls have names, and
// plain text must come out as it went in.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "text/tools/json_scanner.h"
#include "text/tools/output_parser.h"

namespace {

using namespace autoglm;
using namespace autoglm::tools;

constexpr CallFormat kFormats[] = {
    CallFormat::kNone,   CallFormat::kGlm45,     CallFormat::kGlm4,   CallFormat::kChatGlm3,
    CallFormat::kHermes, CallFormat::kQwenCoder, CallFormat::kLlama3, CallFormat::kMistral};

const ToolCatalog& catalog() {
  static const ToolCatalog kCatalog(
      json::parse(R"([{"function": {"name": "f", "parameters": {"properties":
                      {"a": {"type": "string"}, "b": {"type": "integer"}}}}}])",
                  "tools")
          ->as_array());
  return kCatalog;
}

struct Read {
  std::string content, reasoning;
  std::map<int32_t, std::string> names, arguments;
  bool operator==(const Read&) const = default;
};

Read read(const OutputParserOptions& options, std::string_view text, size_t piece, AnswerEnd end) {
  OutputParser parser(options, catalog());
  Read read;
  const auto take = [&](const std::vector<AnswerDelta>& deltas) {
    for (const AnswerDelta& delta : deltas) {
      switch (delta.kind) {
        case AnswerDelta::Kind::kContent: read.content += delta.text; break;
        case AnswerDelta::Kind::kReasoning: read.reasoning += delta.text; break;
        case AnswerDelta::Kind::kCall: read.names[delta.call] = delta.text; break;
        case AnswerDelta::Kind::kArguments: read.arguments[delta.call] += delta.text; break;
      }
    }
  };
  while (!text.empty()) {
    take(parser.push(text.substr(0, piece)));
    text.remove_prefix(std::min(piece, text.size()));
  }
  take(parser.finish(end));
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 65536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const OutputParserOptions options{
      .format = {.calls = kFormats[data[0] % 8], .reasoning = (data[0] & 8) != 0},
      .in_reasoning = (data[0] & 16) != 0,
      .calls_first = (data[0] & 32) != 0};
  const AnswerEnd end = (data[1] & 16) != 0 ? AnswerEnd::kTurn : AnswerEnd::kCut;
  const Read whole = read(options, text, text.size() + 1, end);
  if (read(options, text, data[1] % 16 + 1, end) != whole) std::abort();
  for (const auto& [call, name] : whole.names) {
    if (name.empty()) std::abort();
  }
  // Text without a single mark is content to the last byte.
  if (text.find_first_of("<[{f \t\r\n`") == text.npos && !options.in_reasoning &&
      whole.content != text) {
    std::abort();
  }
  return 0;
}
