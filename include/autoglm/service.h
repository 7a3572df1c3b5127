// GLMService: a loaded model behind HTTP (docs/http-api.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autoglm/model.h"
#include "autoglm/result.h"

#pragma GCC visibility push(default)
namespace autoglm {

struct ServiceOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8000;                           // 0: any free one
  std::vector<std::string> served_model_names{};  // empty: ModelInfo::name
  int64_t max_body_bytes = 16 << 20;
  int64_t max_header_bytes = 16 << 10;
  int32_t max_connections = 1024;
  int64_t read_timeout_ms = 30'000;   // for a whole request to arrive
  int64_t write_timeout_ms = 30'000;  // for a client to take 64 KiB more
  int64_t idle_timeout_ms = 75'000;   // between requests of one connection
  int64_t drain_timeout_ms = 30'000;  // for running answers after stop()
  // Origins whose pages may call the API, separated by commas; "*": all. Empty: no CORS headers.
  std::string cors_allow_origin{};
  // Names by which clients may call the server, beside loopback's, the machine's and `host`;
  // ".name": those below it; "*": any. Addresses always pass.
  std::vector<std::string> allowed_hosts{};
  bool chat_page = true;  // GET /
  // Who may ask (docs/security.md). Keys in clear, and a file with one a line; each opens
  // everything but the scopes `audit` and `gateway`.
  std::vector<std::string> api_keys{};
  std::string api_key_file{};
  // Folder of the keys that `autoglm key` makes; empty: $STATE_DIRECTORY, else
  // $XDG_STATE_HOME/autoglm, else ~/.local/state/autoglm. Where there is no key at all, an address
  // that other machines can reach gets one, which is written to `api-key` in that folder.
  std::string state_dir{};
  std::string timezone = "UTC";  // IANA's name: where the days of quotas and usage begin
  // Addresses and networks of proxies that say truly, in Forwarded or X-Forwarded-For, for whom
  // they ask.
  std::vector<std::string> trusted_proxies{};
  // What identifies people, and secrets, is taken out of answers, or out of prompts before the
  // model sees them as well: "off", "answers" or "both" (docs/guard.md). The policy is a YAML file;
  // empty: all that is recognized becomes a tag.
  std::string redact = "off";
  std::string redact_policy{};
  bool no_auth = false;  // nobody is asked for a key, whoever can reach the address
};

class GLMService {
 public:
  // The service owns the model's time: when it is destroyed, requests still under way are cancelled
  // and the model takes no more, whatever other handles there are.
  GLMService(GLMModel model, std::string host, uint16_t port);
  GLMService(GLMModel model, ServiceOptions options);
  // A service that waits for its model: everything is answered 503 ("loading") until attach().
  explicit GLMService(ServiceOptions options);
  ~GLMService();
  GLMService(GLMService&&) noexcept;
  GLMService& operator=(GLMService&&) noexcept;

  // The model of a service that waits for one; from any thread, once.
  void attach(GLMModel model);

  // Binds; an error names the address and the reason. After it, port() is the one in use, and
  // SIGTERM and SIGINT no longer end the process: run() takes them, also those that came before it.
  Result<void> listen();
  uint16_t port() const;
  // Serves until stop() or SIGTERM/SIGINT, then lets running answers end. Calls listen() if need
  // be.
  Result<void> run();
  // From any thread or signal handler context of run().
  void stop();
  // What listen() has told of keys, for people: empty where none is asked for.
  std::string key_notice() const;
  // The signal, when a second one ended run(): nobody wants to wait for what is under way. Else 0.
  int second_signal() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace autoglm
#pragma GCC visibility pop
