// The tables of the state folder's database `autoglm.db`: keys and tenants.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "state/database.h"

namespace autoglm::guard {

// `folder` is open_state_dir()'s.
inline std::string guard_database_path(const std::string& folder) { return folder + "/autoglm.db"; }
Result<state::Database> open_guard_database(const std::string& folder);

}  // namespace autoglm::guard
