#include "state/state_dir.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace autoglm::state {
namespace {

namespace fs = std::filesystem;

Error cannot(std::string_view what, const std::string& path, int reason) {
  return Error{ErrorCode::kInvalidArgument, std::string(what), path, "", std::strerror(reason)};
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<void> write_all(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot("cannot be written", path, errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(file) != 0) return cannot("cannot be forced to the disk", path, errno);
  return {};
}

// A new file beside `path` that holds `bytes`, mode 0600; its name.
Result<std::string> write_beside(const std::string& path, std::string_view bytes) {
  std::string name = path + ".XXXXXX";
  const int file = ::mkstemp(name.data());
  if (file < 0) return cannot("no file can be made beside it", path, errno);
  const Result<void> written = write_all(file, bytes, path);
  ::close(file);
  if (written) return name;
  ::unlink(name.c_str());
  return written.error();
}

}  // namespace

Result<std::string> state_dir_path(const std::string& asked) {
  if (!asked.empty()) return asked;
  if (const std::string given = variable("STATE_DIRECTORY"); !given.empty()) {
    return given.substr(0, given.find(':'));
  }
  if (const std::string home = variable("XDG_STATE_HOME"); !home.empty()) return home + "/autoglm";
  if (const std::string home = variable("HOME"); !home.empty()) {
    return home + "/.local/state/autoglm";
  }
  return Error{ErrorCode::kInvalidArgument, "there is no place to keep state in", "state_dir",
               "a folder, or $STATE_DIRECTORY, $XDG_STATE_HOME or $HOME in the environment",
               "none of them"};
}

Result<std::string> open_state_dir(const std::string& asked) {
  const std::string path = AGLM_TRY(state_dir_path(asked));
  std::error_code failed;
  const bool existed = fs::exists(path, failed);
  if (!existed) {
    const fs::path parent = fs::path(path).parent_path();
    if (!parent.empty()) fs::create_directories(parent, failed);
    if (failed) return cannot("the state folder cannot be made", path, failed.value());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return cannot("the state folder cannot be made", path, errno);
    }
  }
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return cannot("cannot be looked at", path, errno);
  if (!S_ISDIR(found.st_mode)) return cannot("the state folder is no folder", path, ENOTDIR);
  if (found.st_uid != ::geteuid()) {
    return Error{ErrorCode::kInvalidArgument, "the state folder belongs to somebody else", path,
                 fmt::format("user {}", ::geteuid()), fmt::format("user {}", found.st_uid)};
  }
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorCode::kInvalidArgument, "others may write to the state folder", path,
                 "mode 0700", fmt::format("mode {:04o}", found.st_mode & 07777)};
  }
  // Folders on the way may be links, as systemd makes them; files in it may not.
  const fs::path real = fs::canonical(path, failed);
  if (failed) return cannot("cannot be looked at", path, failed.value());
  return real.string();
}

Result<std::string> existing_state_dir(const std::string& asked) {
  const std::string path = AGLM_TRY(state_dir_path(asked));
  std::error_code failed;
  if (fs::exists(path, failed)) return open_state_dir(asked);
  return Error{ErrorCode::kNotFound, "there is no such state folder", path,
               "one in which a key or a tenant was made", "nothing"};
}

Result<std::string> secret_file(const std::string& path, size_t size) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::ifstream file(path, std::ios::binary);
    if (file) {
      std::string bytes{std::istreambuf_iterator<char>(file), {}};
      if (bytes.size() == size) return bytes;
      return Error{ErrorCode::kCorrupt, "a secret of the state folder is damaged", path,
                   fmt::format("{} bytes", size), fmt::format("{}", bytes.size())};
    }
    std::string bytes(size, '\0');
    if (::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) != 1) {
      return Error{ErrorCode::kUnavailable, "the system gives no random bytes", path, "", ""};
    }
    const std::string beside = AGLM_TRY(write_beside(path, bytes));
    // Not replaced where another process was quicker: the loop then reads that one's.
    const int linked = ::link(beside.c_str(), path.c_str());
    const int reason = errno;
    ::unlink(beside.c_str());
    if (linked != 0 && reason != EEXIST) return cannot("cannot be made", path, reason);
  }
  return cannot("cannot be read", path, EIO);
}

Result<void> write_private_file(const std::string& path, std::string_view text) {
  const std::string beside = AGLM_TRY(write_beside(path, text));
  if (::rename(beside.c_str(), path.c_str()) == 0) return {};
  const int reason = errno;
  ::unlink(beside.c_str());
  return cannot("cannot be written", path, reason);
}

}  // namespace autoglm::state
