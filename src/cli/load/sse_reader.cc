#include "cli/load/sse_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace autoglm::load {

Result<void> SseReader::feed(std::string_view bytes, const OnData& on_data) {
  while (!bytes.empty()) {
    if (after_return_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_return_ = false;
    const size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    line_ += bytes.substr(0, end);
    if (line_.size() + data_.size() > max_event_bytes_) {
      return Error{ErrorCode::kResourceExhausted, "an event of the stream is too long", "answer",
                   fmt::format("at most {} bytes", max_event_bytes_), ""};
    }
    if (end == bytes.size()) return {};
    after_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(on_data);
  }
  return {};
}

void SseReader::end_line(const OnData& on_data) {
  constexpr std::string_view kData = "data";
  if (line_.empty()) {
    if (has_data_) on_data(data_);
    data_.clear();
    has_data_ = false;
    return;
  }
  const size_t colon = std::min(line_.find(':'), line_.size());
  if (std::string_view(line_).substr(0, colon) == kData) {
    std::string_view value = std::string_view(line_).substr(std::min(colon + 1, line_.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }
  line_.clear();
}

}  // namespace autoglm::load
