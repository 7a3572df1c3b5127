// Where the Unicode tables behind the reference tokenizers differ from utf8proc's: its marks and
// punctuation are those of an older Unicode, its letters, digits and cases those of a newer one.
// Ids must be those that the reference gives, whichever Unicode is right.
#pragma once

namespace autoglm {

enum class Property {
  kPunctuation,
  kNumeric,
  kWord,
  kMark,
  kNonspacingMark,
  kOther,      // control, format, private use
  kLeftAlone,  // has no compatibility mapping
};

// The reference's answer where it differs, else `otherwise`.
bool as_reference(Property property, char32_t c, bool otherwise);
char32_t lower_as_reference(char32_t c, char32_t otherwise);

}  // namespace autoglm
