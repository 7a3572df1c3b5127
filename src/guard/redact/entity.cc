#include "guard/redact/entity.h"

namespace autoglm::guard::redact {

const std::array<EntityInfo, kEntities>& entities() {
  using enum Entity;
  static constexpr std::array<EntityInfo, kEntities> kTable = {{
      {kCnResidentId, "CN_RESIDENT_ID", "resident ID, 18 or 15 digits", 56, true, true},
      {kCnMobile, "CN_MOBILE", "mobile number of the mainland", 56, false, true},
      {kCnLandline, "CN_LANDLINE", "landline, 400 and 800 numbers", 56, false, true},
      {kCnBankCard, "CN_BANK_CARD", "UnionPay card", 60, true, true},
      {kCnCreditCode, "CN_CREDIT_CODE", "unified social credit code", 18, true, true},
      {kCnPassport, "CN_PASSPORT", "passport of China, Hong Kong or Macau", 10, false, false},
      {kCnTravelPermit, "CN_TRAVEL_PERMIT", "travel permit", 12, false, false},
      {kHkId, "HK_ID", "Hong Kong identity card", 12, true, false},
      {kTwId, "TW_ID", "Taiwan identity card", 11, true, false},
      {kCnPlate, "CN_PLATE", "vehicle plate, new-energy ones too", 10, false, false},
      {kCnWechat, "CN_WECHAT", "WeChat id", 22, false, false},
      {kCnQq, "CN_QQ", "QQ number", 12, false, false},
      {kCnAddress, "CN_ADDRESS", "address with a street and a number", 80, false, false},
      {kPerson, "PERSON", "Chinese name, by the words around it", 8, false, false},
      {kEmail, "EMAIL_ADDRESS", "e-mail address", 254, false, false},
      {kIp, "IP_ADDRESS", "IPv4 or IPv6 address", 48, false, false},
      {kMac, "MAC_ADDRESS", "address of a network card", 18, false, false},
      {kIban, "IBAN_CODE", "international account number", 44, true, true},
      {kUsSsn, "US_SSN", "US social security number", 12, false, true},
      {kUsBankRouting, "ABA_ROUTING_NUMBER", "US bank routing number", 12, true, false},
      {kUkNhs, "UK_NHS", "UK NHS number", 13, true, false},
      {kInAadhaar, "IN_AADHAAR", "Indian Aadhaar number", 15, true, true},
      {kCaSin, "CA_SIN", "Canadian social insurance number", 12, true, false},
      {kCreditCard, "CREDIT_CARD", "payment card", 60, true, true},
      {kPhone, "PHONE_NUMBER", "phone number with a country code, or of North America", 40, false,
       true},
      {kPrivateKey, "PRIVATE_KEY", "private key in PEM armour", 64, false, false},
      {kJwt, "JWT", "JSON web token", 200, false, false},
      {kApiKey, "API_KEY", "key with the prefix of a known provider", 200, false, false},
      {kSecret, "SECRET", "random value assigned to a password, token or key", 200, false, false},
  }};
  return kTable;
}

std::optional<Entity> entity_of(std::string_view name) {
  for (const EntityInfo& row : entities()) {
    if (row.name == name) return row.entity;
  }
  return std::nullopt;
}

}  // namespace autoglm::guard::redact
