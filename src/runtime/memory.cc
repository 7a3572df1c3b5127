// Reading /proc and /sys, and the arithmetic of the KV pool.
#include "runtime/memory.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "engine/page_pool.h"

namespace autoglm {
namespace {

// Of what is free beside the weights when nothing else is said. The other half is for the system's
// file cache, which holds the mapped checkpoint, and for other programs.
constexpr double kShareOfFreeMemory = 0.5;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<int64_t> number_of(std::string_view text) {
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t")));
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return std::numeric_limits<int64_t>::max();
  if (error != std::errc{}) return std::nullopt;
  return value;
}

// The number after `key` at the beginning of a line.
std::optional<int64_t> field(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) return number_of(std::string_view(line).substr(key.size()));
  }
  return std::nullopt;
}

// What the group at `folder` leaves; file pages that were not used lately can be taken back.
std::optional<int64_t> room_in_group(const std::string& folder, const char* limit_file,
                                     const char* usage_file) {
  const auto limit = number_of(text_of(folder + limit_file));  // version 2 says "max" for none
  const auto usage = number_of(text_of(folder + usage_file));
  if (!limit || !usage) return std::nullopt;
  const std::string stat = text_of(folder + "/memory.stat");
  int64_t reclaimable = field(stat, "total_inactive_file ").value_or(-1);  // version 1
  if (reclaimable < 0) reclaimable = field(stat, "inactive_file ").value_or(0);
  return std::max<int64_t>(0, *limit - std::max<int64_t>(0, *usage - reclaimable));
}

// The least that this process's groups and the groups around them leave.
int64_t room_in_groups(const std::string& root) {
  int64_t room = std::numeric_limits<int64_t>::max();
  const auto look = [&](const std::string& mount, std::string path, const char* limit_file,
                        const char* usage_file) {
    // Inside a container the path may be the host's, which is not to be seen: then only the mount
    // itself answers.
    while (true) {
      const std::string folder = mount + (path == "/" ? "" : path);
      if (const auto left = room_in_group(folder, limit_file, usage_file)) {
        room = std::min(room, *left);
      }
      if (path.empty() || path == "/") return;
      path = std::filesystem::path(path).parent_path().string();
    }
  };
  std::istringstream lines(text_of(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      look(root + "/sys/fs/cgroup", path, "/memory.max", "/memory.current");
    } else if (controllers == "memory") {
      look(root + "/sys/fs/cgroup/memory", path, "/memory.limit_in_bytes",
           "/memory.usage_in_bytes");
    }
  }
  return room;
}

// What RLIMIT_AS (ulimit -v) leaves.
int64_t room_in_address_space(const std::string& root) {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<int64_t>::max();
  }
  const int64_t used_kb = field(text_of(root + "/proc/self/status"), "VmSize:").value_or(0);
  return std::max<int64_t>(0, static_cast<int64_t>(limit.rlim_cur) - used_kb * 1024);
}

Error does_not_fit(std::string what, std::string needs, int64_t available, std::string fits) {
  return {.code = ErrorCode::kResourceExhausted,
          .what = fmt::format("{}; {}", what, fits),
          .where = "memory",
          .expected = std::move(needs),
          .found = fmt::format("{} available", size_text(available))};
}

}  // namespace

std::string size_text(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= int64_t{1} << 30) return fmt::format("{:.1f} GiB", value / (1 << 30));
  if (bytes >= int64_t{1} << 20) return fmt::format("{:.1f} MiB", value / (1 << 20));
  if (bytes >= int64_t{1} << 10) return fmt::format("{:.1f} KiB", value / (1 << 10));
  return fmt::format("{} bytes", bytes);
}

Result<int64_t> available_memory_bytes(const std::string& root) {
  const std::string path = root + "/proc/meminfo";
  const auto available_kb = field(text_of(path), "MemAvailable:");
  if (!available_kb || *available_kb > std::numeric_limits<int64_t>::max() / 1024) {
    return Error{.code = ErrorCode::kIo,
                 .what = "cannot tell how much memory is free",
                 .where = path,
                 .expected = "a line MemAvailable"};
  }
  return std::min({*available_kb * 1024, room_in_groups(root), room_in_address_space(root)});
}

Result<PoolPlan> plan_pool(const ExecutorPlan& plan, const PoolRequest& request,
                           const std::vector<SmallerWeights>& alternatives) {
  const int64_t available = request.available_bytes;
  const int64_t fixed = plan.weight_bytes + plan.step_bytes;
  if (fixed + plan.page_bytes > available) {
    std::string fits = "no --quantize makes them small enough";
    for (const SmallerWeights& other : alternatives) {
      if (other.weight_bytes + plan.step_bytes + plan.page_bytes > available) continue;
      fits = fmt::format("--quantize {} needs {}", other.quantize,
                         size_text(other.weight_bytes + plan.step_bytes));
      break;
    }
    return does_not_fit("the model's weights do not fit into memory",
                        size_text(fixed + plan.page_bytes), available, fits);
  }
  if (request.max_model_len > plan.max_context) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the model was not made for so long a context",
                 .where = "max_model_len",
                 .expected = fmt::format("at most {}", plan.max_context),
                 .found = fmt::format("{}", request.max_model_len)};
  }
  const int64_t left = available - fixed;
  const int64_t wanted_len = request.max_model_len > 0 ? request.max_model_len : plan.max_context;
  const int64_t pages_a_sequence = pages_for(wanted_len, plan.page_tokens);
  const auto tokens_in = [&](int64_t bytes) { return bytes / plan.page_bytes * plan.page_tokens; };

  int64_t n_pages = 0;
  if (request.kv_cache_memory_bytes > 0) {
    n_pages = request.kv_cache_memory_bytes / plan.page_bytes;
    if (n_pages == 0) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "the KV pool is smaller than one page",
                   .where = "kv_cache_memory",
                   .expected = fmt::format("at least {} for {} tokens", size_text(plan.page_bytes),
                                           plan.page_tokens),
                   .found = size_text(request.kv_cache_memory_bytes)};
    }
    if (request.kv_cache_memory_bytes > left) {
      return does_not_fit(
          "weights and KV pool together do not fit into memory",
          fmt::format("{} for weights and {} for the KV pool", size_text(fixed),
                      size_text(request.kv_cache_memory_bytes)),
          available,
          fmt::format("a KV pool of {} fits, for {} tokens", size_text(left), tokens_in(left)));
    }
  } else {
    // More than every sequence of a full batch can fill would never be used.
    const auto share = static_cast<int64_t>(static_cast<double>(left) * kShareOfFreeMemory);
    n_pages = std::min(share / plan.page_bytes, pages_a_sequence * request.max_batch_size);
    // A context that was asked for may take all that is left.
    if (request.max_model_len > 0) n_pages = std::max(n_pages, pages_a_sequence);
    n_pages = std::clamp<int64_t>(n_pages, 1, left / plan.page_bytes);
  }
  n_pages = std::min<int64_t>(n_pages, std::numeric_limits<int32_t>::max());

  const int64_t pool_tokens = n_pages * plan.page_tokens;
  if (request.max_model_len > pool_tokens) {
    return does_not_fit(
        "the KV pool does not hold one sequence of max_model_len",
        fmt::format("{} for {} tokens", size_text(pages_a_sequence * plan.page_bytes), wanted_len),
        available,
        fmt::format("a pool of {} holds --max-model-len {}", size_text(n_pages * plan.page_bytes),
                    pool_tokens));
  }
  PoolPlan result;
  result.n_pages = static_cast<int32_t>(n_pages);
  result.max_model_len = std::min(wanted_len, pool_tokens);
  result.was_cut = result.max_model_len < wanted_len;
  return result;
}

}  // namespace autoglm
