#include "guard/gate.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/digest.h"
#include "base/log.h"
#include "state/state_dir.h"

namespace autoglm::guard {
namespace {

constexpr size_t kLeastKeyBytes = 8;
constexpr size_t kMostKeyBytes = 512;
constexpr size_t kMostFileBytes = size_t{1} << 20;
constexpr Scopes kOfClearKeys{Scope::kInference, Scope::kAdmin, Scope::kMetrics};

std::string digest_of_key(std::string_view key) {
  Sha256 digest;
  digest.add(key);
  return digest.finish();
}

}  // namespace

Gate::Gate(GateOptions options)
    : state_folder_(std::move(options.state_folder)), open_(options.open) {
  for (const std::string& key : options.api_keys) {
    const std::string name = fmt::format("api_key {}", clear_keys_.size() + 1);
    clear_keys_.push_back(
        {.digest = digest_of_key(key),
         .principal = {.name = name, .key_id = name, .scopes = kOfClearKeys, .proved = true}});
  }
}

Error Gate::told(Error error) {
  std::string message = error.message();
  if (message != told_) logger()->error("keys cannot be read: {}", message);
  told_ = std::move(message);
  return error;
}

Result<KeyStore*> Gate::store() {
  if (store_ != nullptr && !store_->is_current()) store_.reset();
  if (store_ != nullptr || state_folder_.empty()) return store_.get();
  if (!KeyStore::exists(state_folder_)) return nullptr;
  // Keys that others could write opened the server to them.
  const Result<std::string> folder = state::open_state_dir(state_folder_);
  if (!folder) return told(folder.error());
  auto opened = KeyStore::open(*folder);
  if (!opened) return told(std::move(opened).error());
  store_ = *std::move(opened);
  return store_.get();
}

bool Gate::closed() {
  if (open_) return false;
  if (has_keys_ || !clear_keys_.empty()) return true;
  const Result<KeyStore*> keys = store();
  if (!keys) return true;
  if (*keys == nullptr) return false;
  const Result<bool> any = (*keys)->any();
  if (!any) told(any.error());
  has_keys_ = any && *any;
  return !any || *any;
}

// All of them are compared, each to its end.
const Principal* Gate::clear_key(std::string_view key) const {
  const std::string digest = digest_of_key(key);
  const Principal* found = nullptr;
  for (const ClearKey& known : clear_keys_) {
    if (::CRYPTO_memcmp(known.digest.data(), digest.data(), digest.size()) == 0) {
      found = &known.principal;
    }
  }
  return found;
}

std::variant<Principal, Refusal> Gate::admit(std::string_view key, Scope scope) {
  if (!closed()) return Principal{};
  if (key.empty()) return Refusal::kNoKey;
  std::optional<Principal> principal;
  if (const Principal* known = clear_key(key)) {
    principal = *known;
  } else {
    const Result<KeyStore*> keys = store();
    if (!keys) return Refusal::kNotDecided;
    // It has been taken away: nobody knows which keys it had.
    if (*keys == nullptr && has_keys_) return Refusal::kNotDecided;
    const auto found = *keys == nullptr ? Result(std::optional<KeyRecord>()) : (*keys)->find(key);
    if (!found) {
      told(found.error());
      return Refusal::kNotDecided;
    }
    if (*found) {
      const KeyRecord& record = **found;
      principal = Principal{.name = "key " + record.id,
                            .key_id = record.id,
                            .tenant = record.tenant,
                            .scopes = record.scopes,
                            .proved = true};
    }
  }
  if (!principal) return Refusal::kWrongKey;
  if (!principal->scopes.has(scope)) return Refusal::kScope;
  return *principal;
}

Result<void> check_clear_key(std::string_view key, const std::string& where) {
  const bool visible = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
  if (visible && key.size() >= kLeastKeyBytes && key.size() <= kMostKeyBytes) return {};
  // Never the key itself.
  return Error{ErrorCode::kInvalidArgument, "not a key", where,
               fmt::format("{} to {} visible ASCII characters", kLeastKeyBytes, kMostKeyBytes),
               visible ? fmt::format("{} characters", key.size()) : "other characters"};
}

Result<std::vector<std::string>> read_key_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error{ErrorCode::kNotFound, "the key file cannot be read", path,
                 "a file with one key a line", std::strerror(errno)};
  }
  std::string text(kMostFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMostFileBytes) {
    return Error{ErrorCode::kTooLarge, "the key file is too large", path,
                 fmt::format("at most {} bytes", kMostFileBytes), "more"};
  }
  return parse_key_file(text, path);
}

Result<std::vector<std::string>> parse_key_file(std::string_view rest, const std::string& path) {
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::vector<std::string> keys;
  for (int line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view key = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!key.empty() && (key.back() == '\r' || key.back() == ' ' || key.back() == '\t')) {
      key.remove_suffix(1);
    }
    if (key.empty() || key.front() == '#') continue;
    AGLM_TRY(check_clear_key(key, fmt::format("{}: line {}", path, line)));
    keys.emplace_back(key);
  }
  if (!keys.empty()) return keys;
  return Error{ErrorCode::kInvalidArgument, "the key file holds no key", path,
               "at least one, each on a line of its own", "none"};
}

}  // namespace autoglm::guard
