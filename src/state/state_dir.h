// The folder that keeps what outlives the process: keys, tenants, usage. Nobody else may read it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::state {

// `asked`, or where it is empty $STATE_DIRECTORY (systemd's: the first of several), else
// $XDG_STATE_HOME/autoglm, else ~/.local/state/autoglm.
Result<std::string> state_dir_path(const std::string& asked);

// The same, made where it is missing, mode 0700. Refused: a path that is no folder, one that
// belongs to somebody else, one that others may write to.
Result<std::string> open_state_dir(const std::string& asked);

// The same where it exists; an error where it does not.
Result<std::string> existing_state_dir(const std::string& asked);

// The bytes of `path`; where there is no such file, it is written first, `size` random bytes, mode
// 0600. Two processes that do so at once get the same bytes.
Result<std::string> secret_file(const std::string& path, size_t size);

// Writes `text` to `path`, mode 0600, in one step: it is there whole, or not at all.
Result<void> write_private_file(const std::string& path, std::string_view text);

}  // namespace autoglm::state
