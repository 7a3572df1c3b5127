// Random cases for tests of kernels. A run is the same every time, unless AUTOGLM_TEST_SEED gives
// another number to begin with; a case that fails says which one gives it as the first.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <span>
#include <string>

namespace autoglm {

class Draw {
 public:
  explicit Draw(uint64_t seed) : seed_(seed), random_(seed) {}

  // For what is to be gone through case by case, and the same when a case is tried again.
  uint64_t seed() const { return seed_; }

  // Both ends included.
  int64_t between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random_() % static_cast<uint64_t>(most - least + 1));
  }
  bool one_in(int64_t n) { return between(1, n) == 1; }
  template <class T>
  const T& of(std::span<const T> all) {
    return all[static_cast<size_t>(between(0, std::ssize(all) - 1))];
  }
  template <class T>
  T of(std::initializer_list<T> all) {
    return of(std::span<const T>(all.begin(), all.size()));
  }
  float normal() { return normal_(random_); }

  // Sizes at and beside the ends of vectors (16), groups (32 to 128), blocks (64) and tiles.
  int64_t columns(int64_t most) {
    const int64_t edge = of<int64_t>({1, 16, 32, 48, 64, 96, 128, 192, 256, 320, 512});
    const int64_t beside = edge + between(-1, 1);
    if (one_in(3) || beside < 1 || beside > most) return between(1, most);
    return beside;
  }
  // Mostly few: micro-kernels take 1 to 16 rows at a time.
  int64_t rows(int64_t most) { return between(1, one_in(5) ? most : std::min<int64_t>(most, 17)); }

  // Numbers up to about `huge`, of a kind that changes from call to call: usual ones, all zero, all
  // tiny, or any of them, with some so small that they have no full precision.
  void fill(std::span<float> values, float huge) {
    const int64_t kind = between(0, 9);
    for (float& v : values) {
      v = normal();
      if (kind == 0) v = 0;
      if (kind == 1) v *= 1e-30f;
      if (kind == 2 && one_in(40)) v *= huge * 0.1f;
      if (kind >= 3 && kind <= 5) v = unusual(v, huge);
    }
  }

 private:
  float unusual(float v, float huge) {
    switch (between(0, 15)) {
      case 0: return 0.0f;
      case 1: return -0.0f;
      case 2: return v * 1e-41f;
      case 3: return v * 1e-20f;
      case 4: return std::copysign(huge, v);
      case 5: return v * huge * 1e-3f;
      default: return v;
    }
  }

  uint64_t seed_;
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
};

namespace random_cases {

inline std::string now;  // which case runs

// Memory that may not be touched was (guarded_rows.h): says in which case, and lets the test end.
inline void on_fault(int signal) {
  if (::write(STDERR_FILENO, now.data(), now.size()) < 0) return;
  std::signal(signal, SIG_DFL);
}

}  // namespace random_cases

// Calls body(draw) for so many cases; stops after one that failed.
template <class Body>
void for_random_cases(int n, const Body& body) {
  const char* wish = std::getenv("AUTOGLM_TEST_SEED");
  const uint64_t first = wish == nullptr ? 1 : std::strtoull(wish, nullptr, 10);
  const auto before = std::signal(SIGSEGV, random_cases::on_fault);
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(n); ++seed) {
    random_cases::now =
        "AUTOGLM_TEST_SEED=" + std::to_string(seed) + " begins with the case that failed\n";
    SCOPED_TRACE(random_cases::now);
    Draw draw(seed);
    body(draw);
    if (testing::Test::HasFailure()) break;
  }
  std::signal(SIGSEGV, before);
}

}  // namespace autoglm
