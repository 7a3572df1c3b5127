// Finds what the recognizers know in a text that comes in pieces. However it is cut, the same is
// found: at each place a recognizer is asked until it has answered without looking behind what has
// come, and what is found first, from the left, counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guard/redact/aliases.h"
#include "guard/redact/recognizer.h"
#include "guard/redact/units.h"

namespace autoglm::guard::redact {

struct Finding {
  Entity entity{};
  float score = 0;
  uint64_t begin = 0, end = 0;  // bytes of the source
  std::u32string value{};       // its units
  bool in_string = true;        // false: a number in JSON, outside of strings
  // More of a match that had been told of before its end was known; `value` is empty.
  bool more = false;
  bool partial = false;           // `value` is its beginning alone: the rest comes as `more`
  std::optional<size_t> alias{};  // it is one, and nothing else
};

class Scanner {
 public:
  // All of them must outlive it. `aliases` are found before anything else; `names` are persons.
  Scanner(const Filter& filter, TextForm form, const Aliases* aliases = nullptr,
          const Aliases* names = nullptr)
      : filter_(&filter), aliases_(aliases), names_(names), normalizer_(form) {}

  // Appends what these bytes decide.
  void push(std::string_view bytes, std::vector<Finding>& findings);
  void finish(std::vector<Finding>& findings);
  // What lies before this is in a finding, or in none; the rest has to wait.
  uint64_t decided() const;

 private:
  void scan(bool whole, std::vector<Finding>& findings);
  void take(const Match& match, std::vector<Finding>& findings);
  void swallow(std::vector<Finding>& findings);
  void forget();

  const Filter* filter_;
  const Aliases* aliases_;
  const Aliases* names_;
  Normalizer normalizer_;
  std::vector<Unit> units_;  // the last Window::kHistory that were decided, and all behind them
  size_t at_ = 0;            // the first that is not decided
  Entity last_{};            // what the tail belongs to
  TailReader tail_;
};

// All of a whole text; what goes on behind its match is in it.
std::vector<Finding> find(std::string_view text, const Filter& filter,
                          TextForm form = TextForm::kPlain, const Aliases* names = nullptr);

}  // namespace autoglm::guard::redact
