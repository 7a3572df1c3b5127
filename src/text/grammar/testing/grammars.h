// For tests of grammars: compiled for sure, whether one takes a text, and why one was refused.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "text/grammar/compile.h"
#include "text/grammar/lazy_automaton.h"
#include "text/grammar/testing/list_tokenizer.h"

namespace autoglm::grammar {

inline bool takes(const Program& program, std::string_view text) {
  LazyAutomaton automaton(program);
  int32_t state = automaton.start();
  for (const char c : text) state = automaton.next(state, static_cast<uint8_t>(c));
  return automaton.complete(state);
}

using Kind = StructuredOutput::Kind;

// The grammar; a test failure, and one that takes only "", when it does not compile.
// `whitespace_pattern`: as in StructuredOutput.
inline Program compiled(Kind kind, std::string text,
                        std::optional<std::string> whitespace_pattern = {}) {
  auto program = compile_program({.kind = kind,
                                  .text = std::move(text),
                                  .whitespace_pattern = std::move(whitespace_pattern),
                                  .field = "field"});
  EXPECT_TRUE(program.has_value()) << (program ? "" : program.error().message());
  if (program) return std::move(*program);
  return *compile_program({.kind = Kind::kChoice, .choices = {""}});
}

inline std::string refusal(Kind kind, std::string text) {
  const auto program = compile_program({.kind = kind, .text = std::move(text), .field = "field"});
  return program ? "" : program.error().message();
}

}  // namespace autoglm::grammar
