// Wishes for structured output made from a source of bytes: bounded grammars of every kind that
// counts (repetitions of characters, strings and rules, lengths of strings, arrays, choices with
// common beginnings), nested in each other. For tests and fuzz targets: the same bytes give the
// same wish.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "autoglm/generation.h"

namespace autoglm::grammar {

class RandomWish {
 public:
  // When the bytes are used up, what follows is as simple as it can be.
  explicit RandomWish(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  StructuredOutput wish() {
    switch (number(4)) {
      case 0: return {.kind = StructuredOutput::Kind::kRegex, .text = pattern(3), .field = "regex"};
      case 1:
        return {.kind = StructuredOutput::Kind::kChoice, .choices = choices(), .field = "choice"};
      case 2: return {.kind = StructuredOutput::Kind::kGrammar, .text = gbnf(), .field = "grammar"};
      default: return {.kind = StructuredOutput::Kind::kJson, .text = schema(3), .field = "json"};
    }
  }

  // Below `limit`.
  uint32_t number(uint32_t limit) {
    if (next_ >= bytes_.size()) return 0;
    return bytes_[next_++] % limit;
  }

 private:
  // Small ones mostly: near the bound is where counts matter.
  std::pair<uint32_t, uint32_t> bounds() {
    const uint32_t least = number(4);
    const uint32_t spread = number(8);
    return {least, least + (spread == 7 ? 40 + number(100) : spread) + (least == 0 ? 1 : 0)};
  }

  std::string word() {
    static constexpr std::string_view kWords[] = {"a", "ab", "hello", "é", "中", "x y", "12", "th"};
    return std::string(kWords[number(8)]);
  }

  std::vector<std::string> choices() {
    std::vector<std::string> made;
    const std::string common = word();
    for (uint32_t i = 0, n = 1 + number(12); i < n; ++i) {
      made.push_back(fmt::format("{}{}{}", common, number(3) == 0 ? word() : "", i % 7));
    }
    return made;
  }

  std::string pattern(int depth) {
    const auto [least, most] = bounds();
    switch (depth > 0 ? number(7) : number(4)) {
      case 0: return fmt::format("[a-z]{{{},{}}}", least, most);
      case 1: return fmt::format(".{{{},{}}}", least, most);
      case 2: return fmt::format("[^\"\\\\]{{{},{}}}", least, most);
      case 3: return word();
      case 4: return fmt::format("({}){{{},{}}}", pattern(depth - 1), least, most);
      case 5: return fmt::format("({}|{})", pattern(depth - 1), pattern(depth - 1));
      default: return pattern(depth - 1) + pattern(depth - 1);
    }
  }

  std::string gbnf() {
    const auto [least, most] = bounds();
    const auto [fewest, longest] = bounds();
    return fmt::format(
        "root ::= item{{{},{}}} \"{}\"\nitem ::= [^\"\\\\]{{{},{}}} | \"{}\" item? | [0-9]+\n",
        least, most, word(), fewest, longest, word());
  }

  std::string schema(int depth) {
    const auto [least, most] = bounds();
    switch (depth > 0 ? number(8) : number(5)) {
      case 0:
        return fmt::format(R"({{"type":"string","minLength":{},"maxLength":{}}})", least, most);
      case 1: return fmt::format(R"({{"type":"string","minLength":{}}})", least);
      case 2: {
        std::string values;
        for (const std::string& choice : choices()) {
          values += fmt::format("{}\"{}\"", values.empty() ? "" : ",", choice);
        }
        return fmt::format(R"({{"enum":[{}]}})", values);
      }
      case 3: return fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", least, most);
      case 4: return R"({"type":["boolean","null"]})";
      case 5:
        return fmt::format(R"({{"type":"array","items":{},"minItems":{},"maxItems":{}}})",
                           schema(depth - 1), least, most);
      case 6:
        return fmt::format(R"({{"type":"object","properties":{{"a":{},"b":{}}},"required":["a"],)"
                           R"("additionalProperties":false}})",
                           schema(depth - 1), schema(depth - 1));
      default: return fmt::format(R"({{"anyOf":[{},{}]}})", schema(depth - 1), schema(depth - 1));
    }
  }

  std::span<const uint8_t> bytes_;
  size_t next_ = 0;
};

}  // namespace autoglm::grammar
