// Loads a model and answers one prompt in the three ways of the API: at once, as a stream, over
// HTTP.
//   generate MODEL PROMPT          answer, then stream the same answer
//   generate MODEL PROMPT --serve  serve it on a free port until SIGTERM
#include <autoglm/autoglm.h>

#include <cstdio>
#include <cstring>

namespace {

int fail(const autoglm::Error& error) {
  std::fprintf(stderr, "generate: %s\n", error.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: generate MODEL PROMPT [--serve]\n");
    return 2;
  }
  autoglm::InferenceEngine engine(argv[1], /*offline_mode=*/true);
  if (const auto loaded = engine.load(); !loaded) return fail(loaded.error());

  autoglm::SamplingParams greedy;
  greedy.temperature = 0;
  greedy.max_tokens = 32;
  const auto answer = engine.generate(argv[2], greedy);
  if (!answer) return fail(answer.error());
  std::printf("%s\n", answer->c_str());

  const auto streamed = engine.generate(argv[2], greedy, [](std::string_view piece) {
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    return true;  // false would stop the answer
  });
  if (!streamed) return fail(streamed.error());
  std::printf("\n");
  if (*streamed != *answer) return 1;  // the same request gives the same bytes

  if (argc > 3 && std::strcmp(argv[3], "--serve") == 0) {
    autoglm::GLMService service(engine.model(), "127.0.0.1", 0);
    if (const auto listening = service.listen(); !listening) return fail(listening.error());
    std::printf("http://127.0.0.1:%d\n", service.port());
    std::fflush(stdout);
    if (const auto served = service.run(); !served) return fail(served.error());
  }
  return 0;
}
