// Every header begins with a magic number and ends in the checksum of the rest.
#include "engine/kv_spill_format.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr uint64_t kFileMagic = 0x31'4C'4C'49'50'53'56'4B;  // "KVSPILL1"
constexpr uint64_t kSlotMagic = 0x31'45'47'41'50'53'56'4B;  // "KVSPAGE1"
constexpr size_t kShownIdentity = 2048;

// Numbers and bytes one after another in a header; little-endian, as all we run on.
class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}
  void number(uint64_t value) { bytes(&value, sizeof value); }
  void bytes(const void* data, size_t size) {
    AGLM_CHECK(size <= out_.size() - at_, "a header of {} bytes is too small", out_.size());
    std::memcpy(out_.data() + at_, data, size);
    at_ += size;
  }

 private:
  std::span<std::byte> out_;
  size_t at_ = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : in_(in) {}
  uint64_t number() {
    uint64_t value = 0;
    bytes(&value, sizeof value);
    return value;
  }
  // Behind the end: zeros, and ok() says so.
  void bytes(void* data, size_t size) {
    if (size > in_.size() - at_) {
      ok_ = false;
      std::memset(data, 0, size);
      return;
    }
    std::memcpy(data, in_.data() + at_, size);
    at_ += size;
  }
  bool ok() const { return ok_; }

 private:
  std::span<const std::byte> in_;
  size_t at_ = 0;
  bool ok_ = true;
};

SpillHeaderState state(std::span<const std::byte> header, uint64_t magic) {
  if (header.size() != kSpillHeaderBytes || Reader(header).number() != magic) {
    return SpillHeaderState::kOther;
  }
  uint64_t sum = 0;
  std::memcpy(&sum, header.data() + header.size() - 8, 8);
  return sum == spill_checksum(header.first(header.size() - 8)) ? SpillHeaderState::kWhole
                                                                : SpillHeaderState::kDamaged;
}

}  // namespace

// Detects damage, not malice. Four lanes, each a bijection of what it was in every word: one
// changed word always shows.
uint64_t spill_checksum(std::span<const std::byte> bytes) {
  constexpr uint64_t kPrime = 0x9E3779B185EBCA87;
  uint64_t lanes[4] = {1, 2, 3, 4};
  size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    for (size_t lane = 0; lane < 4; ++lane) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at + 8 * lane, 8);
      lanes[lane] = std::rotl(lanes[lane] ^ word, 29) * kPrime;
    }
  }
  uint64_t hash = bytes.size();
  for (const uint64_t lane : lanes) hash = (std::rotl(hash, 23) ^ lane) * kPrime;
  for (; at < bytes.size(); ++at) hash = (hash ^ static_cast<uint64_t>(bytes[at])) * kPrime;
  return hash ^ (hash >> 31);
}

void seal_spill_header(std::span<std::byte> header) {
  const uint64_t sum = spill_checksum(header.first(header.size() - 8));
  std::memcpy(header.data() + header.size() - 8, &sum, 8);
}

std::vector<std::byte> spill_file_header(const SpillFileHeader& header) {
  std::vector<std::byte> bytes(kSpillHeaderBytes);
  Writer writer(bytes);
  writer.number(kFileMagic);
  writer.number(header.version);
  writer.number(header.page_tokens);
  writer.number(header.page_bytes);
  writer.number(spill_checksum(std::as_bytes(std::span(header.identity))));
  const size_t shown = std::min(header.identity.size(), kShownIdentity);
  writer.number(shown);
  writer.bytes(header.identity.data(), shown);
  seal_spill_header(bytes);
  return bytes;
}

SpillHeaderState spill_file_state(std::span<const std::byte> header) {
  return state(header, kFileMagic);
}

SpillFileHeader read_spill_file_header(std::span<const std::byte> header) {
  Reader reader(header);
  reader.number();
  SpillFileHeader found;
  found.version = reader.number();
  found.page_tokens = reader.number();
  found.page_bytes = reader.number();
  reader.number();
  found.identity.resize(std::min<size_t>(reader.number(), kShownIdentity));
  reader.bytes(found.identity.data(), found.identity.size());
  return found;
}

void write_slot_header(const SpilledPage& page, uint64_t page_checksum,
                       std::span<std::byte> header) {
  std::fill(header.begin(), header.end(), std::byte{0});
  Writer writer(header.first(kSpillHeaderBytes - 8));
  writer.number(kSlotMagic);
  writer.number(page.id);
  writer.number(page.parent);
  writer.number(page.used);
  writer.number(page_checksum);
  writer.number(page.salt.size());
  writer.bytes(page.salt.data(), page.salt.size());
  writer.bytes(page.tokens.data(), page.tokens.size() * sizeof(TokenId));
  seal_spill_header(header);
}

SpillHeaderState slot_state(std::span<const std::byte> header) { return state(header, kSlotMagic); }

std::optional<SlotHeader> read_slot_header(std::span<const std::byte> header, int32_t page_tokens) {
  Reader reader(header.first(header.size() - 8));
  reader.number();
  SlotHeader found;
  SpilledPage& page = found.page;
  page.id = reader.number();
  page.parent = reader.number();
  page.used = reader.number();
  found.page_checksum = reader.number();
  const uint64_t n_salt = reader.number();
  if (page.id == 0 || page.id > kMaxSpillNumber || page.parent >= page.id ||
      page.used > kMaxSpillNumber || n_salt > kMaxSaltBytes) {
    return std::nullopt;
  }
  page.salt.resize(n_salt);
  reader.bytes(page.salt.data(), n_salt);
  page.tokens.resize(static_cast<size_t>(page_tokens));
  reader.bytes(page.tokens.data(), page.tokens.size() * sizeof(TokenId));
  if (!reader.ok()) return std::nullopt;
  return found;
}

}  // namespace autoglm
