// What bench serve reads from a server: a stream of events in pieces. The first byte says how long
// the pieces are; whatever their length, the same answer is read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cli/load/answer_reader.h"
#include "cli/load/endpoint.h"
#include "cli/load/sse_reader.h"

namespace {

using namespace autoglm::load;

AnswerReader read(std::string_view bytes, size_t piece) {
  AnswerReader answer;
  SseReader events(1 << 16);
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    const auto on_data = [&](std::string_view data) { answer.on_data(data, Clock::time_point()); };
    if (!events.feed(part, on_data)) break;
    bytes.remove_prefix(part.size());
  }
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 65536) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const AnswerReader pieces = read(bytes, std::max<size_t>(1, data[0]));
  const AnswerReader whole = read(bytes, bytes.size());
  if (pieces.at_end() != whole.at_end() || pieces.text() != whole.text() ||
      pieces.pieces().size() != whole.pieces().size()) {
    std::abort();
  }
  (void)error_text(bytes);
  (void)parse_url(bytes);
  return 0;
}
