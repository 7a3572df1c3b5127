#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>

namespace autoglm {
namespace {

std::vector<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) processors.push_back(i);
    }
  }
  if (processors.empty()) processors.push_back(0);
  return processors;
}

// "0-3,8,10-11", as the kernel writes it; what is not of that form ends the list.
std::vector<int> parse_list(std::string_view text) {
  std::vector<int> list;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int first = 0;
    const auto number = std::from_chars(at, end, first);
    if (number.ec != std::errc()) break;
    int last = first;
    at = number.ptr;
    if (at < end && *at == '-') at = std::from_chars(at + 1, end, last).ptr;
    for (int i = first; i <= last && i < CPU_SETSIZE; ++i) list.push_back(i);
    if (at >= end || *at != ',') break;
    ++at;
  }
  return list;
}

// Of nodeN in `folder`, by N.
std::map<int, std::vector<int>> listed_nodes(const std::string& folder) {
  constexpr std::string_view kPrefix = "node";
  std::map<int, std::vector<int>> nodes;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
    const std::string name = entry.path().filename();
    int number = 0;
    if (!name.starts_with(kPrefix) ||
        std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number).ptr !=
            name.data() + name.size()) {
      continue;
    }
    std::string line;
    std::ifstream file(entry.path() / "cpulist");
    if (std::getline(file, line)) nodes[number] = parse_list(line);
  }
  return nodes;
}

}  // namespace

ProcessorsByNode usable_processors(const std::string& folder) {
  std::vector<int> left = allowed_processors();
  ProcessorsByNode nodes;
  for (const auto& [number, listed] : listed_nodes(folder)) {
    std::vector<int> own;
    for (const int processor : listed) {
      if (std::erase(left, processor) > 0) own.push_back(processor);
    }
    std::ranges::sort(own);
    if (!own.empty()) nodes.push_back(std::move(own));
  }
  if (!left.empty()) nodes.push_back(std::move(left));
  return nodes;
}

}  // namespace autoglm
