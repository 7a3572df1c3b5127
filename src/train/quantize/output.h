// The folder that quantizing makes: beside its final name while it grows, in place once complete.
#pragma once

#include <string>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/checkpoint.h"

namespace autoglm {

class OutputFolder {
 public:
  // Errors: `path` exists and is not an empty folder; what an interrupted run left is in the way.
  static Result<OutputFolder> create(const std::string& path);
  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  // Removes the folder unless finish() was reached.
  ~OutputFolder();

  std::string file(const std::string& name) const;
  // Tokenizer, templates, licence: everything that is neither weights nor config.json, nor says how
  // they were quantized before.
  Result<void> copy_companions(const Checkpoint& from) const;
  Result<void> write_config(const json::object& config) const;
  Result<void> finish();

 private:
  OutputFolder(std::string path, std::string partial)
      : path_(std::move(path)), partial_(std::move(partial)) {}
  std::string path_;
  std::string partial_;  // empty once finished or moved from
};

}  // namespace autoglm
