// What the HTTP layer hands to the routes and takes back: a whole request, a whole answer or a
// stream of pieces. No sockets and no JSON here.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace autoglm::serve {

struct Header {
  std::string name;
  std::string value;
};

// Names of headers are the same in any case.
bool same_name(std::string_view a, std::string_view b);

struct Request {
  std::string method;  // "GET"; case matters
  std::string target;  // as sent
  std::string path;    // target without scheme, authority and query; percent-decoded
  std::string query;   // after '?', as sent
  int version_minor = 1;
  bool keep_alive = true;
  std::string peer;             // the address at the other end: "127.0.0.1", "::1"
  std::string id;               // what the server calls it; empty without ServerHooks::id_of
  std::vector<Header> headers;  // of the head: fields behind a chunked body are dropped
  std::string body;
  // Counts the body among those that the server holds, for as long as somebody keeps this.
  std::shared_ptr<const void> held;

  // The header of that name (any case), or empty. Precondition: is_single_header(name); the parser
  // refuses a second one.
  std::string_view header(std::string_view name) const;
};

// Headers of which a request may have one: those that are read here, and those that others on the
// way decide by. Two readers of a second one could each take another.
bool is_single_header(std::string_view name);

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<Header> headers;
  std::string body;
};

std::string_view reason_phrase(int status);

// The status line and headers. `chunked` in place of a Content-Length; `close` announces the end of
// the connection. `common`: headers of every answer.
struct HeadOptions {
  bool chunked = false;
  bool close = false;
  int version_minor = 1;
};
std::string response_head(const Response& response, const std::vector<Header>& common,
                          HeadOptions options);

// One request being answered. Answers may come from any thread, now or later; calls on an exchange
// whose client has gone, or whose answer has ended, do nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Runs `task` on the thread of the connection, after the tasks posted before it.
  virtual void post(std::function<void()> task) = 0;
  // Headers of the answer, whatever it will be, in place of ones of the same name that were added
  // before. Before it is begun.
  virtual void add_headers(std::vector<Header> headers) = 0;
  virtual void respond(Response response) = 0;
  // A stream: the head once (its body is the first piece), pieces, then the end.
  virtual void start_stream(Response head) = 0;
  virtual void write(std::string piece) = 0;
  virtual void end_stream() = 0;
  // Called once, on the connection's thread, when the client goes away before the answer has ended;
  // at once when it already has. Replaces an earlier function.
  virtual void on_client_gone(std::function<void()> function) = 0;
};

using Handler = std::function<void(Request, std::shared_ptr<Exchange>)>;

}  // namespace autoglm::serve
