// Digests against those that Python's hashlib computes.
#include "base/digest.h"

#include <gtest/gtest.h>

#include <vector>

namespace autoglm {
namespace {

TEST(Digest, OfBytesIsSha256) {
  Sha256 sum;
  sum.add("a");
  sum.add(std::as_bytes(std::span(std::string_view("bc"))));
  EXPECT_EQ(sum.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, OfPiecesIsTheSameForAnyNumberOfThreads) {
  EXPECT_EQ(digest_of({}, 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of(std::as_bytes(std::span(std::string_view("abc"))), 1),
            "dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c");
  std::vector<std::byte> many((33U << 20) / 251 * 251);  // two pieces and a part
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::byte>(i % 251 * 7 % 251);
  for (const int threads : {1, 2, 5}) {
    size_t told = 0;
    EXPECT_EQ(digest_of(many, threads, [&](size_t bytes) { told += bytes; }),
              "8572a8101a26ca6efe3ee33fde97059e2a2b97ebbf9db7cb0d5bcf87703feed6");
    EXPECT_EQ(told, many.size());
  }
  const std::string before = digest_of(many, 2);
  many.back() ^= std::byte{1};
  EXPECT_NE(digest_of(many, 2), before);
}

}  // namespace
}  // namespace autoglm
