// Flags that users of other servers type, and what says the same here.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace autoglm {

struct ForeignFlag {
  std::string_view names;  // as typed, one space between them
  std::string_view ours;   // a flag, where there is one
  std::string_view more;   // a clause: how it is used, or what stands for it
};

std::span<const ForeignFlag> foreign_flags();

// That of which `flag` is a name, or null.
const ForeignFlag* find_foreign_flag(std::string_view flag);

}  // namespace autoglm
