// The service over a scripted model, for the browser test: prints its port, serves until its
// standard input ends, then says how many answers were cancelled. Short answers end by themselves;
// with
// --endless they run until they are stopped.
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "serve/service_core.h"
#include "support/fake_backend.h"

int main(int argc, char** argv) {
  using namespace autoglm;
  serve::FakeScript script;
  script.answer = "Hello from the <b>scripted</b> model. ";
  script.endless = argc > 1 && std::string_view(argv[1]) == "--endless";
  script.pause = std::chrono::milliseconds(10);
  auto backend = std::make_unique<serve::FakeBackend>(script);
  const serve::FakeBackend& fake = *backend;
  ServiceOptions options;
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
