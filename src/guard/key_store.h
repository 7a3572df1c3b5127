// The keys of a state folder: who may ask, as what tenant, how long. Of a key itself only an
// HMAC-SHA-256 is kept, whose own key lies beside the database: neither file alone says whether a
// guess is right, and together they give no key back. One thread at a time; several processes may
// use one folder, and see each other's changes at the next call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guard/api_key.h"
#include "guard/scopes.h"
#include "state/database.h"

namespace autoglm::guard {

// Times in seconds since the epoch.
struct KeyRecord {
  std::string id;
  std::string tenant;
  std::string name;
  Scopes scopes;
  int64_t created = 0;
  std::optional<int64_t> expires;
  std::optional<int64_t> revoked;

  bool valid(int64_t now) const { return !revoked && (!expires || now < *expires); }
};

struct KeyWish {
  std::string tenant;  // may be empty: the nameless one, of servers without tenants
  std::string name;    // for people; of the keys that are valid, no two have the same
  Scopes scopes{Scope::kInference};
  std::optional<int64_t> expires_in;  // seconds
};

class KeyStore {
 public:
  // Whether somebody has made one in `folder`.
  static bool exists(const std::string& folder);
  // `folder` is open_state_dir()'s. `clock`: seconds since the epoch.
  static Result<std::unique_ptr<KeyStore>> open(const std::string& folder,
                                                std::function<int64_t()> clock = {});

  // False: another database lies in its place, or none; to be opened anew.
  bool is_current() const { return database_.is_at_its_path(); }
  // The key is nowhere but in what is returned.
  Result<ApiKey> create(const KeyWish& wish);
  Result<std::vector<KeyRecord>> list();  // the oldest first
  // By id or, of a valid key, by name.
  Result<KeyRecord> revoke(const std::string& which);
  // A new key with the same tenant, name, scopes and time to live; the old one ends.
  Result<ApiKey> rotate(const std::string& which);

  // The record of a key that is valid now; nothing for every other text. Compared in a time that
  // does not depend on how much of it is right.
  Result<std::optional<KeyRecord>> find(std::string_view text);
  // Whether there is or ever was a key: who has made one wants others kept out.
  Result<bool> any();

 private:
  struct Entry {
    KeyRecord record;
    std::string mac;
  };
  KeyStore(state::Database database, std::string secret, std::function<int64_t()> clock);
  Result<void> refresh();
  template <class T>
  Result<T> changing(const std::function<Result<T>()>& work);
  Result<KeyRecord> named(const std::string& which) const;
  Result<void> end(const KeyRecord& record, int64_t when);
  Result<ApiKey> insert(const KeyWish& wish);
  std::string mac_of(std::string_view text) const;

  state::Database database_;
  const std::string secret_;
  const std::function<int64_t()> clock_;
  std::vector<Entry> entries_;      // what the database held at version_
  std::optional<int64_t> version_;  // nothing: to be read
};

}  // namespace autoglm::guard
