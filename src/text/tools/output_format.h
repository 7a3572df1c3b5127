// How a model writes reasoning and tool calls into its answers. The format is found out from the
// model's own chat template; names are those of vLLM's --tool-call-parser where it has them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace autoglm::tools {

enum class CallFormat {
  kNone,       // tool calls stay text
  kGlm45,      // <tool_call>name <arg_key>k</arg_key> <arg_value>v</arg_value></tool_call>
  kGlm4,       // the whole answer is "name\n{json}"
  kChatGlm3,   // "name\n ```python\ntool_call(k='v')\n```"
  kHermes,     // <tool_call>{"name": ..., "arguments": ...}</tool_call>
  kQwenCoder,  // <tool_call><function=name><parameter=k>v</parameter></function></tool_call>
  kLlama3,     // the whole answer is {"name": ..., "parameters": ...}
  kMistral,    // [TOOL_CALLS][{"name": ..., "arguments": ...}] or [TOOL_CALLS]name[ARGS]{json}
};

struct OutputFormat {
  CallFormat calls = CallFormat::kNone;
  bool reasoning = false;  // <think>...</think> before the answer is reasoning
  // Of forms that differ between a family's versions, the later: no line ends between the tags
  // (GLM-4.7), name[ARGS] in place of a list (Mistral Small 3.2). Readers take either.
  bool later_form = false;
};

// Reads the source of a Jinja template. A template that does not know </think> belongs to a model
// whose clients expect the thoughts inside the content (AutoGLM-Phone, GLM-4.1V).
OutputFormat detect_output_format(std::string_view template_source);

// The tags that the format's reader looks for; some vocabularies have them as special tokens.
std::vector<std::string_view> tags_of(const OutputFormat& format);

// What begins every call of the format; empty where a call is known by its name alone.
std::string_view call_opening(CallFormat format);

// "glm45", "glm47", "hermes", ...; nothing for other words. "none" is a format too.
std::optional<CallFormat> call_format_of(std::string_view name);
std::string_view call_format_name(CallFormat format);
std::vector<std::string_view> call_format_names();  // all that call_format_of() takes

// Whether an answer to this prompt begins inside reasoning: the template has opened <think>.
bool begins_in_reasoning(std::string_view prompt);

}  // namespace autoglm::tools
