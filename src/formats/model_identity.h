// Which model this is, to the last bit: what must be equal before anything that one start computed
// may serve another (spilled KV pages, packs, caches of answers, records for an audit). Names,
// sizes and times decide nothing here but that bytes need not be read again (decision 0140).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/files.h"
#include "formats/checkpoint.h"

namespace autoglm {

// One of the files that a checkpoint's weights lie in.
struct WeightFile {
  std::string name;    // in its directory
  std::string digest;  // digest_of() all its bytes
  FileStamp stamp;     // when it was opened to compute that
};
// Their names and stamps, without digests: nothing is read.
std::vector<WeightFile> stamp_weights(const Checkpoint& checkpoint);
struct DigestOptions {
  int threads = 0;  // 0: one for each processor
  std::function<void(double fraction, std::string_view stage)> progress;
};
// Reads every byte of every file that the checkpoint maps; nothing for a packed model, whose pack
// says what it was made of.
std::vector<WeightFile> digest_weights(const Checkpoint& checkpoint, const DigestOptions& options);

// The files of a directory beside the weights that decide what they mean, each group as one
// digest; empty: there is no such file. GGUF files hold all of it in themselves.
struct SmallFiles {
  std::string configuration;  // config.json, and which tensor lies in which file
  std::string quantization;   // what quantizers write beside it
  std::string tokenizer;
};
Result<SmallFiles> digest_small_files(const Checkpoint& checkpoint);

struct ModelIdentity {
  std::string weights;  // of all bytes of all weight files
  SmallFiles files;
  std::string numerics;  // all that decides how bits are computed from them, in words

  std::string text() const;
};
std::string digest_of_all(const std::vector<WeightFile>& files);

// The parts in which two texts of identities differ.
struct IdentityDifference {
  std::string expected, found;
};
IdentityDifference identity_difference(std::string_view expected, std::string_view found);

}  // namespace autoglm
