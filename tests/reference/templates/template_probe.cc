// Renders chat templates for compare.py: JSON lines {"template", "context", "now"} in,
// {"text"} or {"error", "where"} out. `now` is seconds since 1970 and optional.
#include <chrono>
#include <iostream>
#include <string>

#include "text/chat_template.h"

namespace autoglm {
namespace {

json::object answer(std::string_view line) {
  const auto fail = [](const Error& error) {
    return json::object{
        {"error", error.what}, {"where", error.where}, {"message", error.message()}};
  };
  const Result<json::value> request = json::parse(line, "request");
  if (!request) return fail(request.error());
  const json::object& fields = request->as_object();
  const Result<ChatTemplate> parsed =
      ChatTemplate::parse(fields.at("template").as_string(), "template");
  if (!parsed) return fail(parsed.error());
  const json::object& context = fields.at("context").as_object();
  const json::value* now = fields.if_contains("now");
  const Result<std::string> text =
      now == nullptr
          ? parsed->render(context)
          : parsed->render(context, std::chrono::system_clock::from_time_t(now->as_int64()));
  if (!text) return fail(text.error());
  // Of no role in particular: what the source says, which is what vLLM goes by.
  return {{"text", *text}, {"parts", parsed->content_format("") == ContentFormat::kParts}};
}

}  // namespace
}  // namespace autoglm

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << boost::json::serialize(autoglm::answer(line)) << "\n" << std::flush;
  }
  return 0;
}
