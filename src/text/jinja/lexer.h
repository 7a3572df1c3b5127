// Template text to tokens, as jinja2's lexer does it with trim_blocks and lstrip_blocks: data,
// and inside tags names, literals and operators. Whitespace control and raw blocks end here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"

namespace autoglm::jinja {

struct Position {
  int32_t line = 1;
  int32_t column = 1;  // in code points
};

enum class TokenKind : uint8_t {
  kData,
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Position position;
  std::string text;  // data, name, unescaped string, or the operator's characters
  int64_t integer = 0;
  double real = 0;
};

// The last token is kEnd. `where` names the template in errors.
Result<std::vector<Token>> tokenize(std::string_view source, std::string_view where);

Error syntax_error(std::string_view where, Position position, std::string what);

}  // namespace autoglm::jinja
