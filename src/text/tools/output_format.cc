#include "text/tools/output_format.h"

#include <array>
#include <utility>

namespace autoglm::tools {
namespace {

// Each format's name first; further names of vLLM for the same form behind it.
constexpr std::array<std::pair<std::string_view, CallFormat>, 16> kNames = {{
    {"none", CallFormat::kNone},
    {"glm45", CallFormat::kGlm45},
    {"glm47", CallFormat::kGlm45},
    {"glm4", CallFormat::kGlm4},
    {"chatglm3", CallFormat::kChatGlm3},
    {"hermes", CallFormat::kHermes},
    {"qwen3_coder", CallFormat::kQwenCoder},
    {"qwen3_xml", CallFormat::kQwenCoder},
    {"llama3_json", CallFormat::kLlama3},
    {"llama4_json", CallFormat::kLlama3},
    {"mistral", CallFormat::kMistral},
    {"glm", CallFormat::kGlm45},
    {"qwen", CallFormat::kHermes},
    {"qwen25", CallFormat::kHermes},
    {"llama3", CallFormat::kLlama3},
    {"qwen3", CallFormat::kHermes},
}};

constexpr std::string_view kSpace = " \t\r\n";

std::string_view without_trailing_space(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpace);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

OutputFormat detect_output_format(std::string_view source) {
  const auto has = [&](std::string_view words) { return source.find(words) != source.npos; };
  OutputFormat format{.reasoning = has("</think>")};
  if (has("<arg_key>")) {
    format.calls = CallFormat::kGlm45;
    format.later_form = has("</arg_key><arg_value>");
  } else if (has("<function=") && has("<parameter=")) {
    format.calls = CallFormat::kQwenCoder;
  } else if (has("<tool_call>")) {
    format.calls = CallFormat::kHermes;
  } else if (has("[TOOL_CALLS]")) {
    format.calls = CallFormat::kMistral;
    format.later_form = has("[ARGS]");
  } else if (has("<|start_header_id|>") && (has("\"parameters\": ") || has("<|python_tag|>"))) {
    format.calls = CallFormat::kLlama3;
  } else if (has("[gMASK]sop")) {
    format.calls = CallFormat::kChatGlm3;
  } else if (has("[gMASK]<sop>")) {
    format.calls = CallFormat::kGlm4;
  }
  return format;
}

std::vector<std::string_view> tags_of(const OutputFormat& format) {
  std::vector<std::string_view> tags;
  if (format.reasoning) tags = {"<think>", "</think>"};
  switch (format.calls) {
    case CallFormat::kNone:
    case CallFormat::kGlm4:
    case CallFormat::kChatGlm3: break;
    case CallFormat::kGlm45:
      tags.insert(tags.end(), {"<tool_call>", "</tool_call>", "<arg_key>", "<arg_value>"});
      break;
    case CallFormat::kHermes:
    case CallFormat::kQwenCoder: tags.insert(tags.end(), {"<tool_call>", "</tool_call>"}); break;
    case CallFormat::kLlama3: tags.push_back("<|python_tag|>"); break;
    case CallFormat::kMistral:
      tags.insert(tags.end(), {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"});
      break;
  }
  return tags;
}

std::string_view call_opening(CallFormat format) {
  switch (format) {
    case CallFormat::kGlm45:
    case CallFormat::kQwenCoder:
    case CallFormat::kHermes: return "<tool_call>";
    case CallFormat::kMistral: return "[TOOL_CALLS]";
    default: return "";
  }
}

std::optional<CallFormat> call_format_of(std::string_view name) {
  for (const auto& [known, format] : kNames) {
    if (known == name) return format;
  }
  return std::nullopt;
}

std::string_view call_format_name(CallFormat format) {
  for (const auto& [name, known] : kNames) {
    if (known == format) return name;
  }
  return "";
}

std::vector<std::string_view> call_format_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, format] : kNames) names.push_back(name);
  return names;
}

bool begins_in_reasoning(std::string_view prompt) {
  return without_trailing_space(prompt).ends_with("<think>");
}

}  // namespace autoglm::tools
