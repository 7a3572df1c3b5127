// The file: a header of one page, then slots, each a header of one page and the KV page.
#include "engine/kv_spill.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "formats/model_identity.h"

namespace autoglm {
namespace {

constexpr int64_t kHeaderBytes = kSpillHeaderBytes;
constexpr uint64_t kVersion = 1;  // of the file, of how pages lie in memory and are computed

bool write_all(int file, std::span<const std::byte> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(file, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += n;
  }
  return true;
}

bool read_all(int file, std::span<std::byte> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = pread(file, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += n;
  }
  return true;
}

Error refused(const std::string& path, std::string what, std::string expected, std::string found) {
  return {.code = ErrorCode::kCorrupt,
          .what = std::move(what),
          .where = path,
          .expected = std::move(expected),
          .found = std::move(found)};
}

Error io_error(const std::string& path, std::string what) {
  return {.code = ErrorCode::kIo,
          .what = std::move(what),
          .where = path,
          .found = std::strerror(errno)};
}

// Beyond it a write would not fail but end the process (SIGXFSZ).
int64_t file_size_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<int64_t>::max();
  }
  return static_cast<int64_t>(limit.rlim_cur);
}

}  // namespace

Result<std::unique_ptr<KvSpill>> KvSpill::open(const SpillOptions& options) {
  AGLM_CHECK(options.page_bytes > 0 && options.page_tokens > 0 &&
                 options.page_tokens * sizeof(TokenId) + kMaxSaltBytes + 64 <= kHeaderBytes,
             "pages of {} tokens, {} bytes", options.page_tokens, options.page_bytes);
  std::unique_ptr<KvSpill> spill(new KvSpill(options));
  spill->header_.resize(kHeaderBytes);
  spill->slot_bytes_ =
      kHeaderBytes + (options.page_bytes + kHeaderBytes - 1) / kHeaderBytes * kHeaderBytes;
  const int64_t size = std::min(options.size_bytes, file_size_limit());
  spill->n_slots_ = static_cast<int32_t>(
      std::clamp<int64_t>((size - kHeaderBytes) / spill->slot_bytes_, 0, INT32_MAX));
  if (spill->n_slots_ == 0) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the file for spilled KV pages would not hold one",
                 .where = "kv_cache_spill_size",
                 .expected = fmt::format("at least {} bytes", kHeaderBytes + spill->slot_bytes_),
                 .found = fmt::format("{}", size)};
  }
  spill->file_ = AGLM_TRY(open_private_file(options.path));
  AGLM_TRY(spill->read_or_write_header());
  return spill;
}

Result<void> KvSpill::read_or_write_header() {
  const std::string& path = options_.path;
  struct stat status {};
  if (fstat(file_, &status) != 0) return io_error(path, "cannot be looked at");
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    return Error{.code = ErrorCode::kUnavailable,
                 .what = "another process spills KV pages there",
                 .where = path};
  }
  const std::vector<std::byte> wanted =
      spill_file_header({.version = kVersion,
                         .page_tokens = static_cast<uint64_t>(options_.page_tokens),
                         .page_bytes = static_cast<uint64_t>(options_.page_bytes),
                         .identity = options_.identity});
  if (status.st_size == 0) {
    if (!write_all(file_, wanted, 0)) return io_error(path, "cannot be written to");
    return {};
  }
  std::vector<std::byte> found(kHeaderBytes);
  if (!read_all(file_, found, 0) || spill_file_state(found) == SpillHeaderState::kOther) {
    return refused(path, "is not a file of spilled KV pages; it was left as it is",
                   "an empty file, none, or one that this program wrote", "something else");
  }
  if (spill_file_state(found) == SpillHeaderState::kDamaged) {
    return refused(path, "the header is damaged; delete the file to begin anew", "", "");
  }
  if (found != wanted) {
    const auto text = [](const SpillFileHeader& header) {
      return fmt::format("file version {}; {}; pages of {} bytes; {} tokens each", header.version,
                         header.identity, header.page_bytes, header.page_tokens);
    };
    IdentityDifference difference = identity_difference(text(read_spill_file_header(wanted)),
                                                        text(read_spill_file_header(found)));
    return refused(path,
                   "holds KV pages of another model or program; name another file or delete it",
                   std::move(difference.expected), std::move(difference.found));
  }
  read_entries(status.st_size);
  return {};
}

void KvSpill::read_entries(int64_t file_bytes) {
  int64_t n_damaged = 0;
  for (int32_t slot = 0; slot < n_slots_ && offset(slot) + kHeaderBytes <= file_bytes; ++slot) {
    if (!read_all(file_, header_, offset(slot))) break;
    const SpillHeaderState state = slot_state(header_);
    if (state == SpillHeaderState::kOther) continue;  // never written
    auto found = state == SpillHeaderState::kWhole ? read_slot_header(header_, options_.page_tokens)
                                                   : std::nullopt;
    if (found) {
      entries_.push_back({.slot = slot, .page = std::move(found->page)});
    } else {
      ++n_damaged;
    }
  }
  if (n_damaged > 0) {
    logger()->warn("{}: {} spilled KV pages are damaged and are not used", options_.path,
                   n_damaged);
  }
}

KvSpill::~KvSpill() {
  if (file_ >= 0) close(file_);
}

int64_t KvSpill::offset(int32_t slot) const { return kHeaderBytes + slot * slot_bytes_; }

void KvSpill::failed(const char* what, int32_t slot) {
  // Once: a full disk fails at every page.
  if (n_failed_++ == 0) {
    logger()->warn("{}: {} (page {}); answers are computed again where pages are missing",
                   options_.path, what, slot);
  }
}

// The page first: a header that is whole then always has its page, or one whose checksum differs.
bool KvSpill::write(int32_t slot, const SpilledPage& page, std::span<const std::byte> bytes) {
  AGLM_CHECK(
      slot >= 0 && slot < n_slots_ && std::ssize(bytes) == options_.page_bytes &&
          std::ssize(page.tokens) == options_.page_tokens && page.salt.size() <= kMaxSaltBytes,
      "slot {} of {}, {} bytes, {} tokens", slot, n_slots_, bytes.size(), page.tokens.size());
  write_slot_header(page, spill_checksum(bytes), header_);
  if (offset(slot) + slot_bytes_ <= file_size_limit() &&
      write_all(file_, bytes, offset(slot) + kHeaderBytes) &&
      write_all(file_, header_, offset(slot))) {
    ++n_written_;
    return true;
  }
  failed("a KV page cannot be written", slot);
  return false;
}

bool KvSpill::read(int32_t slot, uint64_t id, std::span<std::byte> bytes) {
  AGLM_CHECK(slot >= 0 && slot < n_slots_ && std::ssize(bytes) == options_.page_bytes,
             "slot {} of {}, {} bytes", slot, n_slots_, bytes.size());
  if (read_all(file_, header_, offset(slot)) &&
      read_all(file_, bytes, offset(slot) + kHeaderBytes) &&
      slot_state(header_) == SpillHeaderState::kWhole) {
    const auto found = read_slot_header(header_, options_.page_tokens);
    if (found && found->page.id == id && found->page_checksum == spill_checksum(bytes)) {
      ++n_read_;
      return true;
    }
  }
  failed("a spilled KV page is damaged and is not used", slot);
  return false;
}

void KvSpill::sync() {
  if (fdatasync(file_) != 0) failed("KV pages may not have reached the disk", 0);
}

}  // namespace autoglm
