// The service over a scripted model, for the browser test: prints its port, serves until its
// standard input ends, then says how many answers were cancelled. Flags: --answer TEXT, --pause-us
// N between tokens (bytes), --endless: answers run until they are stopped, --thinking: the model's
// thoughts are told apart, --error TEXT: answers end with this fault, --api-key KEY: asked for.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "serve/service_core.h"
#include "support/fake_backend.h"

namespace {

autoglm::serve::FakeScript script_of(int argc, char** argv, autoglm::ServiceOptions& options) {
  using namespace autoglm;
  serve::FakeScript script;
  script.answer = "Hello from the <b>scripted</b> model. ";
  script.pause = std::chrono::milliseconds(10);
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const bool has_value = i + 1 < argc;
    if (flag == "--endless") {
      script.endless = true;
    } else if (flag == "--thinking") {
      script.format.reasoning = true;
    } else if (flag == "--answer" && has_value) {
      script.answer = argv[++i];
    } else if (flag == "--pause-us" && has_value) {
      script.pause = std::chrono::microseconds(std::atoi(argv[++i]));
    } else if (flag == "--api-key" && has_value) {
      options.api_keys = {argv[++i]};
    } else if (flag == "--error" && has_value) {
      script.fail_at_end = Error{ErrorCode::kResourceExhausted, argv[++i], "", "", ""};
    } else {
      std::fprintf(stderr, "unknown flag, or no value: %s\n", argv[i]);
      std::exit(2);
    }
  }
  return script;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace autoglm;
  ServiceOptions options;
  options.state_dir = "/nonexistent";  // no keys of whoever runs the test
  auto backend = std::make_unique<serve::FakeBackend>(script_of(argc, argv, options));
  backend->mutable_info().max_model_len = 1'000'000;  // room for very long answers
  const serve::FakeBackend& fake = *backend;
  options.port = 0;
  options.served_model_names = {"tiny-fake"};
  serve::ServiceCore core(std::move(backend), options);
  if (const Result<void> listening = core.listen(); !listening) {
    std::fprintf(stderr, "%s\n", listening.error().message().c_str());
    return 1;
  }
  std::printf("%d\n", core.port());
  std::fflush(stdout);
  std::thread thread([&core] { (void)core.run(); });
  while (std::getchar() != EOF) {
  }
  core.stop();
  thread.join();
  std::printf("%d\n", fake.n_cancelled.load());
  return 0;
}
