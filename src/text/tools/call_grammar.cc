#include "text/tools/call_grammar.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "text/tools/json_scanner.h"
#include "text/tools/tool_catalog.h"

namespace autoglm::tools {
namespace {

// -- formats of structural tags ------------------------------------------------------------------

json::object text_format(std::string_view text) {
  return {{"type", "const_string"}, {"value", text}};
}
json::object any_text() { return {{"type", "any_text"}}; }
json::object schema_format(json::value schema) {
  return {{"type", "json_schema"}, {"json_schema", std::move(schema)}};
}
json::object elements(std::string_view type, json::array list) {
  return {{"type", type}, {"elements", std::move(list)}};
}
json::object sequence(json::array list) { return elements("sequence", std::move(list)); }
json::object tag(std::string_view begin, json::object content, std::string_view end) {
  return {{"type", "tag"}, {"begin", begin}, {"content", std::move(content)}, {"end", end}};
}

// -- tools ---------------------------------------------------------------------------------------

struct Function {
  std::string name;
  json::object parameters;
  bool strict = false;
};

// A tool takes the parameters that it declares, and no others unless it says so. Where they are put
// together from several schemas it is left to these.
void complete(json::object& parameters) {
  if (!parameters.contains("type")) parameters["type"] = "object";
  for (const std::string_view other :
       {"additionalProperties", "unevaluatedProperties", "patternProperties", "propertyNames",
        "$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"}) {
    if (parameters.contains(other)) return;
  }
  parameters["additionalProperties"] = false;
}

std::vector<Function> functions_of(const json::array& tools, const std::string& only) {
  std::vector<Function> functions;
  for (const json::value& tool : tools) {
    const json::object* fields = tool.if_object();
    if (fields == nullptr) continue;
    if (const json::value* inner = fields->if_contains("function"); inner && inner->is_object()) {
      fields = &inner->get_object();
    }
    const json::value* name = fields->if_contains("name");
    if (name == nullptr || !name->is_string()) continue;
    Function function{.name = std::string(name->get_string())};
    if (!only.empty() && function.name != only) continue;
    const json::value* parameters = fields->if_contains("parameters");
    if (parameters != nullptr && parameters->is_object()) {
      function.parameters = parameters->get_object();
    }
    complete(function.parameters);
    const json::value* strict = fields->if_contains("strict");
    function.strict = strict != nullptr && strict->is_bool() && strict->get_bool();
    functions.push_back(std::move(function));
  }
  return functions;
}

struct Parameter {
  std::string name;
  json::value schema;
  bool required = false;
};

// In the schema's order. Definitions that a parameter refers to go with it.
std::vector<Parameter> parameters_of(const Function& function) {
  std::vector<Parameter> parameters;
  const json::value* properties = function.parameters.if_contains("properties");
  if (properties == nullptr || !properties->is_object()) return parameters;
  const json::value* required = function.parameters.if_contains("required");
  for (const auto& [key, schema] : properties->get_object()) {
    Parameter parameter{.name = std::string(key), .schema = schema};
    for (const std::string_view definitions : {"$defs", "definitions"}) {
      const json::value* found = function.parameters.if_contains(definitions);
      if (found != nullptr && parameter.schema.is_object()) {
        parameter.schema.get_object()[definitions] = *found;
      }
    }
    if (required != nullptr && required->is_array()) {
      const json::array& names = required->get_array();
      parameter.required = std::find(names.begin(), names.end(), json::value(key)) != names.end();
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

// What a text may be that stands between tags as it is: one of the enumeration's, or so long, or
// anything up to the closing tag, of which a text of bounded length holds no beginning.
json::object bare_text(const json::value& schema) {
  if (!schema.is_object()) return any_text();
  const json::object& object = schema.get_object();
  if (const json::value* one = object.if_contains("const"); one != nullptr && one->is_string()) {
    return text_format(one->get_string());
  }
  const json::value* values = object.if_contains("enum");
  const auto bound = [&](std::string_view key) {
    const json::value* length = object.if_contains(key);
    return length != nullptr && length->is_int64() ? std::to_string(length->get_int64()) : "";
  };
  const std::string least = bound("minLength"), most = bound("maxLength");
  if (values == nullptr && (!least.empty() || !most.empty())) {
    const std::string from = least.empty() ? "0" : least;
    return {{"type", "regex"}, {"pattern", "[^<]{" + from + "," + most + "}"}};
  }
  if (values == nullptr || !values->is_array()) return any_text();
  json::array texts;
  for (const json::value& value : values->get_array()) {
    if (value.is_string()) texts.push_back(text_format(value.get_string()));
  }
  return texts.empty() ? any_text() : elements("or", std::move(texts));
}

// The same where the schema's alternatives may be something else too: each of them if all are known
// words or no texts, else any text, since any is one that is admitted.
json::object bare_value(const json::value& schema, const json::value& root) {
  const json::value& found = resolved(schema, root);
  const json::object* object = found.if_object();
  if (object == nullptr) return any_text();
  for (const std::string_view key : {"anyOf", "oneOf", "allOf"}) {
    const json::value* parts = object->if_contains(key);
    if (parts == nullptr || !parts->is_array() || parts->get_array().empty()) continue;
    json::array forms;
    for (const json::value& part : parts->get_array()) {
      const json::value& alternative = resolved(part, root);
      const ValueKinds kinds = value_kinds(alternative, root);
      json::object form =
          kinds.text || key == "allOf" ? bare_value(alternative, root) : schema_format(alternative);
      if (form == any_text()) return form;
      forms.push_back(std::move(form));
    }
    return key == "allOf" && forms.size() > 1 ? any_text() : elements("or", std::move(forms));
  }
  return value_kinds(found, root).null ? any_text() : bare_text(found);
}

// -- one call in each format ---------------------------------------------------------------------

// A call between its tags: begin, content, end.
struct CallTag {
  std::string begin;
  json::object content;
  std::string end;
};

std::string quoted(std::string_view text) { return "\"" + json_escaped(text) + "\""; }

// Arguments tagged one by one, optional ones left out or not, in the schema's order.
json::object tagged_arguments(const Function& function, bool qwen, bool later_form) {
  json::array list;
  const std::string line = later_form ? "" : "\n";
  for (const Parameter& parameter : parameters_of(function)) {
    const std::string begin =
        qwen ? "<parameter=" + parameter.name + ">\n"
             : line + "<arg_key>" + parameter.name + "</arg_key>" + line + "<arg_value>";
    json::object argument = tag(begin,
                                value_kinds(parameter.schema, parameter.schema).text
                                    ? bare_value(parameter.schema, parameter.schema)
                                    : schema_format(parameter.schema),
                                qwen ? "\n</parameter>\n" : "</arg_value>");
    if (parameter.required) {
      list.push_back(std::move(argument));
    } else {
      list.push_back(elements("or", {text_format(""), std::move(argument)}));
    }
  }
  return list.empty() ? text_format("") : sequence(std::move(list));
}

// name=value, ... with JSON's literals, which the reader takes for Python's. Commas stand between
// arguments that are there, so each optional one that may be the first begins an alternative.
json::object python_arguments(const Function& function) {
  const std::vector<Parameter> parameters = parameters_of(function);
  const auto argument = [](const Parameter& parameter, std::string_view before) {
    return sequence(
        {text_format(std::string(before) + parameter.name + "="), schema_format(parameter.schema)});
  };
  json::array alternatives;
  bool may_be_empty = true;
  for (size_t first = 0; first < parameters.size() && may_be_empty; ++first) {
    json::array list{argument(parameters[first], "")};
    for (size_t i = first + 1; i < parameters.size(); ++i) {
      json::object next = argument(parameters[i], ", ");
      list.push_back(parameters[i].required ? std::move(next)
                                            : elements("or", {text_format(""), std::move(next)}));
    }
    alternatives.push_back(sequence(std::move(list)));
    may_be_empty = !parameters[first].required;
  }
  if (may_be_empty) alternatives.push_back(text_format(""));
  return elements("or", std::move(alternatives));
}

// `held`: to the schema; else the arguments are what the model makes of them.
CallTag call_tag(const Function& function, const OutputFormat& format, bool held) {
  const std::string name = quoted(function.name);
  json::object arguments =
      schema_format(held ? function.parameters : json::object{{"type", "object"}});
  switch (format.calls) {
    case CallFormat::kGlm45: {
      if (!held) return {"<tool_call>" + function.name, any_text(), "</tool_call>"};
      const std::string line = format.later_form ? "" : "\n";
      return {"<tool_call>" + function.name, tagged_arguments(function, false, format.later_form),
              line + "</tool_call>"};
    }
    case CallFormat::kQwenCoder:
      if (!held) {
        return {"<tool_call>\n<function=" + function.name + ">", any_text(), "</tool_call>"};
      }
      return {"<tool_call>\n<function=" + function.name + ">\n",
              tagged_arguments(function, true, false), "</function>\n</tool_call>"};
    case CallFormat::kHermes:
      return {"<tool_call>\n{\"name\": " + name + ", \"arguments\": ", std::move(arguments),
              "}\n</tool_call>"};
    case CallFormat::kLlama3:
      return {"{\"name\": " + name + ", \"parameters\": ", std::move(arguments), "}"};
    case CallFormat::kMistral:
      if (format.later_form) return {"[TOOL_CALLS]" + function.name, std::move(arguments), ""};
      return {"[TOOL_CALLS][{\"name\": " + name + ", \"arguments\": ", std::move(arguments), "}]"};
    case CallFormat::kGlm4: return {function.name + "\n", std::move(arguments), ""};
    case CallFormat::kChatGlm3:
      return {function.name + "\n ```python\ntool_call(",
              held ? python_arguments(function) : any_text(), ")\n```"};
    case CallFormat::kNone: break;
  }
  return {};
}

// Between two calls of one answer; nothing where the format has one call an answer.
struct Between {
  bool may_repeat = false;
  std::string_view text;
};
Between between(const OutputFormat& format) {
  switch (format.calls) {
    case CallFormat::kGlm45: return {true, format.later_form ? "" : "\n"};
    case CallFormat::kQwenCoder:
    case CallFormat::kHermes: return {true, "\n"};
    case CallFormat::kLlama3: return {true, "; "};
    default: return {};
  }
}

}  // namespace

Result<CallGrammar> call_grammar(const json::array& tools, const CallGrammarOptions& options) {
  CallGrammar grammar;
  const CallFormat calls = options.format.calls;
  const std::vector<Function> functions = functions_of(tools, options.name);
  const std::string_view open = call_opening(calls);
  if (options.required && (calls == CallFormat::kNone || functions.empty())) {
    return Error{ErrorCode::kUnsupported, "no call can be required of this model", "tool_choice",
                 "a model whose chat template has a format of tool calls, or --tool-call-parser",
                 ""};
  }
  const bool strict = std::any_of(functions.begin(), functions.end(),
                                  [](const Function& function) { return function.strict; });
  // A special token matches no text; the beginning of a required call can be written for the model.
  const bool can_begin = open.empty() || !options.tags_are_special;
  const bool or_form = !options.required && !options.otherwise.empty();
  if (or_form && (!can_begin || calls == CallFormat::kNone || functions.empty())) return grammar;
  // Left to itself the model writes free text; only a tag in it tells that a call has begun.
  const bool in_text = !options.required && !or_form;
  if (in_text && (!strict || open.empty() || !can_begin)) return grammar;

  json::array tags;
  for (const Function& function : functions) {
    CallTag call = call_tag(function, options.format, options.required || function.strict);
    if (!can_begin) {
      call.begin.erase(0, open.size());
      grammar.begun = (options.in_reasoning ? "</think>" : "") + std::string(open);
    }
    tags.push_back(tag(call.begin, std::move(call.content), call.end));
  }
  json::object format;
  if (in_text) {
    format = {{"type", "triggered_tags"}, {"triggers", json::array{json::value(open)}}};
  } else {
    const Between separator = between(options.format);
    format = {
        {"type", "tags_with_separator"}, {"separator", separator.text}, {"at_least_one", true}};
    // A tag that is a special token can begin one call only.
    if (!separator.may_repeat || !options.parallel || !can_begin) format["stop_after_first"] = true;
  }
  format["tags"] = std::move(tags);
  if (or_form) format = elements("or", {std::move(format), options.otherwise});
  grammar.structural_tag = {{"type", "structural_tag"}, {"format", std::move(format)}};
  return grammar;
}

}  // namespace autoglm::tools
