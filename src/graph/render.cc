// Programs as text, as JSON and as Graphviz.
#include <fmt/format.h>

#include <iterator>

#include "base/json.h"
#include "base/visible_text.h"
#include "graph/op_table.h"
#include "graph/program.h"

namespace autoglm {
namespace {

// What was fused into a node's op, in the order it happens.
std::vector<std::string_view> fused_parts(const Node& node) {
  std::vector<std::string_view> parts;
  if (node.has_bias()) parts.push_back("bias");
  if (node.activation == Activation::kSwiglu) parts.push_back("swiglu");
  if (node.op == Op::kLinear && node.activation == Activation::kGelu) parts.push_back("gelu");
  if (node.has_residual()) parts.push_back("residual");
  if (node.quantized) parts.push_back("quantize");
  return parts;
}

// "linear + swiglu + residual": the op and what was fused into it.
std::string kernel_name(const Graph& graph, const Node& node) {
  std::string name(op_name(node.op));
  if (node.op == Op::kLinear && graph.weight(node.weight()).parts.size() > 1) {
    name += fmt::format(" x{}", graph.weight(node.weight()).parts.size());
  }
  for (const std::string_view part : fused_parts(node)) name += fmt::format(" + {}", part);
  return name;
}

std::string attributes(const Graph& graph, const Node& node) {
  const auto words = op_info(node.op).attributes;
  return words == nullptr ? std::string() : words(graph, node);
}

std::string weight_names(const Graph& graph, const Node& node) {
  std::string names;
  for (const WeightId id : node.weights) {
    const Weight& weight = graph.weight(id);
    if (weight.members > 1) {  // hundreds of names say no more than one
      names += (names.empty() ? "" : ", ") + visible(weight.name());
      continue;
    }
    for (const WeightPart& part : weight.parts) {
      names += (names.empty() ? "" : ", ") + visible(part.tensor);
    }
  }
  return names;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '{' || c == '}' || c == '<' || c == '>' || c == '|') {
      result += '\\';
    }
    result += c;
  }
  return result;
}

}  // namespace

std::string program_text(const Program& program) {
  const Graph& graph = program.graph;
  std::string text;
  auto out = std::back_inserter(text);
  for (size_t i = 0; i < graph.rows().size(); ++i) {
    const RowsInfo& rows = graph.rows()[i];
    fmt::format_to(out, "{}{}: {}, at most {}", i == 0 ? "# " : "; ", rows.symbol, rows.meaning,
                   program.max_rows.most[i]);
  }
  text += "\n";
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    std::string inputs;
    for (const int32_t input : node.inputs) inputs += fmt::format(" %{}", input);
    std::string detail = weight_names(graph, node);
    const std::string more = attributes(graph, node);
    if (!detail.empty() && !more.empty()) detail += "; ";
    detail += more;
    const Place& place = program.plan.places[i];
    fmt::format_to(out, "%{:<5} {:<12} {:<34}{:<14} @{:<10} {}\n", i, graph.shape_text(node.shape),
                   kernel_name(graph, node), inputs, place.offset_bytes, detail);
  }
  text += "# outputs:";
  for (const Output& output : graph.outputs()) {
    fmt::format_to(out, " {} %{},", output.name, output.value);
  }
  text.back() = ';';
  fmt::format_to(out, " {} values, {} kernel calls\n", graph.nodes().size(),
                 program.instructions.size());
  fmt::format_to(out, "# arena: {} bytes, {} without reuse\n", program.plan.arena_bytes,
                 program.plan.arena_bytes_without_reuse);
  return text;
}

std::string program_json(const Program& program) {
  const Graph& graph = program.graph;
  json::array values;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    json::array weights;
    for (const WeightId id : node.weights) {
      for (const WeightPart& part : graph.weight(id).parts) {
        weights.push_back(
            {{"tensor", part.tensor}, {"first_row", part.first_row}, {"rows", part.rows}});
      }
    }
    json::array fused;
    for (const std::string_view part : fused_parts(node)) fused.emplace_back(part);
    values.push_back({{"op", op_name(node.op)},
                      {"rows", graph.rows(node.shape.rows).symbol},
                      {"columns", node.shape.columns},
                      {"inputs", json::array(node.inputs.begin(), node.inputs.end())},
                      {"weights", std::move(weights)},
                      {"fused", std::move(fused)},
                      {"attributes", attributes(graph, node)},
                      {"offset_bytes", program.plan.places[i].offset_bytes}});
  }
  json::object outputs;
  for (const Output& output : graph.outputs()) outputs[output.name] = output.value;
  json::object max_rows;
  for (size_t i = 0; i < graph.rows().size(); ++i) {
    max_rows[graph.rows()[i].symbol] = program.max_rows.most[i];
  }
  const json::object document{{"max_rows", std::move(max_rows)},
                              {"outputs", std::move(outputs)},
                              {"kernel_calls", program.instructions.size()},
                              {"arena_bytes", program.plan.arena_bytes},
                              {"arena_bytes_without_reuse", program.plan.arena_bytes_without_reuse},
                              {"values", std::move(values)}};
  return boost::json::serialize(document) + "\n";
}

std::string program_graphviz(const Program& program) {
  const Graph& graph = program.graph;
  std::string text = "digraph program {\n  rankdir=TB;\n  node [shape=box, fontname=monospace];\n";
  auto out = std::back_inserter(text);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const bool view = op_info(node.op).place == ResultPlace::kView;
    fmt::format_to(out, "  v{} [label=\"{}\\n{}\\n{}\"{}];\n", i, escaped(kernel_name(graph, node)),
                   escaped(graph.shape_text(node.shape)), escaped(weight_names(graph, node)),
                   view ? ", style=dashed" : "");
    for (const int32_t input : node.inputs) fmt::format_to(out, "  v{} -> v{};\n", input, i);
  }
  for (const Output& output : graph.outputs()) {
    fmt::format_to(out, "  \"{}\" [shape=oval];\n  v{} -> \"{}\";\n", escaped(output.name),
                   output.value, escaped(output.name));
  }
  fmt::format_to(out, "  label=\"arena {} bytes, {} without reuse\";\n}}\n",
                 program.plan.arena_bytes, program.plan.arena_bytes_without_reuse);
  return text;
}

}  // namespace autoglm
