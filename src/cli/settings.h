// Every setting of the program, from one table: the key in config.yaml, the variable AUTOGLM_KEY,
// the flag --key with hyphens. Flags win over variables, variables over the file, the file over
// defaults. A new setting is one line in settings.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/model.h"
#include "autoglm/result.h"
#include "autoglm/service.h"

namespace autoglm {

struct Settings {
  std::string model_name_or_path;  // empty: the model that comes with the program
  LoadOptions load;
  ServiceOptions service;
  std::string log_level = "info";
  std::string log_format = "text";
};

struct SettingInfo {
  std::string_view key;  // "max_batch_size"
  std::string value;     // how help shows the value: "N", "PATH", "text|json"
  std::string_view help;
  // Parses `text` into the settings; the error has `expected` and `found`, the caller adds where.
  std::function<Result<void>(Settings&, std::string_view text)> set;
  std::function<std::string(const Settings&)> get;  // for help and --print-config
  bool of_service = false;  // means something to `serve` alone: other commands have no such flag
};

const std::vector<SettingInfo>& setting_table();

// The key that is meant: "model", the flag's and vLLM's word, is model_name_or_path.
std::string_view setting_key(std::string_view word);

// Sets one key; `where` ("config.yaml", "environment") names the source in errors. An unknown key
// is an error that names the nearest known one.
Result<void> apply_setting(Settings& settings, std::string_view key, std::string_view text,
                           std::string_view where);

// Text of a YAML file: one mapping of scalars (and lists of scalars where a setting is a list).
Result<void> apply_yaml(Settings& settings, std::string_view yaml, std::string_view where);
// AUTOGLM_* of the process; one that is no setting is an error. Returns the names of those that
// were passed over: Kubernetes puts some into every pod where a Service is named so.
Result<std::vector<std::string>> apply_environment(
    Settings& settings, const std::map<std::string, std::string>& variables);
std::map<std::string, std::string> autoglm_environment();

// The settings as a config.yaml with every key.
std::string to_yaml(const Settings& settings);

// "512", "64MiB", "2GB", "1.5g": bytes.
Result<int64_t> parse_bytes(std::string_view text);

// The known word with the smallest edit distance to `word`, or "" when none is near.
std::string nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace autoglm
