// Request bodies of every route, up to what they ask of the model. The first byte chooses the
// route.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "../support/fake_backend.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"

namespace {

using namespace autoglm::serve;

const ServiceContext& context() {
  static const ServiceContext* const kContext = [] {
    auto* made = new ServiceContext;
    made->backend = std::make_unique<FakeBackend>();
    made->model_names = {"fake"};
    return made;
  }();
  return *kContext;
}

// Every error must be one that a client can be told.
template <class T>
void look_at(const autoglm::Result<T>& result) {
  if (result) return;
  for (const ErrorForm form : {ErrorForm::kOpenAi, ErrorForm::kAnthropic, ErrorForm::kOllama}) {
    error_response(result.error(), form);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 65536) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestTask task;
  switch (data[0] % 14) {
    case 0: look_at(plan_chat(context(), body, task)); break;
    case 1: look_at(plan_completions(context(), body, task)); break;
    case 2: look_at(plan_infer(context(), body, task)); break;
    case 3: {
      const auto plan = plan_embeddings(context(), body, task);
      look_at(plan);
      autoglm::Usage usage;
      if (plan) look_at(answer_embeddings(context(), *plan, task, usage));
      break;
    }
    case 4: look_at(answer_tokenize(context(), body, task)); break;
    case 5: look_at(answer_detokenize(context(), body, task)); break;
    case 6: look_at(answer_apply_template(context(), body, task)); break;
    case 7: look_at(plan_messages(context(), body, task)); break;
    case 8: look_at(answer_count_tokens(context(), body, task)); break;
    case 9: look_at(plan_ollama_chat(context(), body, task)); break;
    case 10: look_at(plan_ollama_generate(context(), body, task)); break;
    case 11: look_at(plan_responses(context(), body, task)); break;
    case 12: look_at(answer_response_tokens(context(), body, task)); break;
    default: look_at(answer_ollama_show(context(), body, task)); break;
  }
  return 0;
}
