// Runs a fuzz target over the files of its corpus, without a fuzzer: each file once, each prefix of
// it at a few lengths, so that the ordinary test run meets truncated input too.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  int n_inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      for (size_t parts = 0; parts <= 8; ++parts) {
        const std::string part = bytes.substr(0, bytes.size() * parts / 8);
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(part.data()), part.size());
      }
      ++n_inputs;
    }
  }
  std::printf("%d corpus files replayed\n", n_inputs);
  return n_inputs > 0 ? 0 : 1;  // an empty corpus proves nothing
}
