// Loads a model and answers one message in the three ways of the API: at once, as a stream, over
// HTTP.
//   generate MODEL MESSAGE          answer, then stream the same answer
//   generate MODEL MESSAGE --serve  serve it on a free port until SIGTERM
// MODEL: a directory, a .gguf file, a hub id in the local cache, or tiny-glm.
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
    std::fprintf(stderr, "usage: generate MODEL MESSAGE [--serve]\n");
    return 2;
  }
  const auto model = autoglm::GLMModel::from_pretrained(argv[1]);
  if (!model) return fail(model.error());

  // The conversation as the model was trained to read it.
  const auto prompt = model->chat_prompt({{"user", argv[2]}});
  if (!prompt) return fail(prompt.error());
  autoglm::GenerationRequest request;
  request.prompt = *prompt;
  request.begins_text = true;
  request.sampling.temperature = 0;
  request.sampling.max_tokens = 64;

  const auto answer = model->generate(request);
  if (!answer) return fail(answer.error());
  const std::string& text = answer->choices[0].text;
  std::printf("%s\n", text.c_str());

  // The same again, printed as it comes.
  auto stream = model->stream(request);
  if (!stream) return fail(stream.error());
  std::string streamed;
  while (const auto event = stream->next()) {
    std::fwrite(event->text.data(), 1, event->text.size(), stdout);
    streamed += event->text;
  }
  std::printf("\n");
  if (streamed != text) return 1;  // the same request gives the same bytes

  if (argc > 3 && std::strcmp(argv[3], "--serve") == 0) {
    autoglm::GLMService service(*model, "127.0.0.1", 0);
    if (const auto listening = service.listen(); !listening) return fail(listening.error());
    std::printf("http://127.0.0.1:%d\n", service.port());
    std::fflush(stdout);
    if (const auto served = service.run(); !served) return fail(served.error());
  }
  return 0;
}
