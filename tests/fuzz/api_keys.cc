// What a client shows as its key, what an operator writes as scopes and into a key file. A key that
// is taken has the form that is documented; nothing else is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "guard/api_key.h"
#include "guard/gate.h"
#include "guard/scopes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm::guard;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto id = api_key_id(text)) {
    if (text.size() != 63 || id->size() != 8 || text.substr(5, 8) != *id) std::abort();
  }
  if (const auto scopes = parse_scopes(text)) {
    // What is written back means the same.
    const auto again = parse_scopes(scopes->text());
    if (!again || !(*again == *scopes)) std::abort();
  }
  if (const auto keys = parse_key_file(text, "keys")) {
    if (keys->empty()) std::abort();
    for (const std::string& key : *keys) {
      if (!check_clear_key(key, "keys")) std::abort();
    }
  }
  return 0;
}
