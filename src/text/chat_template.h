// Chat templates: the Jinja that real checkpoints use, interpreted as transformers sets it up
// (trim_blocks, lstrip_blocks, loop controls, `raise_exception`, `strftime_now`, `tojson` without
// escapes).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"

namespace autoglm {

// What a template expects in a message's `content`.
enum class ContentFormat {
  kString,  // text
  kParts,   // text, or a list of {"type": "text", ...} that the template loops over
};

class ChatTemplate {
 public:
  // `where` names the source in errors. Errors carry line and column.
  static Result<ChatTemplate> parse(std::string_view source, std::string_view where);

  // `context` holds messages, tools, add_generation_prompt, bos_token, ... A template's own
  // raise_exception("...") becomes an error with that text. Work and output are bounded.
  Result<std::string> render(const json::object& context) const;

  // As if the time, which strftime_now tells, were `now`.
  Result<std::string> render(const json::object& context,
                             std::chrono::system_clock::time_point now) const;

  // Found by reading the template: does it loop over a message's content?
  ContentFormat content_format() const;

  struct Program;

 private:
  explicit ChatTemplate(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace autoglm
