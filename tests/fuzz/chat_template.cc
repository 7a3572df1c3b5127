// Any bytes as a chat template: parsed and rendered over a small conversation. Whatever comes, it
// must end in a text or an error.
#include "text/chat_template.h"

#include <cstdint>

namespace {

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
  const auto parsed = autoglm::ChatTemplate::parse(source, "fuzz");
  if (parsed) {
    const auto text = parsed->render(conversation());
    if (text && text->size() > (size_t{64} << 20)) __builtin_trap();
  }
  return 0;
}
