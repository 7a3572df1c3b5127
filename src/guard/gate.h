// Whether somebody may have what is asked for, and as whom. The one interface between the guard and
// whoever serves; it knows no protocol.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "autoglm/result.h"
#include "guard/key_store.h"
#include "guard/scopes.h"

namespace autoglm::guard {

struct Principal {
  std::string name{};    // for the log: "key 3fA9bQ21", "api_key 1"; empty: nobody was asked
  std::string key_id{};  // by which usage is counted: "3fA9bQ21", "api_key 1"
  std::string tenant{};  // of the key
  Scopes scopes = Scopes::all();
  bool proved = false;  // false: there are no keys, and everybody may do everything
};

enum class Refusal {
  kNoKey,       // and one is needed
  kWrongKey,    // unknown, expired or revoked
  kScope,       // the key does not open this
  kNotDecided,  // the keys cannot be read
};

struct GateOptions {
  // Keys in clear, as other servers have them: each opens everything but `audit` and `gateway`.
  std::vector<std::string> api_keys;
  // Where `autoglm key` keeps keys; empty: nowhere. Opened once there is a database in it.
  std::string state_folder;
  bool open = false;  // nobody is asked, whatever keys there are
};

class Gate {
 public:
  Gate() : Gate(GateOptions{.open = true}) {}
  explicit Gate(GateOptions options);

  // `key`: what the caller shows; empty: nothing. Of the thread that takes requests. Decided anew
  // each time: a key that was revoked, by whatever process, opens nothing more.
  std::variant<Principal, Refusal> admit(std::string_view key, Scope scope);
  // Whether a key is needed. True where that cannot be found out.
  bool closed();

 private:
  struct ClearKey {
    std::string digest;  // compared in place of the key: of one length, and no key in memory dumps
    Principal principal;
  };
  const Principal* clear_key(std::string_view key) const;
  // nullptr: there is none. An error is logged, once for as long as it stays the same.
  Result<KeyStore*> store();
  Error told(Error error);

  std::vector<ClearKey> clear_keys_;
  std::string state_folder_;
  std::unique_ptr<KeyStore> store_;
  std::string told_;
  bool has_keys_ = false;  // the store has, or had: it stays closed, and need not be asked again
  bool open_ = false;
};

// One key a line; empty lines and what begins with # are passed over. Errors name file and line:
// no key in it, one with spaces or other than visible characters, one too short to be a secret.
Result<std::vector<std::string>> read_key_file(const std::string& path);
// The same of the file's text.
Result<std::vector<std::string>> parse_key_file(std::string_view text, const std::string& path);
// The same for keys that come otherwise; `where` names the source.
Result<void> check_clear_key(std::string_view key, const std::string& where);

}  // namespace autoglm::guard
