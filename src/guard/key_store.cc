#include "guard/key_store.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/visible_text.h"
#include "guard/schema.h"
#include "guard/tenant_store.h"
#include "state/state_dir.h"

namespace autoglm::guard {
namespace {

constexpr size_t kSecretBytes = 32;
int64_t system_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

state::Value maybe(std::optional<int64_t> value) {
  return value ? state::Value(*value) : state::Value();
}

}  // namespace

KeyStore::KeyStore(state::Database database, std::string secret, std::function<int64_t()> clock)
    : database_(std::move(database)),
      secret_(std::move(secret)),
      clock_(clock ? std::move(clock) : system_seconds) {}

Result<std::unique_ptr<KeyStore>> KeyStore::open(const std::string& folder,
                                                 std::function<int64_t()> clock) {
  std::string secret = AGLM_TRY(state::secret_file(folder + "/keys.secret", kSecretBytes));
  state::Database database = AGLM_TRY(open_guard_database(folder));
  return std::unique_ptr<KeyStore>(
      new KeyStore(std::move(database), std::move(secret), std::move(clock)));
}

bool KeyStore::exists(const std::string& folder) {
  return ::access(guard_database_path(folder).c_str(), F_OK) == 0;
}

std::string KeyStore::mac_of(std::string_view text) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
  unsigned int size = 0;
  const auto* made =
      ::HMAC(::EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  AGLM_CHECK(made != nullptr, "no HMAC of {} bytes", text.size());
  std::string digits;
  for (unsigned int i = 0; i < size; ++i) digits += fmt::format("{:02x}", mac[i]);
  return digits;
}

Result<void> KeyStore::refresh() {
  const int64_t version = AGLM_TRY(database_.version());
  if (version_ == version) return {};
  std::vector<Entry> entries;
  std::optional<Error> wrong;
  AGLM_TRY(
      database_.run("SELECT id, tenant, name, scopes, created, expires, revoked, mac FROM api_keys "
                    "ORDER BY created, rowid",
                    {}, [&](const state::Row& row) {
                      auto scopes = parse_scopes(row.text(3));
                      if (!scopes) {
                        wrong = std::move(scopes).error();
                        return;
                      }
                      entries.push_back({.record = {.id = row.text(0),
                                                    .tenant = row.text(1),
                                                    .name = row.text(2),
                                                    .scopes = *scopes,
                                                    .created = row.integer(4),
                                                    .expires = row.maybe_integer(5),
                                                    .revoked = row.maybe_integer(6)},
                                         .mac = row.text(7)});
                    }));
  if (wrong) return *wrong;
  entries_ = std::move(entries);
  version_ = version;
  return {};
}

// With what the database holds while nobody else writes; the next call reads it again, since our
// own changes do not change its version.
template <class T>
Result<T> KeyStore::changing(const std::function<Result<T>()>& work) {
  std::optional<T> made;
  const auto all = [&]() -> Result<void> {
    version_.reset();
    AGLM_TRY(refresh());
    Result<T> done = work();
    if (!done) return done.error();
    made = *std::move(done);
    return {};
  };
  Result<void> done = database_.transaction(all);
  version_.reset();
  if (!done) return done.error();
  return *std::move(made);
}

Result<ApiKey> KeyStore::insert(const KeyWish& wish) {
  const ApiKey key = AGLM_TRY(make_api_key());
  const int64_t now = clock_();
  std::optional<int64_t> expires;
  if (wish.expires_in) expires = now + *wish.expires_in;
  AGLM_TRY(database_.run(
      "INSERT INTO api_keys (id, tenant, name, scopes, created, expires, mac) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {key.id, wish.tenant, wish.name, wish.scopes.text(), now, maybe(expires), mac_of(key.text)}));
  return key;
}

Result<ApiKey> KeyStore::create(const KeyWish& wish) {
  AGLM_TRY(check_word("tenant", wish.tenant));
  AGLM_TRY(check_word("name", wish.name));
  if (wish.name.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a key needs a name", "name", "some characters", ""};
  }
  if (wish.scopes.empty()) return parse_scopes("").error();
  return changing<ApiKey>([&]() -> Result<ApiKey> {
    for (const Entry& entry : entries_) {
      if (entry.record.name != wish.name || !entry.record.valid(clock_())) continue;
      return Error{ErrorCode::kInvalidArgument, "there is a valid key of that name", "name",
                   "another name, or key rotate", visible(wish.name)};
    }
    return insert(wish);
  });
}

Result<std::vector<KeyRecord>> KeyStore::list() {
  AGLM_TRY(refresh());
  std::vector<KeyRecord> records;
  for (const Entry& entry : entries_) records.push_back(entry.record);
  return records;
}

Result<KeyRecord> KeyStore::named(const std::string& which) const {
  for (const Entry& entry : entries_) {
    if (entry.record.id == which) return entry.record;
  }
  for (const Entry& entry : entries_) {
    if (entry.record.name == which && entry.record.valid(clock_())) return entry.record;
  }
  return Error{ErrorCode::kNotFound, "there is no such key", "key",
               "the id of a key, or the name of a valid one", visible(which)};
}

Result<void> KeyStore::end(const KeyRecord& record, int64_t when) {
  AGLM_TRY(database_.run("UPDATE api_keys SET revoked = ? WHERE id = ?", {when, record.id}));
  return {};
}

Result<KeyRecord> KeyStore::revoke(const std::string& which) {
  return changing<KeyRecord>([&]() -> Result<KeyRecord> {
    KeyRecord record = AGLM_TRY(named(which));
    if (!record.revoked) record.revoked = clock_();
    AGLM_TRY(end(record, *record.revoked));
    return record;
  });
}

Result<ApiKey> KeyStore::rotate(const std::string& which) {
  return changing<ApiKey>([&]() -> Result<ApiKey> {
    const KeyRecord old = AGLM_TRY(named(which));
    if (!old.valid(clock_())) {
      return Error{ErrorCode::kInvalidArgument, "the key is no longer valid", "key",
                   "a valid one; key create makes another", old.id};
    }
    AGLM_TRY(end(old, clock_()));
    KeyWish wish{.tenant = old.tenant, .name = old.name, .scopes = old.scopes};
    if (old.expires) wish.expires_in = *old.expires - old.created;
    return insert(wish);
  });
}

Result<std::optional<KeyRecord>> KeyStore::find(std::string_view text) {
  AGLM_TRY(refresh());
  const std::optional<std::string> id = api_key_id(text);
  if (!id) return std::optional<KeyRecord>();
  const std::string mac = mac_of(text);
  for (const Entry& entry : entries_) {
    if (entry.record.id != *id) continue;
    const bool right = entry.mac.size() == mac.size() &&
                       ::CRYPTO_memcmp(entry.mac.data(), mac.data(), mac.size()) == 0;
    if (right && entry.record.valid(clock_())) return std::optional(entry.record);
    break;
  }
  return std::optional<KeyRecord>();
}

Result<bool> KeyStore::any() {
  AGLM_TRY(refresh());
  return !entries_.empty();
}

}  // namespace autoglm::guard
