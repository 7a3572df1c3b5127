#include "guard/redact/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_folder.h"

namespace autoglm::guard::redact {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

OperatorKeys keys() { return {.alias = std::string(32, 'a'), .vault = std::string(32, 'v')}; }

std::string by(const std::string& policy, std::string_view text, const std::string& tenant = "",
               const OperatorKeys& with = keys()) {
  const auto read = Policy::parse(policy, "policy");
  EXPECT_TRUE(read) << read.error().message();
  return read ? redact(text, read->of(tenant), {.keys = &with, .tenant = tenant}) : "";
}

TEST(Policy, SaysWhatIsDoneAboutEachEntityAndForEachTenant) {
  const std::string policy =
      "default: tag\n"
      "entities: {CN_MOBILE: mask, EMAIL_ADDRESS: off, US_SSN: drop}\n"
      "tenants:\n"
      "  law:\n"
      "    default: drop\n"
      "    entities: {EMAIL_ADDRESS: {operator: tag}}\n";
  const std::string text = "13800138000 a@b.com 110101199003071233 536-22-8145";
  EXPECT_EQ(by(policy, text), "*******8000 a@b.com <CN_RESIDENT_ID> ");
  EXPECT_EQ(by(policy, text, "law"), " <EMAIL_ADDRESS>  ");
  EXPECT_EQ(by(policy, text, "other"), by(policy, text));
}

TEST(Policy, AThresholdSaysHowSureItMustBe) {
  EXPECT_EQ(by("threshold: 0.3", "E12345678"), "<CN_PASSPORT>");
  EXPECT_EQ(by("", "E12345678"), "E12345678");
  EXPECT_EQ(by("entities: {CN_MOBILE: {threshold: 0.9}}", "13800138000"), "13800138000");
}

TEST(Policy, NamesOfAListAreFoundWithoutAWordNearThem) {
  const std::string policy = "names: [张伟, Ann Lee]\ntenants: {law: {names: [李娜]}}";
  EXPECT_EQ(by(policy, "昨天张伟和李娜见了 Ann Lee, not Joann Lee or Ann Leeds."),
            "昨天<PERSON>和李娜见了 <PERSON>, not Joann Lee or Ann Leeds.");
  EXPECT_EQ(by(policy, "张伟和李娜", "law"), "张伟和<PERSON>");
}

TEST(Policy, ErrorsNameThePlace) {
  const auto wrong = [](const std::string& text) {
    const auto read = Policy::parse(text, "p.yaml");
    EXPECT_FALSE(read) << text;
    return read ? std::string() : read.error().message();
  };
  EXPECT_THAT(wrong("entities: {CN_MOBIL: tag}"), HasSubstr("p.yaml:1:12"));
  EXPECT_THAT(wrong("default: hide"), HasSubstr("no such operator"));
  EXPECT_THAT(wrong("threshold: 2"), HasSubstr("not a threshold"));
  EXPECT_THAT(wrong("tenants: {law: {tenants: {}}}"), HasSubstr("unknown key"));
  EXPECT_THAT(wrong("[1, 2]"), HasSubstr("not a policy"));
  EXPECT_THAT(wrong("a: [b"), HasSubstr("not YAML"));
  EXPECT_THAT(wrong("entities: tag"), HasSubstr("not a map"));
}

TEST(Operators, AMaskLeavesFourCharactersAtMost) {
  EXPECT_EQ(by("default: mask", "138 0013 8000"), "*** **** 8000");
  EXPECT_EQ(by("default: mask", "110101199003071233"), "**************1233");
  EXPECT_EQ(by("default: mask", "li.wei@example.cn"), "**.***@*******.**");
  EXPECT_EQ(by("default: mask", "AKIAIOSFODNN7EXAMPLE"), "********");
  EXPECT_EQ(by("default: mask", "京A12345"), "*******");
}

TEST(Operators, APseudonymIsTheSameForTheSameValueOfATenant) {
  const std::string policy = "default: pseudonym";
  const std::string one = by(policy, "13800138000");
  EXPECT_THAT(one, MatchesRegex("<CN_MOBILE_[a-z2-7]{10}>"));
  EXPECT_EQ(by(policy, "138-0013-8000"), one);
  EXPECT_EQ(by(policy, "一三八零零一三八零零零"), one);
  EXPECT_NE(by(policy, "13800138001"), one);
  EXPECT_NE(by(policy, "13800138000", "law"), one);
  OperatorKeys others = keys();
  others.alias[0] = 'b';
  EXPECT_NE(by(policy, "13800138000", "", others), one);
}

TEST(Operators, ASurrogateHasTheFormAndAWrongCheckDigit) {
  for (const char* value : {"110101199003071233", "4111 1111 1111 1111", "6222020200112345679",
                            "GB82WEST12345698765432"}) {
    const std::string fake = by("default: surrogate", value);
    EXPECT_NE(fake, value);
    EXPECT_EQ(fake.size(), std::string_view(value).size());
    EXPECT_EQ(fake, by("default: surrogate", value));
    EXPECT_EQ(redact(fake, Rules()), fake);
  }
  EXPECT_THAT(by("default: surrogate", "li@example.cn"), MatchesRegex("user-.{8}@example.com"));
}

TEST(Operators, TheVaultGivesBackWhatItTookToWhoHasTheKey) {
  const std::string text = "电话13800138000，邮箱li.wei@example.cn。";
  const std::string sealed = by("default: vault", text, "law");
  EXPECT_THAT(sealed, Not(HasSubstr("138")));
  const OperatorKeys right = keys();
  const auto open = [&](const std::string& what, const OperatorKeys& with, const char* tenant) {
    return reveal(what, {.keys = &with, .tenant = tenant});
  };
  EXPECT_EQ(*open(sealed, right, "law"), text);
  EXPECT_FALSE(open(sealed, right, "other"));
  OperatorKeys wrong = keys();
  wrong.vault[0] = 'x';
  EXPECT_FALSE(open(sealed, wrong, "law"));
  std::string changed = sealed;
  const size_t at = changed.find(':') + 20;
  changed[at] = changed[at] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(open(changed, right, "law"));
  EXPECT_EQ(*open("no token <VAULT_ here <VAULT_X:y>", right, ""),
            "no token <VAULT_ here <VAULT_X:y>");
}

// A private key is swallowed, not kept: there is nothing to give back, and no two can be told
// apart.
TEST(Operators, WhatIsNotKnownAsAWholeIsATag) {
  const std::string pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----";
  for (const char* policy : {"default: pseudonym", "default: surrogate", "default: vault"}) {
    EXPECT_EQ(by(policy, pem, "law"), "<PRIVATE_KEY>") << policy;
  }
}

TEST(Operators, KeysStayInTheStateFolder) {
  const ScratchFolder folder;
  const auto first = operator_keys(folder.path());
  const auto second = operator_keys(folder.path());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->alias, second->alias);
  EXPECT_EQ(first->vault.size(), 32u);
  EXPECT_NE(first->alias, first->vault);
}

}  // namespace
}  // namespace autoglm::guard::redact
