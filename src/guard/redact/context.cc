#include "guard/redact/context.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace autoglm::guard::redact {
namespace {

constexpr size_t kNearHan = 16;
constexpr size_t kNearLatin = 40;  // five words

using Words = std::vector<std::u32string_view>;

const Words& words_of(Topic topic) {
  static const std::array<Words, 15> kWords = {{
      {U"身份证", U"身份證", U"证件", U"身份号码", U"公民身份", U"户口", U"实名", U"id card",
       U"id number", U"id no", U"identity"},
      {U"电话",  U"電話",    U"手机",      U"手機", U"座机", U"号码",    U"联系方式",
       U"致电",  U"来电",    U"拨打",      U"热线", U"传真", U"短信",    U"tel",
       U"phone", U"mobile",  U"call",      U"fax",  U"cell", U"contact", U"sms",
       U"dial",  U"hotline", U"telephone", U"handy"},
      {U"卡号",     U"银行卡", U"账号",   U"帐号",    U"账户",       U"储蓄卡",
       U"信用卡",   U"借记卡", U"开户",   U"银联",    U"card",       U"account",
       U"acct",     U"debit",  U"credit", U"visa",    U"mastercard", U"amex",
       U"discover", U"jcb",    U"diners", U"maestro", U"unionpay"},
      {U"信用代码", U"社会信用", U"税号", U"纳税人", U"营业执照", U"开票", U"uscc", U"credit code"},
      {U"护照", U"護照", U"passport"},
      {U"通行证", U"通行證", U"回乡证", U"台胞证", U"台胞證", U"permit"},
      {U"香港", U"身份证", U"身份證", U"hkid", U"hong kong", U"identity"},
      {U"台湾", U"臺灣", U"身份证", U"身份證", U"身分證", U"taiwan", U"identity"},
      {U"ssn", U"social security", U"ssns", U"ssid", U"ss#", U"社会安全号"},
      {U"aba", U"routing", U"rtn", U"abarouting", U"bank", U"transit"},
      {U"nhs", U"national health", U"health service"},
      {U"aadhaar", U"uidai", U"aadhar"},
      {U"sin", U"nas", U"social insurance"},
      {U"ip", U"addr", U"address", U"host", U"地址", U"服务器", U"主机"},
      {U"mac", U"网卡", U"物理地址", U"hardware"},
  }};
  return kWords[static_cast<size_t>(topic)];
}

bool is_latin_word(std::u32string_view word) { return word.front() < 0x80; }

}  // namespace

bool ends_with(const Window& window, std::u32string_view word, size_t skip) {
  for (size_t i = 0; i < word.size(); ++i) {
    if (lower(window.before(skip + i + 1)) != word[word.size() - 1 - i]) return false;
  }
  return true;
}

bool speaks_of(const Window& window, Topic topic) {
  const Words& words = words_of(topic);
  for (size_t skip = 0; skip < kNearLatin; ++skip) {
    const char32_t last = lower(window.before(skip + 1));
    if (last == kNothing) return false;
    for (const std::u32string_view word : words) {
      if (word.back() != last) continue;
      const bool latin = is_latin_word(word);
      if (!latin && skip >= kNearHan) continue;
      if (!ends_with(window, word, skip)) continue;
      // "tel" is not the end of "hotel", nor the beginning of "tell"; plurals are words.
      if (latin && is_letter(window.before(skip + word.size() + 1))) continue;
      if (latin && skip > 0 && is_letter(window.before(skip))) {
        const bool plural = lower(window.before(skip)) == U's' &&
                            (skip == 1 || !is_letter(window.before(skip - 1)));
        if (!plural) continue;
      }
      return true;
    }
  }
  return false;
}

}  // namespace autoglm::guard::redact
