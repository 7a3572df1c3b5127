#include "guard/redact/operators.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/utf8.h"
#include "guard/redact/window.h"

namespace autoglm::guard::redact {
namespace {

struct Name {
  Operator which;
  std::string_view name;
};
constexpr Name kNames[] = {
    {Operator::kOff, "off"},
    {Operator::kTag, "tag"},
    {Operator::kMask, "mask"},
    {Operator::kDrop, "drop"},
    {Operator::kPseudonym, "pseudonym"},
    {Operator::kSurrogate, "surrogate"},
    {Operator::kVault, "vault"},
};

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kVaultBegin = "<VAULT_";
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

bool is_secret(Entity entity) {
  return entity == Entity::kPrivateKey || entity == Entity::kJwt || entity == Entity::kApiKey ||
         entity == Entity::kSecret;
}

// Fields with zero bytes between them: no two lists of fields come to the same text.
std::string mac(std::string_view key, std::initializer_list<std::string_view> fields) {
  std::string text;
  for (const std::string_view field : fields) text.append(field).push_back('\0');
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  const auto* made = ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                            digest.data(), &size);
  AGLM_CHECK(made != nullptr, "no HMAC of {} bytes", text.size());
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string mask(const Finding& finding) {
  constexpr size_t kShown = 4;
  constexpr size_t kLeastToShow = 9;
  if (is_secret(finding.entity)) return "********";  // nor how long it is
  size_t n_hidden = 0;
  for (const char32_t c : finding.value) n_hidden += is_alnum(c) || c >= 0x80 ? 1 : 0;
  n_hidden -= info(finding.entity).shows_end && n_hidden >= kLeastToShow ? kShown : 0;
  std::string masked;
  for (const char32_t c : finding.value) {
    if (is_alnum(c) || c >= 0x80) {
      const bool shown = n_hidden == 0 && c < 0x80;
      masked.push_back(shown ? static_cast<char>(c) : '*');
      if (n_hidden > 0) --n_hidden;
    } else {
      constexpr std::string_view kKept = " -.@()/:_+";
      const bool kept = kKept.find(static_cast<char>(c)) != std::string_view::npos;
      masked.push_back(kept ? static_cast<char>(c) : '*');
    }
  }
  return masked;
}

std::string pseudonym(const Finding& finding, const OperatorScope& scope) {
  constexpr size_t kLength = 10;  // 50 bits
  const std::string_view name = info(finding.entity).name;
  const std::string digest = mac(scope.keys->alias, {scope.tenant, name, plain_value(finding)});
  std::string alias = "<" + std::string(name) + "_";
  for (size_t i = 0; i < kLength; ++i) {
    alias.push_back(kBase32[static_cast<uint8_t>(digest[i]) % kBase32.size()]);
  }
  return alias + ">";
}

// Numbers that a key and a value decide, as many as are needed.
class Draws {
 public:
  Draws(std::string_view key, std::string_view tenant, std::string_view name, std::string value)
      : key_(key), seed_(mac(key, {"surrogate", tenant, name, value})) {}
  size_t below(size_t n) {
    if (next_ == bytes_.size()) {
      bytes_ = mac(key_, {seed_, std::to_string(round_++)});
      next_ = 0;
    }
    return static_cast<uint8_t>(bytes_[next_++]) % n;
  }

 private:
  std::string_view key_;
  std::string seed_, bytes_;
  size_t next_ = 0;
  int round_ = 0;
};

// Whether a recognizer would take the text for the same kind of thing.
bool passes_for(const std::u32string& value, Entity entity) {
  Filter all;  // every score is enough
  std::string text;
  for (const char32_t c : value) append_utf8(text, c);
  const std::vector<Finding> found = find(text, all);
  return std::any_of(found.begin(), found.end(),
                     [&](const Finding& one) { return one.entity == entity; });
}

std::string surrogate(const Finding& finding, const OperatorScope& scope) {
  const EntityInfo& entity = info(finding.entity);
  Draws draws(scope.keys->alias, scope.tenant, entity.name, plain_value(finding));
  if (finding.entity == Entity::kEmail) {
    std::string address = "user-";
    for (int i = 0; i < 8; ++i) address.push_back(kBase32[draws.below(kBase32.size())]);
    return address + "@example.com";
  }
  std::u32string value = finding.value;
  constexpr std::u32string_view kHan = U"安平和明文华建国志伟丽静敏强军洋勇艳杰娟涛超霞刚";
  for (char32_t& c : value) {
    if (is_digit(c) || han_digit(c) >= 0) {
      c = U'0' + static_cast<char32_t>(draws.below(10));
    } else if (is_letter(c)) {
      c = (is_upper(c) ? U'A' : U'a') + static_cast<char32_t>(draws.below(26));
    } else if (c >= 0x80) {
      c = kHan[draws.below(kHan.size())];
    } else if (c == U'"' || c == U'\\' || c < U' ') {
      c = U' ';
    }
  }
  // One that is right might be somebody's.
  const auto last = std::find_if(value.rbegin(), value.rend(), is_digit);
  for (int i = 0; i < 10 && entity.checked && last != value.rend(); ++i) {
    if (!passes_for(value, finding.entity)) break;
    *last = *last == U'9' ? U'0' : *last + 1;
  }
  std::string text;
  for (const char32_t c : value) append_utf8(text, c);
  return text;
}

struct CipherFree {
  void operator()(EVP_CIPHER_CTX* context) const { ::EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherFree>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string base64url(std::string_view bytes) {
  std::string text;
  uint32_t bits = 0;
  int n = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (n += 8; n >= 6; n -= 6) text.push_back(kBase64Url[bits >> (n - 6) & 63]);
  }
  if (n > 0) text.push_back(kBase64Url[bits << (6 - n) & 63]);
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int n = 0;
  for (const char c : text) {
    const size_t value = kBase64Url.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    n += 6;
    if (n >= 8) {
      n -= 8;
      bytes.push_back(static_cast<char>(bits >> n & 0xFF));
    }
  }
  return bytes;
}

std::string associated(std::string_view tenant, std::string_view name) {
  return std::string(tenant) + '\0' + std::string(name);
}

// The nonce follows from what is encrypted: the same value is the same token, and no nonce stands
// for two values.
std::string vault(const Finding& finding, const OperatorScope& scope) {
  const std::string_view name = info(finding.entity).name;
  std::string value;
  for (const char32_t c : finding.value) append_utf8(value, c);
  const std::string& key = scope.keys->vault;
  const std::string nonce = mac(key, {"nonce", scope.tenant, name, value}).substr(0, kNonceBytes);
  const std::string beside = associated(scope.tenant, name);
  const Cipher cipher(::EVP_CIPHER_CTX_new());
  std::string sealed(value.size() + kTagBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(sealed.data());
  int n = 0;
  bool done =
      cipher != nullptr &&
      ::EVP_EncryptInit_ex(cipher.get(), ::EVP_aes_256_gcm(), nullptr, bytes_of(key),
                           bytes_of(nonce)) == 1 &&
      ::EVP_EncryptUpdate(cipher.get(), nullptr, &n, bytes_of(beside),
                          static_cast<int>(beside.size())) == 1 &&
      ::EVP_EncryptUpdate(cipher.get(), out, &n, bytes_of(value), static_cast<int>(value.size())) ==
          1 &&
      ::EVP_EncryptFinal_ex(cipher.get(), out + n, &n) == 1 &&
      ::EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + value.size()) == 1;
  AGLM_CHECK(done, "no ciphertext of {} bytes", value.size());
  return std::string(kVaultBegin) + std::string(name) + ":" + base64url(nonce + sealed) + ">";
}

std::optional<std::string> open_vault(std::string_view name, std::string_view token,
                                      const OperatorScope& scope) {
  const auto bytes = from_base64url(token);
  if (!bytes || bytes->size() < kNonceBytes + kTagBytes) return std::nullopt;
  const std::string_view nonce = std::string_view(*bytes).substr(0, kNonceBytes);
  const std::string_view sealed = std::string_view(*bytes).substr(kNonceBytes);
  const size_t size = sealed.size() - kTagBytes;
  std::string tag(sealed.substr(size));
  const std::string beside = associated(scope.tenant, name);
  const Cipher cipher(::EVP_CIPHER_CTX_new());
  std::string value(size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(value.data());
  int n = 0;
  const bool done =
      cipher != nullptr &&
      ::EVP_DecryptInit_ex(cipher.get(), ::EVP_aes_256_gcm(), nullptr, bytes_of(scope.keys->vault),
                           bytes_of(nonce)) == 1 &&
      ::EVP_DecryptUpdate(cipher.get(), nullptr, &n, bytes_of(beside),
                          static_cast<int>(beside.size())) == 1 &&
      ::EVP_DecryptUpdate(cipher.get(), out, &n, bytes_of(sealed), static_cast<int>(size)) == 1 &&
      ::EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      ::EVP_DecryptFinal_ex(cipher.get(), out + n, &n) == 1;
  if (!done) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Operator> operator_of(std::string_view name) {
  for (const Name& row : kNames) {
    if (row.name == name) return row.which;
  }
  return std::nullopt;
}

std::string_view operator_name(Operator which) { return kNames[static_cast<size_t>(which)].name; }

std::string plain_value(const Finding& finding) {
  const Entity entity = finding.entity;
  const bool words = entity == Entity::kPerson || entity == Entity::kCnAddress;
  const bool spelled = words || entity == Entity::kEmail || entity == Entity::kIp ||
                       is_secret(entity) || entity == Entity::kCnWechat;
  std::string value;
  for (const char32_t c : finding.value) {
    const int han = words ? -1 : han_digit(c);
    if (han >= 0) {
      value.push_back(static_cast<char>('0' + han));
    } else if (spelled) {
      append_utf8(value, is_secret(entity) ? c : lower(c));
    } else if (is_alnum(c) || c >= 0x80) {
      append_utf8(value, lower(c));
    }
  }
  return value;
}

std::string replacement(const Finding& finding, Operator which, const OperatorScope& scope) {
  std::string text;
  const bool turned_back =
      which == Operator::kPseudonym || which == Operator::kSurrogate || which == Operator::kVault;
  // What is not known as a whole cannot be given back, nor told from another.
  if (finding.partial && turned_back) which = Operator::kTag;
  switch (which) {
    case Operator::kOff:
    case Operator::kTag: text = "<" + std::string(info(finding.entity).name) + ">"; break;
    case Operator::kMask: text = mask(finding); break;
    case Operator::kDrop: break;
    case Operator::kPseudonym: text = pseudonym(finding, scope); break;
    case Operator::kSurrogate: text = surrogate(finding, scope); break;
    case Operator::kVault: text = vault(finding, scope); break;
  }
  return finding.in_string ? text : '"' + text + '"';
}

Result<std::string> reveal(std::string_view text, const OperatorScope& scope) {
  std::string out;
  for (;;) {
    const size_t begin = text.find(kVaultBegin);
    if (begin == std::string_view::npos) break;
    const size_t end = text.find('>', begin);
    const std::string_view inside =
        end == std::string_view::npos
            ? std::string_view()
            : text.substr(begin + kVaultBegin.size(), end - begin - kVaultBegin.size());
    const size_t colon = inside.find(':');
    if (colon == std::string_view::npos || !entity_of(inside.substr(0, colon))) {
      out.append(text.substr(0, begin + kVaultBegin.size()));
      text.remove_prefix(begin + kVaultBegin.size());
      continue;
    }
    const auto value = open_vault(inside.substr(0, colon), inside.substr(colon + 1), scope);
    if (!value) {
      return Error{ErrorCode::kInvalidArgument, "the vault's token does not open",
                   std::string(inside.substr(0, colon)),
                   "one made with this key for this tenant, unchanged", ""};
    }
    out.append(text.substr(0, begin)).append(*value);
    text.remove_prefix(end + 1);
  }
  return out.append(text);
}

}  // namespace autoglm::guard::redact
