// What stands in the answer in the place of what was found.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "guard/redact/entity.h"
#include "guard/redact/scanner.h"

namespace autoglm::guard::redact {

enum class Operator : uint8_t {
  kOff,        // is not looked for
  kTag,        // <CN_MOBILE>
  kMask,       // *******8000
  kDrop,       // nothing
  kPseudonym,  // <CN_MOBILE_k3v7q2m5xa>: the same for the same value, by a key
  kSurrogate,  // another value of the same form, whose check digit is wrong
  kVault,      // the value itself, encrypted
};
std::optional<Operator> operator_of(std::string_view name);
std::string_view operator_name(Operator which);

// What pseudonyms, surrogates and the vault are made with; empty where no policy asks for them.
struct OperatorKeys {
  std::string alias;  // of the HMACs
  std::string vault;  // of AES-256-GCM, 32 bytes
};

// Whose values they are: no alias is the same for two scopes, and nothing opens in another.
struct OperatorScope {
  const OperatorKeys* keys = nullptr;
  std::string tenant;
};

// The value by which equal ones are known, however they were written: 138 0013 8000 is
// 13800138000. UTF-8.
std::string plain_value(const Finding& finding);

// Safe inside a JSON string, and a whole JSON value where `finding` was outside of strings.
std::string replacement(const Finding& finding, Operator which, const OperatorScope& scope);

// Turns what the vault has made of values back, in the whole text. Errors: a token that was made
// with another key or for another tenant, or that was changed.
Result<std::string> reveal(std::string_view text, const OperatorScope& scope);

}  // namespace autoglm::guard::redact
