// Server-sent events out of bytes in any split (WHATWG HTML, section 9.2.6), as far as the OpenAI
// API uses them: the data of each event. Comments and other fields are passed over.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::load {

class SseReader {
 public:
  // `max_event_bytes`: an event longer than this is an error, and nothing is read after it.
  explicit SseReader(size_t max_event_bytes) : max_event_bytes_(max_event_bytes) {}

  using OnData = std::function<void(std::string_view data)>;
  // Calls `on_data` for each event that ends in these bytes; its data lines are joined by '\n'.
  Result<void> feed(std::string_view bytes, const OnData& on_data);

 private:
  void end_line(const OnData& on_data);

  const size_t max_event_bytes_;
  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;  // the last byte was '\r': a '\n' now belongs to it
};

}  // namespace autoglm::load
