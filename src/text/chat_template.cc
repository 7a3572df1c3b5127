// The public face of the Jinja interpreter (jinja/).
#include "text/chat_template.h"

#include <fmt/format.h>

#include "text/jinja/content_format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace autoglm {

namespace {
constexpr size_t kMaxSourceBytes = 4 << 20;  // the longest known template has 20 thousand
}

struct ChatTemplate::Program {
  jinja::Template tree;
  ContentFormat content_format = ContentFormat::kString;
};

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view where) {
  if (source.size() > kMaxSourceBytes) {
    return Error{ErrorCode::kResourceExhausted, "chat template is too large", std::string(where),
                 fmt::format("at most {} bytes", kMaxSourceBytes),
                 fmt::format("{} bytes", source.size())};
  }
  auto program = std::make_shared<Program>();
  program->tree = AGLM_TRY(jinja::parse_template(source, where));
  program->content_format =
      jinja::iterates_content(program->tree) ? ContentFormat::kParts : ContentFormat::kString;
  return ChatTemplate(std::move(program));
}

Result<std::string> ChatTemplate::render(const json::object& context) const {
  return render(context, std::chrono::system_clock::now());
}

Result<std::string> ChatTemplate::render(const json::object& context,
                                         std::chrono::system_clock::time_point now) const {
  return jinja::Interpreter(program_->tree, {}, now).run(context);
}

ContentFormat ChatTemplate::content_format() const { return program_->content_format; }

}  // namespace autoglm
