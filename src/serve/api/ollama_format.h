// Answers of Ollama's /api/chat and /api/generate.
#pragma once

#include <memory>
#include <string>

#include "serve/api/answer_format.h"

namespace autoglm::serve {

struct OllamaStyle {
  bool chat = true;   // a message; else `response`, a text
  std::string model;  // as the client calls it
};
std::unique_ptr<AnswerFormat> ollama_format(AnswerFacts facts, OllamaStyle style);

// To a request that asks for nothing, "load" being why it is done.
std::string ollama_loaded(const OllamaStyle& style);

}  // namespace autoglm::serve
