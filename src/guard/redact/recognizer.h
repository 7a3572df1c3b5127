// The recognizers, by how what they find begins. Each is asked at a place that its rule of
// beginnings allows, looks at a bounded number of units, and offers what it finds there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "guard/redact/entity.h"
#include "guard/redact/window.h"

namespace autoglm::guard::redact {

// How a match that is longer than a stream may wait for goes on: as long as these come.
enum class Tail : uint8_t { kNone, kToken, kPem };

struct Match {
  Entity entity{};
  size_t length = 0;  // units; 0: none
  float score = 0;
  Tail tail = Tail::kNone;
};

// What is looked for, and how sure it must be.
struct Filter {
  std::array<float, kEntities> least{};  // score; above 1: not looked for
  float of(Entity entity) const { return least[static_cast<size_t>(entity)]; }
};

// The best of what begins at one place: the longest; of these the surest; of these the first.
class Offers {
 public:
  explicit Offers(const Filter& filter) : filter_(filter) {}
  bool wants(Entity entity) const { return filter_.of(entity) <= 1; }
  void add(Entity entity, size_t length, float score, Tail tail = Tail::kNone) {
    if (score < filter_.of(entity)) return;
    if (length < best_.length || (length == best_.length && score <= best_.score)) return;
    best_ = {entity, length, score, tail};
  }
  const Match& best() const { return best_; }

 private:
  const Filter& filter_;
  Match best_;
};

// At digits, Han numerals, '+' and '(': IDs, cards, phones.
void recognize_numbers(const Window& window, Offers& offers);
// At a digit or a letter that no other precedes: e-mail, addresses of networks, codes with letters.
void recognize_network(const Window& window, Offers& offers);
void recognize_codes(const Window& window, Offers& offers);
// At a digit behind a letter: QQ12345678.
void recognize_behind_letters(const Window& window, Offers& offers);
void recognize_secrets(const Window& window, Offers& offers);
// At '-': the armour of a key.
void recognize_pem(const Window& window, Offers& offers);
// At Han characters: plates, names, addresses.
void recognize_plate(const Window& window, Offers& offers);
void recognize_person(const Window& window, Offers& offers);
void recognize_address(const Window& window, Offers& offers);

// All that may begin at the window's place.
void recognize(const Window& window, Offers& offers);

// What goes on behind a match: asked of one unit after the other.
class TailReader {
 public:
  explicit TailReader(Tail tail = Tail::kNone) : tail_(tail) {}
  bool active() const { return tail_ != Tail::kNone; }
  // Whether the unit still belongs to it; if not, it has ended.
  bool takes(char32_t code);

 private:
  Tail tail_;
  size_t taken_ = 0;
  size_t dashes_ = 0;  // in a row
  int lines_ = 0;      // ends of the END line that have come
};

}  // namespace autoglm::guard::redact
