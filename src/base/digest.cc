#include "base/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "base/thread_pool.h"

namespace autoglm {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  // Fails only where the library lacks the algorithm or there is no memory.
  AGLM_CHECK(
      state_->context != nullptr && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
      "SHA-256 of {}", OPENSSL_VERSION_TEXT);
}

Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  AGLM_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1,
             "SHA-256 of {} bytes", bytes.size());
}

void Sha256::add(std::string_view text) { add(std::as_bytes(std::span(text))); }

std::string Sha256::finish() {
  std::array<unsigned char, 32> digest{};
  AGLM_CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1, "SHA-256 of {}",
             OPENSSL_VERSION_TEXT);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string digest_of(std::span<const std::byte> bytes, int threads,
                      const std::function<void(size_t bytes)>& advanced) {
  const size_t n_pieces = (bytes.size() + kDigestPieceBytes - 1) / kDigestPieceBytes;
  std::vector<std::string> pieces(n_pieces);
  std::atomic<size_t> next = 0;
  std::mutex telling;
  const auto work = [&](int /*thread*/) {
    for (size_t i = next++; i < n_pieces; i = next++) {
      const size_t begin = i * kDigestPieceBytes;
      const auto piece = bytes.subspan(begin, std::min(kDigestPieceBytes, bytes.size() - begin));
      Sha256 sum;
      sum.add(piece);
      pieces[i] = sum.finish();
      if (!advanced) continue;
      const std::lock_guard lock(telling);
      advanced(piece.size());
    }
  };
  if (n_pieces <= 1) {
    work(0);
  } else {
    ThreadPool(threads).run(work);
  }
  Sha256 sum;
  for (const std::string& piece : pieces) sum.add(piece);
  return sum.finish();
}

}  // namespace autoglm
