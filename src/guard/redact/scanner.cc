#include "guard/redact/scanner.h"

#include <algorithm>

namespace autoglm::guard::redact {
namespace {

// Numbers in JSON are replaced whole or not at all: half of one would leave no JSON, and commas
// between two are none of theirs.
bool is_whole_number(const Window& window, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    if (!is_digit(window[i])) return false;
  }
  const auto ends = [](char32_t c) {
    return c == kNothing || is_space(c) || c == U',' || c == U':' || c == U'[' || c == U']' ||
           c == U'{' || c == U'}';
  };
  return ends(window.before()) && ends(window[length]);
}

// One of a list; no part of a longer word.
void recognize_name(const Window& window, const Aliases& names, Offers& offers) {
  if (is_alnum(window[0]) && is_alnum(window.before())) return;
  const size_t length = names.at(window).length;
  if (length == 0) return;
  if (is_alnum(window[length - 1]) && is_alnum(window[length])) return;
  offers.add(Entity::kPerson, length, 1);
}

}  // namespace

void Scanner::push(std::string_view bytes, std::vector<Finding>& findings) {
  // A long text goes through in pieces, so that its units are never held all at once.
  constexpr size_t kPiece = 4096;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPiece);
    bytes.remove_prefix(piece.size());
    normalizer_.push(piece, units_);
    scan(false, findings);
  }
}

void Scanner::finish(std::vector<Finding>& findings) {
  normalizer_.finish(units_);
  scan(true, findings);
}

uint64_t Scanner::decided() const {
  return at_ < units_.size() ? units_[at_].begin : normalizer_.decided();
}

void Scanner::scan(bool whole, std::vector<Finding>& findings) {
  while (at_ < units_.size()) {
    if (tail_.active()) {
      swallow(findings);
      continue;
    }
    const Window window(units_, at_, whole);
    if (aliases_ != nullptr) {
      const Aliases::Found alias = aliases_->at(window);
      if (window.looked_behind()) break;
      if (alias.length > 0) {
        take({.length = alias.length}, findings);
        findings.back().alias = alias.index;
        continue;
      }
    }
    Offers offers(*filter_);
    recognize(window, offers);
    if (names_ != nullptr) recognize_name(window, *names_, offers);
    Match match = offers.best();
    if (match.length > 0 && !window.in_string() && !is_whole_number(window, match.length)) {
      match = {};
    }
    if (window.looked_behind()) break;
    if (match.length > 0) {
      take(match, findings);
    } else {
      ++at_;
    }
  }
  forget();
}

void Scanner::take(const Match& match, std::vector<Finding>& findings) {
  Finding finding{.entity = match.entity,
                  .score = match.score,
                  .begin = units_[at_].begin,
                  .end = units_[at_ + match.length - 1].end,
                  .in_string = units_[at_].in_string,
                  .partial = match.tail != Tail::kNone};
  for (size_t i = 0; i < match.length; ++i) finding.value.push_back(units_[at_ + i].code);
  findings.push_back(std::move(finding));
  at_ += match.length;
  last_ = match.entity;
  tail_ = TailReader(match.tail);
}

void Scanner::swallow(std::vector<Finding>& findings) {
  const Unit& unit = units_[at_];
  if (!tail_.takes(unit.in_string ? unit.code : kNothing)) return;
  findings.push_back({.entity = last_, .begin = unit.begin, .end = unit.end, .more = true});
  ++at_;
}

void Scanner::forget() {
  // Not each time: what stays has to move.
  constexpr size_t kMost = 4 * Window::kHistory;
  if (at_ < kMost) return;
  const size_t n = at_ - Window::kHistory;
  units_.erase(units_.begin(), units_.begin() + static_cast<std::ptrdiff_t>(n));
  at_ -= n;
}

std::vector<Finding> find(std::string_view text, const Filter& filter, TextForm form,
                          const Aliases* names) {
  Scanner scanner(filter, form, nullptr, names);
  std::vector<Finding> parts;
  scanner.push(text, parts);
  scanner.finish(parts);
  std::vector<Finding> findings;
  for (Finding& part : parts) {
    if (part.more && !findings.empty()) {
      findings.back().end = std::max(findings.back().end, part.end);
    } else {
      findings.push_back(std::move(part));
    }
  }
  return findings;
}

}  // namespace autoglm::guard::redact
