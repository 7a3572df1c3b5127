// What is found, and that no way to cut a text changes what comes out.
#include "guard/redact/redactor.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "support/source_folder.h"

namespace autoglm::guard::redact {
namespace {

std::string tagged(std::string_view text) { return redact(text, Rules()); }

struct Case {
  const char* text;
  const char* redacted;
};

void expect(std::initializer_list<Case> cases) {
  for (const Case& one : cases) EXPECT_EQ(tagged(one.text), one.redacted) << one.text;
}

TEST(Redact, ResidentIds) {
  expect({
      {"身份证110101199003071233。", "身份证<CN_RESIDENT_ID>。"},
      {"ID: 34052419800101001X", "ID: <CN_RESIDENT_ID>"},
      {"34052419800101001x,", "<CN_RESIDENT_ID>,"},
      {"310115200002294567", "<CN_RESIDENT_ID>"},
      {"810000199707010010", "<CN_RESIDENT_ID>"},
      {"440300200302290016", "440300200302290016"},  // no such day
      {"340524198001010013", "340524198001010013"},  // wrong check digit
      {"1101011990030712331", "1101011990030712331"},
      {"110101 19900307 1233", "<CN_RESIDENT_ID>"},
      {"11010119900307l233", "<CN_RESIDENT_ID>"},  // the letter
      {"11010119900307l234", "11010119900307l234"},
      {"身份证号110101850315123", "身份证号<CN_RESIDENT_ID>"},
      {"110101850315123", "110101850315123"},
  });
}

TEST(Redact, Phones) {
  expect({
      {"电话13800138000吧", "电话<CN_MOBILE>吧"},
      {"+86 199-1234-5678", "<CN_MOBILE>"},
      {"(+86)13800138000", "<CN_MOBILE>"},
      {"8613800138000", "<CN_MOBILE>"},
      {"１３８-００１３-８０００", "<CN_MOBILE>"},
      {"1\u200b3\u200b800138000", "<CN_MOBILE>"},
      {"幺三八零零幺三八零零零", "<CN_MOBILE>"},
      {"一三八〇〇一三八〇〇〇", "<CN_MOBILE>"},
      {"138 0013 8000", "<CN_MOBILE>"},
      {"1 3 8 0 0 1 3 8 0 0 0", "<CN_MOBILE>"},
      {"1380013800", "1380013800"},
      {"138001380001", "138001380001"},
      {"一九九八年三月", "一九九八年三月"},
      {"010-62781234", "<CN_LANDLINE>"},
      {"(0755)26001234", "<CN_LANDLINE>"},
      {"致电0755-26001234转801", "致电<CN_LANDLINE>"},
      {"400-810-1234", "<CN_LANDLINE>"},
      {"电话：62781234", "电话：<CN_LANDLINE>"},
      {"+44 20 7946 0958", "<PHONE_NUMBER>"},
      {"(415) 555-2671", "<PHONE_NUMBER>"},
      {"415-555-2671", "<PHONE_NUMBER>"},
      {"3.14159265358979", "3.14159265358979"},
  });
}

TEST(Redact, CardsAndAccounts) {
  expect({
      {"卡号6222020200112345679", "卡号<CN_BANK_CARD>"},
      {"6217000012345678907", "<CN_BANK_CARD>"},
      {"4111 1111 1111 1111", "<CREDIT_CARD>"},
      {"4111111111111112", "4111111111111112"},
      {"3782-822463-10005", "<CREDIT_CARD>"},
      {"DE89 3704 0044 0532 0130 00", "<IBAN_CODE>"},
      {"GB82WEST12345698765432", "<IBAN_CODE>"},
      {"GB82WEST12345698765433", "GB82WEST12345698765433"},
      {"536-22-8145", "<US_SSN>"},
      {"000-22-8145", "000-22-8145"},
  });
}

TEST(Redact, CodesOfPeopleAndOrganizations) {
  expect({
      {"91110000600037341L", "<CN_CREDIT_CODE>"},
      {"91110105MA01ABCD5F", "<CN_CREDIT_CODE>"},
      {"91110105MA01ABCD5G", "91110105MA01ABCD5G"},
      {"护照号E12345678", "护照号<CN_PASSPORT>"},
      {"护照EA1234567", "护照<CN_PASSPORT>"},
      {"E12345678", "E12345678"},
      {"通行证：C12345678", "通行证：<CN_TRAVEL_PERMIT>"},
      {"A123456(3)", "<HK_ID>"},
      {"AB987654(3)", "<HK_ID>"},
      {"A123456(4)", "A123456(4)"},
      {"A123456789", "<TW_ID>"},
      {"京A12345", "<CN_PLATE>"},
      {"车牌粤B·D12345停", "车牌<CN_PLATE>停"},
      {"沪AF12345", "<CN_PLATE>"},
      {"川A12345D", "<CN_PLATE>"},
      {"微信号：zhang_san88", "微信号：<CN_WECHAT>"},
      {"QQ：12345678", "QQ：<CN_QQ>"},
  });
}

TEST(Redact, AddressesOfMailAndMachines) {
  expect({
      {"请发邮件到li.wei@example.cn。", "请发邮件到<EMAIL_ADDRESS>。"},
      {"a+b@sub.example.org.", "<EMAIL_ADDRESS>."},
      {"12345678@qq.com", "<EMAIL_ADDRESS>"},
      {"l i . w e i ＠ example．cn", "<EMAIL_ADDRESS>"},
      {"hello@world", "hello@world"},
      {"203.0.113.7", "<IP_ADDRESS>"},
      {"1.2.3.4.5", "1.2.3.4.5"},
      {"2001:db8::7", "<IP_ADDRESS>"},
      {"std::vector", "std::vector"},
      {"02:42:ac:11:00:02", "<MAC_ADDRESS>"},
      {"0242.ac11.0002", "<MAC_ADDRESS>"},
  });
}

TEST(Redact, Secrets) {
  const std::string pem =
      "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nabc+/=\n-----END RSA PRIVATE KEY-----";
  EXPECT_EQ(tagged("key:\n" + pem + "\nend"), "key:\n<PRIVATE_KEY>\nend");
  expect({
      {"AKIAIOSFODNN7EXAMPLE", "<API_KEY>"},
      {"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "<API_KEY>"},
      {"0123456789abcdef0123456789abcdef.AbCdEfGh12345678", "<API_KEY>"},
      {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9", "<JWT>"},
      {"password = \"a8Kd92mXq01LzR7t\"", "password = \"<SECRET>\""},
      {"secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
       "secret_access_key = <SECRET>"},
      {"name = \"a8Kd92mXq01LzR7t\"", "name = \"a8Kd92mXq01LzR7t\""},
  });
  // Longer than anything is held.
  EXPECT_EQ(tagged("xoxb-1" + std::string(1000, 'a') + " b"), "<API_KEY> b");
}

TEST(Redact, NamesAndAddresses) {
  expect({
      {"姓名：张三，男", "姓名：<PERSON>，男"},
      {"联系人：欧阳娜娜", "联系人：<PERSON>"},
      {"我叫李小明。", "我叫<PERSON>。"},
      {"我很高兴，马上来", "我很高兴，马上来"},
      {"请王小明先生到前台", "请<PERSON>先生到前台"},
      {"住在北京市海淀区中关村大街27号3号楼502室。", "住在<CN_ADDRESS>。"},
      {"地址：杭州市西湖区文三路100号", "地址：<CN_ADDRESS>"},
      {"北京是首都", "北京是首都"},
  });
}

TEST(Redact, JsonKeepsItsForm) {
  const auto json = [](std::string_view text) {
    return redact(text, Rules(), {}, TextForm::kJson);
  };
  EXPECT_EQ(json(R"({"phone":"13800138000"})"), R"({"phone":"<CN_MOBILE>"})");
  EXPECT_EQ(json(R"({"phone":13800138000})"), R"({"phone":"<CN_MOBILE>"})");
  EXPECT_EQ(json(R"({"phone":"1\u0033800138000"})"), R"({"phone":"<CN_MOBILE>"})");
  EXPECT_EQ(json("[138,0013,8000]"), "[138,0013,8000]");
  EXPECT_EQ(json(R"(["138","00138000"])"), R"(["138","00138000"])");
  EXPECT_EQ(json(R"({"k":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"})"),
            R"({"k":"<PRIVATE_KEY>\n"})");
}

// The letter of an escape is none of the word behind it.
TEST(Redact, EscapesOfJsonAndCodeEndWords) {
  for (const char* value :
       {"sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD", "536-90-4399", "A123456(3)",
        "zhang.wei@corp-mail.cn", "13800138000", "203.0.113.77", "00:1B:44:11:3A:B7"}) {
    const std::string plain = tagged(value);
    ASSERT_THAT(plain, testing::StartsWith("<")) << value;
    for (const char* escape : {"\\n", "\\t", "\\r", "\\\"", "\\/"}) {
      EXPECT_EQ(tagged(std::string("a") + escape + value), std::string("a") + escape + plain);
      // And a string of JSON that holds a text of JSON.
      const std::string inner = escape[1] == '"' ? R"(\\\")" : "\\" + std::string(escape);
      EXPECT_EQ(redact("[\"a" + inner + value + "\"]", Rules(), {}, TextForm::kJson),
                "[\"a" + inner + plain + "\"]");
    }
  }
  EXPECT_EQ(redact(R"(["a\\",13800138000])", Rules(), {}, TextForm::kJson),
            R"(["a\\","<CN_MOBILE>"])");
  EXPECT_EQ(tagged(R"(C:\new\temp 13800138000)"), R"(C:\new\temp <CN_MOBILE>)");
}

TEST(Redact, DigitsInsideOfAnotherThingAreNobodys) {
  for (const char* text : {"0.4219001972673997", "resp_786a24222a455995025354573a5e839c"}) {
    EXPECT_EQ(tagged(text), text);
  }
}

// Every case of these tests, and texts around them.
std::vector<std::string> corpus() {
  std::ifstream file(source_folder() + "/tests/data/redact/cases.txt");
  std::vector<std::string> texts;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') texts.push_back(line);
  }
  return texts;
}

std::string in_pieces(std::string_view text, std::initializer_list<size_t> cuts, TextForm form) {
  static const Rules kRules;
  StreamRedactor stream(kRules, {}, form);
  std::string out;
  size_t from = 0;
  for (const size_t cut : cuts) {
    out += stream.push(text.substr(from, cut - from));
    from = cut;
  }
  out += stream.push(text.substr(from));
  return out + stream.finish();
}

TEST(StreamRedactor, NoSingleOrDoubleCutChangesWhatComesOut) {
  const std::vector<std::string> texts = corpus();
  ASSERT_GT(texts.size(), 100U);
  for (const std::string& text : texts) {
    for (const TextForm form : {TextForm::kPlain, TextForm::kJson}) {
      const std::string whole = redact(text, Rules(), {}, form);
      for (size_t i = 0; i <= text.size(); ++i) {
        ASSERT_EQ(in_pieces(text, {i}, form), whole) << text << " cut at " << i;
        for (size_t j = i; j <= text.size(); ++j) {
          ASSERT_EQ(in_pieces(text, {i, j}, form), whole) << text << " cut at " << i << ", " << j;
        }
      }
    }
  }
}

TEST(StreamRedactor, RandomPiecesOfRandomTextsComeToTheSame) {
  const std::vector<std::string> texts = corpus();
  std::mt19937 random(7);
  const Rules rules;
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) {
      const std::string& part = texts[random() % texts.size()];
      const size_t begin = random() % part.size();
      text += part.substr(begin, random() % 40);
      if (random() % 8 == 0) text.push_back(static_cast<char>(random()));
    }
    const TextForm form = random() % 2 == 0 ? TextForm::kPlain : TextForm::kJson;
    StreamRedactor stream(rules, {}, form);
    std::string out;
    for (std::string_view rest = text; !rest.empty();) {
      const size_t n = std::min<size_t>(rest.size(), random() % 6 + 1);
      out += stream.push(rest.substr(0, n));
      rest.remove_prefix(n);
    }
    out += stream.finish();
    ASSERT_EQ(out, redact(text, rules, {}, form)) << text;
  }
}

TEST(StreamRedactor, NothingIsHeldLongerThanItsLongestForm) {
  const Rules rules;
  constexpr size_t kMost = 260 * 4;  // an address of mail, and what is invisible
  for (const char* part :
       {"a", "1", "1 ", "一", "北京", "张", "a.", "-", "+1", "e y", "AB12", "::"}) {
    StreamRedactor stream(rules, {});
    for (int i = 0; i < 5000; ++i) {
      stream.push(part);
      ASSERT_LE(stream.held(), kMost) << part;
    }
  }
}

TEST(StreamRedactor, ProseWaitsForAWord) {
  const Rules rules;
  StreamRedactor stream(rules, {});
  for (const char* word : {"The ", "quick ", "brown ", "fox ", "jumps", ", ", "over ", "it. "}) {
    stream.push(word);
    ASSERT_LE(stream.held(), 6U) << word;
  }
  StreamRedactor chinese(rules, {});
  for (const char* word : {"今天", "天气", "很好", "，", "我们", "去", "公园", "散步", "。"}) {
    chinese.push(word);
    ASSERT_LE(chinese.held(), 6U) << word;
  }
}

}  // namespace
}  // namespace autoglm::guard::redact
