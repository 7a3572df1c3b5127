// Headers of spilled KV pages on arbitrary bytes: of the file, of a slot, each as it is and with a
// checksum that fits. What is read must keep what the reader promises.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "engine/kv_spill_format.h"

namespace {

void look(std::span<const std::byte> header) {
  using namespace autoglm;
  if (spill_file_state(header) == SpillHeaderState::kWhole) {
    if (read_spill_file_header(header).identity.size() > header.size()) std::abort();
  }
  if (slot_state(header) != SpillHeaderState::kWhole) return;
  for (const int32_t page_tokens : {1, 32, 1000}) {
    const auto found = read_slot_header(header, page_tokens);
    if (!found) continue;
    const SpilledPage& page = found->page;
    if (page.parent >= page.id || page.salt.size() > kMaxSaltBytes ||
        page.tokens.size() != static_cast<size_t>(page_tokens)) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> header(autoglm::kSpillHeaderBytes);
  std::ranges::copy(std::as_bytes(std::span(data, std::min(size, header.size()))), header.begin());
  look(header);
  autoglm::seal_spill_header(header);
  look(header);
  return 0;
}
