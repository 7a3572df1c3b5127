// The public face of the Jinja interpreter (jinja/).
#include "text/chat_template.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "text/jinja/content_format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace autoglm {

struct ChatTemplate::Program {
  jinja::Template tree;
  ContentFormat otherwise = ContentFormat::kString;  // of roles that were not tried
  std::map<std::string, ContentFormat, std::less<>> content_formats;
};

namespace {

constexpr size_t kMaxSourceBytes = 4 << 20;  // the longest known template has 20 thousand
// For a conversation of a few words.
constexpr jinja::Limits kProbeLimits{.steps = 200'000, .output_bytes = 1 << 20};
constexpr std::string_view kProbe = "Qx7";

json::object message(std::string_view role, json::value content) {
  return {{"role", role}, {"content", std::move(content)}};
}

// A conversation in which a message of that role has this content.
json::object conversation(std::string_view role, const json::value& content) {
  json::array messages;
  if (role == "system") messages.push_back(message(role, content));
  messages.push_back(message("user", role == "user" ? content : json::value("U")));
  if (role == "assistant") {
    messages.push_back(message(role, content));
    messages.push_back(message("user", "V"));
  }
  json::object context;
  if (role == "tool") {
    const json::object function{{"name", "f"}, {"arguments", json::object()}};
    const json::object call{{"id", "abcdefghi"}, {"type", "function"}, {"function", function}};
    json::object calling = message("assistant", "");
    calling["tool_calls"] = json::array{call};
    json::object answer = message(role, content);
    answer["tool_call_id"] = "abcdefghi";
    answer["name"] = "f";
    messages.push_back(std::move(calling));
    messages.push_back(std::move(answer));
    const json::object parameters{{"type", "object"}, {"properties", json::object()}};
    const json::object described{{"name", "f"}, {"description", "d"}, {"parameters", parameters}};
    context["tools"] = json::array{json::object{{"type", "function"}, {"function", described}}};
  } else {
    context["tools"] = nullptr;
  }
  context["messages"] = std::move(messages);
  context["documents"] = nullptr;
  context["add_generation_prompt"] = true;
  context["bos_token"] = "<s>";
  context["eos_token"] = "</s>";
  return context;
}

std::optional<std::string> shown(const jinja::Template& tree, const json::object& context) {
  const auto epoch = std::chrono::system_clock::time_point();
  Result<std::string> text = jinja::Interpreter(tree, kProbeLimits, epoch).run(context);
  if (!text || text->find(kProbe) == std::string::npos) return std::nullopt;
  return std::move(*text);
}

ContentFormat probed(const jinja::Template& tree, std::string_view role, ContentFormat otherwise) {
  const json::value text(kProbe);
  const json::array parts{json::object{{"type", "text"}, {"text", kProbe}}};
  const auto as_text = shown(tree, conversation(role, text));
  const auto as_parts = shown(tree, conversation(role, parts));
  if (!as_text && !as_parts) return otherwise;
  return !as_text || as_text == as_parts ? ContentFormat::kParts : ContentFormat::kString;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view where) {
  if (source.size() > kMaxSourceBytes) {
    return Error{ErrorCode::kTooLarge, "chat template is too large", std::string(where),
                 fmt::format("at most {} bytes", kMaxSourceBytes),
                 fmt::format("{} bytes", source.size())};
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (source.starts_with(kByteOrderMark)) source.remove_prefix(kByteOrderMark.size());
  auto program = std::make_shared<Program>();
  program->tree = AGLM_TRY(jinja::parse_template(source, where));
  program->otherwise =
      jinja::iterates_content(program->tree) ? ContentFormat::kParts : ContentFormat::kString;
  for (const std::string_view role : {"system", "user", "assistant", "tool"}) {
    program->content_formats.emplace(role, probed(program->tree, role, program->otherwise));
  }
  return ChatTemplate(std::move(program));
}

Result<std::string> ChatTemplate::render(const json::object& context) const {
  return render(context, std::chrono::system_clock::now());
}

Result<std::string> ChatTemplate::render(const json::object& context,
                                         std::chrono::system_clock::time_point now) const {
  return jinja::Interpreter(program_->tree, {}, now).run(context);
}

ContentFormat ChatTemplate::content_format(std::string_view role) const {
  const auto found = program_->content_formats.find(role);
  return found == program_->content_formats.end() ? program_->otherwise : found->second;
}

}  // namespace autoglm
