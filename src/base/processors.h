// The processors that this process may use, by the memory that is near them.
#pragma once

#include <string>
#include <vector>

namespace autoglm {

// Processors of each NUMA node, ascending; nodes without any are left out. `folder` holds the
// kernel's description of the nodes (nodeN/cpulist); processors that no node names, or all where
// there is no such folder, form the last node. Never empty.
using ProcessorsByNode = std::vector<std::vector<int>>;
ProcessorsByNode usable_processors(const std::string& folder = "/sys/devices/system/node");

}  // namespace autoglm
