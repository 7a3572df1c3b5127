#include "text/grammar/json_formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace autoglm::grammar {
namespace {

// Years divisible by 4, but of those by 100 only the ones divisible by 400.
constexpr const char* kLeapYear =
    "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";

std::string date() {
  return fmt::format(
      "([0-9]{{4}}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"
      "02-(0[1-9]|1[0-9]|2[0-8]))|{}-02-29)",
      kLeapYear);
}

// Leap seconds are left out.
std::string time() {
  return R"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))";
}

// RFC 3339, appendix A.
std::string duration() {
  const std::string clock = "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)";
  return fmt::format("P([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)({})?|{})",
                     clock, clock);
}

// At most four labels of at most 60 characters: under the limit of 253. No two hyphens together,
// which keeps encoded international names, whose rules are long, away.
std::string hostname() {
  const std::string label = "[A-Za-z0-9]{1,20}(-[A-Za-z0-9]{1,19}){0,2}";
  return fmt::format(R"({}(\.{}){{0,3}})", label, label);
}

// The part before the @ as a dot-atom of RFC 5321.
std::string email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}";
  return fmt::format(R"({}(\.{}){{0,2}}@{})", atom, atom, hostname());
}

constexpr const char* kByte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

std::string ipv4() { return fmt::format(R"(({}\.){{3}}{})", kByte, kByte); }

// RFC 4291: eight groups, of which one run of at least one may be left out.
std::string ipv6() {
  const std::string group = "[0-9a-fA-F]{1,4}";
  const std::string tail = fmt::format("({}:{}|{})", group, group, ipv4());
  std::string all = fmt::format("({}:){{6}}{}", group, tail);
  all += fmt::format("|::({}:){{5}}{}", group, tail);
  for (int before = 0; before <= 4; ++before) {
    all += fmt::format("|({0}(:{0}){{0,{1}}})?::({0}:){{{2}}}{3}", group, before, 4 - before, tail);
  }
  all += fmt::format("|({0}(:{0}){{0,5}})?::{0}|({0}(:{0}){{0,6}})?::", group);
  return all;
}

// RFC 3986, without addresses in brackets.
struct Uri {
  std::string scheme = "[A-Za-z][A-Za-z0-9+.-]*";
  std::string encoded = "%[0-9A-Fa-f]{2}";
  std::string character = fmt::format("([A-Za-z0-9._~!$&'()*+,;=:@-]|{})", encoded);
  std::string without_colon = fmt::format("([A-Za-z0-9._~!$&'()*+,;=@-]|{})", encoded);
  std::string authority = fmt::format(
      "(([A-Za-z0-9._~!$&'()*+,;=:-]|{0})*@)?"
      "([A-Za-z0-9._~!$&'()*+,;=-]|{0})*(:[0-9]*)?",
      encoded);
  std::string segments = fmt::format("(/{}*)*", character);
  std::string rooted = fmt::format("/({0}+(/{0}*)*)?", character);
  std::string ends = fmt::format(R"((\?({0}|[/?])*)?(#({0}|[/?])*)?)", character);

  std::string absolute() const {
    return fmt::format("{}:(//{}{}|{}|{}+{}|){}", scheme, authority, segments, rooted, character,
                       segments, ends);
  }
  std::string relative() const {
    return fmt::format("(//{}{}|{}|{}+{}|){}", authority, segments, rooted, without_colon, segments,
                       ends);
  }
};

constexpr const char* kJsonPointer = "(/([^~/]|~[01])*)*";

constexpr std::array<std::string_view, 6> kNotOffered = {
    "idn-email", "idn-hostname", "iri", "iri-reference", "regex", "uri-template"};

}  // namespace

StringFormat string_format(std::string_view name) {
  const auto enforced = [](std::string expression) {
    return StringFormat{FormatKind::kEnforced, std::move(expression)};
  };
  if (name == "date-time") return enforced(fmt::format("{}[Tt]{}", date(), time()));
  if (name == "date") return enforced(date());
  if (name == "time") return enforced(time());
  if (name == "duration") return enforced(duration());
  if (name == "email") return enforced(email());
  if (name == "hostname") return enforced(hostname());
  if (name == "ipv4") return enforced(ipv4());
  if (name == "ipv6") return enforced(ipv6());
  if (name == "uri") return enforced(Uri().absolute());
  if (name == "uri-reference") {
    const Uri uri;
    return enforced(fmt::format("({}|{})", uri.absolute(), uri.relative()));
  }
  if (name == "uuid") return enforced("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
  if (name == "json-pointer") return enforced(kJsonPointer);
  if (name == "relative-json-pointer") {
    return enforced(fmt::format("(0|[1-9][0-9]*)(#|{})", kJsonPointer));
  }
  const bool known = std::find(kNotOffered.begin(), kNotOffered.end(), name) != kNotOffered.end();
  return {.kind = known ? FormatKind::kNotOffered : FormatKind::kAnnotation};
}

}  // namespace autoglm::grammar
