// The one way an Error becomes text.
#include "autoglm/result.h"

namespace autoglm {

std::string Error::message() const {
  std::string text = where.empty() ? what : where + ": " + what;
  if (expected.empty() && found.empty()) return text;
  text += " (";
  if (!expected.empty()) text += "expected " + expected;
  if (!expected.empty() && !found.empty()) text += ", ";
  if (!found.empty()) text += "found " + found;
  return text + ")";
}

}  // namespace autoglm
