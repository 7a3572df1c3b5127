// Chat templates: the Jinja that real checkpoints use, interpreted as transformers sets it up
// (trim_blocks, lstrip_blocks, loop controls, `raise_exception`, `strftime_now`, `tojson` without
// escapes).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"

namespace autoglm {

class ChatTemplate {
 public:
  // `where` names the source in errors. Errors carry line and column.
  static Result<ChatTemplate> parse(std::string_view source, std::string_view where);

  // `context` holds messages, tools, add_generation_prompt, bos_token, ... A template's own
  // raise_exception("...") becomes an error with that text. Work and output are bounded.
  Result<std::string> render(const json::object& context) const;

  struct Program;

 private:
  explicit ChatTemplate(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace autoglm
