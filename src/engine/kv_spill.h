// A file of KV pages: where they go when memory is short, and where conversations wait for the next
// start (docs/prefix-cache.md). Slots of one size, each with a page and what it is a page of. The
// file's bytes are not trusted: what is not whole, or of another model, is not used.
//
// It holds prompts and answers in a form from which they can be read: mode 0600, and nobody else's
// while it is open.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "engine/kv_spill_format.h"

namespace autoglm {

struct SpillOptions {
  std::string path;
  int64_t size_bytes = 0;  // at most, of the file
  int64_t page_bytes = 0;
  int32_t page_tokens = 0;
  std::string identity;  // of all that the pages' bytes depend on
};

class KvSpill {
 public:
  // Creates the file, or opens one that was written with the same options. Refused: a file of
  // something else, of another model, of another version, a damaged one, one that is in use.
  static Result<std::unique_ptr<KvSpill>> open(const SpillOptions& options);
  ~KvSpill();
  KvSpill(const KvSpill&) = delete;
  KvSpill& operator=(const KvSpill&) = delete;

  int32_t n_slots() const { return n_slots_; }
  struct Entry {
    int32_t slot = 0;
    SpilledPage page;
  };
  // What the file held when it was opened; the second call gives nothing.
  std::vector<Entry> take_entries() { return std::move(entries_); }

  // False: the disk would not take it; the slot is then empty.
  bool write(int32_t slot, const SpilledPage& page, std::span<const std::byte> bytes);
  // False: the slot does not hold that page, whole; it is then empty.
  bool read(int32_t slot, uint64_t id, std::span<std::byte> bytes);
  // Forces what was written to the disk.
  void sync();

  int64_t n_written() const { return n_written_; }
  int64_t n_read() const { return n_read_; }
  int64_t n_failed() const { return n_failed_; }  // of either

 private:
  explicit KvSpill(SpillOptions options) : options_(std::move(options)) {}
  Result<void> read_or_write_header();
  void read_entries(int64_t file_bytes);
  int64_t offset(int32_t slot) const;
  void failed(const char* what, int32_t slot);

  const SpillOptions options_;
  int file_ = -1;
  int32_t n_slots_ = 0;
  int64_t slot_bytes_ = 0;
  std::vector<Entry> entries_;
  std::vector<std::byte> header_;  // of a slot; work space
  int64_t n_written_ = 0, n_read_ = 0, n_failed_ = 0;
};

}  // namespace autoglm
