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

// What a template expects in the `content` of a message that is text in parts.
enum class ContentFormat {
  kString,  // one text
  kParts,   // the list of {"type": "text", ...}, which the template loops over
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

  // Found by rendering a small conversation of which one message has its content as a text or as a
  // list of one part: kParts where both give the same, or where a text is not shown at all. Where
  // the conversation is refused: does the template loop over a message's content?
  ContentFormat content_format(std::string_view role) const;

  struct Program;

 private:
  explicit ChatTemplate(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace autoglm
