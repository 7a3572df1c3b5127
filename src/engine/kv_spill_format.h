// The bytes of a spill's file: what stands in the file's header and in a slot's, and the checksums
// by which damage is found. No files here; fuzzed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autoglm/generation.h"

namespace autoglm {

// What a slot's page is a page of.
struct SpilledPage {
  uint64_t id = 0;
  uint64_t parent = 0;  // the page before it, whose id is less; 0: none
  uint64_t used = 0;
  std::string salt;
  std::vector<TokenId> tokens;
};

inline constexpr size_t kSpillHeaderBytes = 4096;  // of the file and of a slot: pages lie aligned
inline constexpr size_t kMaxSaltBytes = 1024;      // a slot's header has room for it
inline constexpr uint64_t kMaxSpillNumber = uint64_t{1} << 62;  // of ids and uses

uint64_t spill_checksum(std::span<const std::byte> bytes);

// What a file's header names. Two files are of the same kind when their headers are the same.
struct SpillFileHeader {
  uint64_t version = 0;
  uint64_t page_tokens = 0;
  uint64_t page_bytes = 0;
  std::string identity;  // in the file: a checksum of all of it, and its beginning
};
std::vector<std::byte> spill_file_header(const SpillFileHeader& header);

enum class SpillHeaderState { kOther, kDamaged, kWhole };
SpillHeaderState spill_file_state(std::span<const std::byte> header);
// Of a header that is kWhole.
SpillFileHeader read_spill_file_header(std::span<const std::byte> header);

// Fills `header`, kSpillHeaderBytes. Precondition: the page's salt and tokens have room.
void write_slot_header(const SpilledPage& page, uint64_t page_checksum,
                       std::span<std::byte> header);
SpillHeaderState slot_state(std::span<const std::byte> header);
struct SlotHeader {
  SpilledPage page;
  uint64_t page_checksum = 0;
};
// Of a header that is kWhole; nothing when it makes no sense.
std::optional<SlotHeader> read_slot_header(std::span<const std::byte> header, int32_t page_tokens);

// Writes the header's own checksum; for tests that change one.
void seal_spill_header(std::span<std::byte> header);

}  // namespace autoglm
