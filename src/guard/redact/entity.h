// What is recognized: one row an entity. A recognizer names what it has found by this enum alone;
// what is done about it is the policy's (policy.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace autoglm::guard::redact {

enum class Entity : uint8_t {
  kCnResidentId,
  kCnMobile,
  kCnLandline,
  kCnBankCard,
  kCnCreditCode,
  kCnPassport,
  kCnTravelPermit,
  kHkId,
  kTwId,
  kCnPlate,
  kCnWechat,
  kCnQq,
  kCnAddress,
  kPerson,
  kEmail,
  kIp,
  kMac,
  kIban,
  kUsSsn,
  kUsBankRouting,
  kUkNhs,
  kInAadhaar,
  kCaSin,
  kCreditCard,
  kPhone,
  kPrivateKey,
  kJwt,
  kApiKey,
  kSecret,
};
inline constexpr size_t kEntities = static_cast<size_t>(Entity::kSecret) + 1;

struct EntityInfo {
  Entity entity;
  std::string_view name;  // in policies and tags
  std::string_view what;  // for people
  // Characters of its longest form, separators included: as long as a stream may wait for it.
  uint16_t longest;
  bool checked;  // has check digits
  // A mask may leave its last four characters.
  bool shows_end;
};

const std::array<EntityInfo, kEntities>& entities();
inline const EntityInfo& info(Entity entity) { return entities()[static_cast<size_t>(entity)]; }
std::optional<Entity> entity_of(std::string_view name);

}  // namespace autoglm::guard::redact
