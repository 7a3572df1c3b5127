// A state folder that lasts as long as a test.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "state/state_dir.h"

namespace autoglm {

class StateFolder {
 public:
  StateFolder() : path(*state::open_state_dir(fresh())) {}
  ~StateFolder() { std::filesystem::remove_all(path); }
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  const std::string path;

 private:
  static std::string fresh() {
    static int n_made = 0;
    const std::string name =
        "autoglm_state." + std::to_string(::getpid()) + "." + std::to_string(++n_made);
    return (std::filesystem::temp_directory_path() / name).string();
  }
};

}  // namespace autoglm
