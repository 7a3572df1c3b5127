// The command "serve" of "bench".
#pragma once

#include "cli/command.h"

namespace autoglm {

void add_bench_serve_command(CommandLine& line, CLI::App& bench);

}  // namespace autoglm
