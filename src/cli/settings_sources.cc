// Where settings come from: a YAML file and the environment. Flags are registered in command.cc.
#include <fmt/format.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "base/files.h"
#include "cli/settings.h"

namespace autoglm {
namespace {

constexpr size_t kMaxYamlBytes = 1 << 20;
constexpr int kMaxYamlDepth = 16;

// AUTOGLM_ variables that are not settings: read by the kernels, by the launcher, by the tests.
const std::set<std::string, std::less<>> kOtherVariables = {"AUTOGLM_ISA", "AUTOGLM_CONFIG",
                                                            "AUTOGLM_TEST_DATA"};

// What a Service named "autoglm", or "autoglm-" and more, gives every pod of its namespace:
// NAME_SERVICE_HOST, NAME_SERVICE_PORT (and _PORTNAME), and Docker's older NAME_PORT and
// NAME_PORT_80_TCP (and _ADDR, _PORT, _PROTO). No setting is named so; of NAME_PORT the value
// tells.
bool is_of_kubernetes(const std::string& name, const std::string& text) {
  static const std::regex kNames(
      "AUTOGLM_(.+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|"
      "PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)");
  static const std::regex kPort("AUTOGLM_(.+_)?PORT");
  static const std::regex kAddress("(tcp|udp|sctp)://.*");
  return std::regex_match(name, kNames) ||
         (std::regex_match(name, kPort) && std::regex_match(text, kAddress));
}

Error yaml_error(std::string_view where, const YAML::Mark& mark, std::string what,
                 std::string expected) {
  const std::string place = mark.line < 0
                                ? std::string(where)
                                : fmt::format("{}:{}:{}", where, mark.line + 1, mark.column + 1);
  return Error{ErrorCode::kInvalidArgument, std::move(what), place, std::move(expected), ""};
}

// A scalar, or a list of scalars joined by commas.
Result<std::string> scalar_text(const YAML::Node& node, std::string_view where) {
  if (node.IsScalar()) return node.Scalar();
  if (node.IsSequence()) {
    std::string joined;
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) {
        return yaml_error(where, item.Mark(), "setting has the wrong kind",
                          "a list of plain values");
      }
      joined += joined.empty() ? item.Scalar() : "," + item.Scalar();
    }
    return joined;
  }
  return yaml_error(where, node.Mark(), "setting has the wrong kind", "a plain value");
}

Result<void> apply_document(Settings& settings, const YAML::Node& document,
                            std::string_view where) {
  if (document.IsNull()) return {};  // an empty file changes nothing
  if (!document.IsMap()) {
    return yaml_error(where, document.Mark(), "configuration has the wrong kind",
                      "lines of key: value");
  }
  std::set<std::string> seen;
  for (const auto& entry : document) {
    if (!entry.first.IsScalar()) {
      return yaml_error(where, entry.first.Mark(), "key has the wrong kind", "a plain word");
    }
    const std::string word = entry.first.Scalar();
    const std::string key(setting_key(word));
    if (!seen.insert(key).second) {
      return yaml_error(where, entry.first.Mark(), fmt::format("{} is given twice", word),
                        "each key once");
    }
    if (entry.second.IsNull()) continue;  // "key:" keeps the default
    const std::string text = AGLM_TRY(scalar_text(entry.second, where));
    const std::string place = fmt::format("{}:{}", where, entry.first.Mark().line + 1);
    AGLM_TRY(apply_setting(settings, key, text, place));
  }
  return {};
}

// Walks a document before a tree is made of it: how deep it nests, and where it starts.
class ShapeCheck : public YAML::EventHandler {
 public:
  YAML::Mark start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    enter(mark);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    enter(mark);
  }
  void OnMapEnd() override { --depth_; }

 private:
  // yaml-cpp recurses into nested collections, and calls this before it does.
  void enter(const YAML::Mark& mark) {
    if (++depth_ > kMaxYamlDepth) throw YAML::ParserException(mark, "nests too deeply");
  }

  YAML::Mark start_;
  int depth_ = 0;
};

}  // namespace

Result<void> apply_yaml(Settings& settings, std::string_view yaml, std::string_view where) {
  if (yaml.size() > kMaxYamlBytes) {
    return Error{ErrorCode::kInvalidArgument, "configuration is too large", std::string(where),
                 fmt::format("at most {} bytes", kMaxYamlBytes),
                 fmt::format("{} bytes", yaml.size())};
  }
  const std::string text = with_plain_line_ends(std::string(yaml));
  try {
    std::istringstream stream{text};
    YAML::Parser parser(stream);
    ShapeCheck shape;
    // A document that begins with a stray "," ends where it began: only ever ask for two.
    const bool any = parser.HandleNextDocument(shape);
    if (any && parser.HandleNextDocument(shape)) {
      return yaml_error(where, shape.start(), "more than one document", "one document");
    }
    return any ? apply_document(settings, YAML::Load(text), where) : Result<void>();
  } catch (const YAML::Exception& problem) {  // yaml-cpp reports by throwing
    return yaml_error(where, problem.mark, "YAML is malformed: " + problem.msg, "");
  }
}

Result<std::vector<std::string>> apply_environment(
    Settings& settings, const std::map<std::string, std::string>& variables) {
  std::vector<std::string> passed_over;
  std::map<std::string, std::string> names;  // by key
  for (const auto& [name, text] : variables) {
    if (kOtherVariables.contains(name)) continue;
    if (is_of_kubernetes(name, text)) {
      passed_over.push_back(name);
      continue;
    }
    std::string word = name.substr(std::string_view("AUTOGLM_").size());
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    const auto [first, is_new] = names.emplace(setting_key(word), name);
    if (!is_new) {
      return Error{ErrorCode::kInvalidArgument, "the setting is given twice",
                   "environment: " + name, "one of it and " + first->second, ""};
    }
    AGLM_TRY(apply_setting(settings, word, text, "environment"));
  }
  return passed_over;
}

std::map<std::string, std::string> autoglm_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const size_t equals = line.find('=');
    if (line.starts_with("AUTOGLM_") && equals != std::string_view::npos) {
      variables.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  return variables;
}

std::string to_yaml(const Settings& settings) {
  std::string text;
  for (const SettingInfo& setting : setting_table()) {
    YAML::Emitter value;
    value << setting.get(settings);  // quotes where YAML needs it
    text += fmt::format("# {}\n{}: {}\n", setting.help, setting.key, value.c_str());
  }
  return text;
}

}  // namespace autoglm
