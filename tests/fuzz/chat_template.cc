// Any bytes as a chat template: parsed and rendered over a small conversation. Whatever comes, it
// must end in a text or an error. The work allowed is a part of what a request may take: built for
// fuzzing, a byte costs thirty times as much.
#include "text/chat_template.h"

#include <cstdint>
#include <utility>

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace {

constexpr autoglm::jinja::Limits kLimits{.steps = 300'000, .output_bytes = 4 << 20};

const autoglm::json::object& conversation() {
  static const autoglm::json::object context =
      autoglm::json::parse(R"({"messages":[{"role":"system","content":"s"},
        {"role":"user","content":[{"type":"text","text":"é 你"}]},
        {"role":"assistant","content":"<think>a</think>b","tool_calls":[{"function":{"name":"f",
        "arguments":{"a":1,"b":[1.5,null,true]}}}]},{"role":"tool","content":"r"}],
        "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
        "add_generation_prompt":true,"bos_token":"<s>","n":3,"l":[3,1,2],"d":{"k":"v"}})",
                           "conversation")
          .value()
          .as_object();
  return context;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  if (!autoglm::ChatTemplate::parse(source, "fuzz")) return 0;
  const auto tree = autoglm::jinja::parse_template(source, "fuzz");
  if (!tree) return 0;  // behind a byte order mark
  const auto text = autoglm::jinja::Interpreter(*tree, kLimits, {}).run(conversation());
  if (text && std::cmp_greater(text->size(), kLimits.output_bytes)) __builtin_trap();
  return 0;
}
