// Ollama's /api/chat and /api/generate: their bodies as ones of /v1/chat/completions and
// /v1/completions.
#pragma once

#include "base/json.h"
#include "serve/context.h"

namespace autoglm::serve {

struct OllamaRequest {
  json::object openai;
  bool completion = false;  // of /v1/completions: `raw` text that is gone on with
  bool loads = false;       // nothing is asked: clients see so whether the model is there
  bool stream = true;
  std::string model;  // as the client calls it
};

Result<OllamaRequest> read_ollama_chat(const ServiceContext& context, const json::Fields& fields);
Result<OllamaRequest> read_ollama_generate(const ServiceContext& context,
                                           const json::Fields& fields);

// What a client calls "name:latest" is "name" where no model is served by the longer one.
std::string ollama_model_name(const ServiceContext& context, std::string name);

// Errors about OpenAI's fields, as ones about the fields that they were made from.
Error in_ollama_names(Error error);

}  // namespace autoglm::serve
