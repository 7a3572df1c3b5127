// Serving of the chat page.
#include "serve/page.h"

#include <string>

#include "serve/context.h"

namespace autoglm::serve {

Response chat_page_response() {
  const std::string nonce = new_id("");
  constexpr std::string_view kMark = "{{nonce}}";
  std::string body;
  body.reserve(kChatPage.size() + 128);
  std::string_view rest = kChatPage;
  for (size_t at = rest.find(kMark); at != std::string_view::npos; at = rest.find(kMark)) {
    body += rest.substr(0, at);
    body += nonce;
    rest.remove_prefix(at + kMark.size());
  }
  body += rest;
  Response response{.content_type = "text/html; charset=utf-8", .body = std::move(body)};
  response.headers.push_back(
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce +
           "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'"});
  response.headers.push_back({"Referrer-Policy", "no-referrer"});
  response.headers.push_back({"Cache-Control", "no-cache"});
  return response;
}

}  // namespace autoglm::serve
