// SHA-256 (OpenSSL's, which uses the processor's instructions for it), by which files are told
// apart also when somebody wants them mistaken for each other.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace autoglm {

// Bytes in, 64 hexadecimal digits out.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  // Once; nothing may be added after it.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Of many bytes, computed by `threads` threads (0: one for each processor): the SHA-256 of the
// hexadecimal SHA-256s of its pieces of 16 MiB, one after the other. `advanced` is told of bytes
// that are done, by one thread at a time.
inline constexpr size_t kDigestPieceBytes = size_t{16} << 20;
std::string digest_of(std::span<const std::byte> bytes, int threads,
                      const std::function<void(size_t bytes)>& advanced = {});

}  // namespace autoglm
