// Names and bytes of HTTP/1.1 answers.
#include "serve/http/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/check.h"

namespace autoglm::serve {
namespace {

constexpr std::array<std::string_view, 18> kSingleHeaders = {
    "Host",
    "Content-Length",
    "Content-Type",
    "Content-Encoding",
    "Transfer-Encoding",
    "Expect",
    "Authorization",
    "Proxy-Authorization",
    "X-Api-Key",
    "X-Tenant",
    "X-Tenant-ID",
    "X-Request-Id",
    "Anthropic-Version",
    "Traceparent",
    "Origin",
    "Sec-Fetch-Site",
    "Access-Control-Request-Method",
    // A list, but browsers send one line of it, and one is read.
    "Access-Control-Request-Headers",
};

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  // Names of days and months are fixed by RFC 9110, not by the locale.
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                     kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                     parts.tm_sec);
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool is_single_header(std::string_view name) {
  return std::any_of(kSingleHeaders.begin(), kSingleHeaders.end(),
                     [&](std::string_view single) { return same_name(single, name); });
}

std::string_view Request::header(std::string_view name) const {
  AGLM_DCHECK(is_single_header(name), "{} may stand more than once", name);
  for (const Header& h : headers) {
    if (same_name(h.name, name)) return h.value;
  }
  return {};
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

std::string response_head(const Response& response, const std::vector<Header>& common,
                          HeadOptions options) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nServer: autoglm\r\nDate: {}\r\n",
                                 response.status, reason_phrase(response.status), http_date());
  if (!response.content_type.empty()) {
    head += fmt::format("Content-Type: {}\r\n", response.content_type);
  }
  if (options.chunked) {
    if (options.version_minor > 0) head += "Transfer-Encoding: chunked\r\n";
  } else if (response.status != 204) {
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  if (options.close) {
    head += "Connection: close\r\n";
  } else if (options.version_minor == 0) {
    head += "Connection: keep-alive\r\n";
  }
  for (const Header& h : common) head += fmt::format("{}: {}\r\n", h.name, h.value);
  for (const Header& h : response.headers) head += fmt::format("{}: {}\r\n", h.name, h.value);
  head += "\r\n";
  return head;
}

}  // namespace autoglm::serve
