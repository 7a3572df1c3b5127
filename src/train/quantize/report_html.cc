// The report as one page: bars of the error that every matrix's product was left with, drawn as
// inline SVG. Nothing is loaded from anywhere.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "train/quantize/report.h"

namespace autoglm {
namespace {

constexpr double kBar = 14;     // height of a bar with its gap
constexpr double kLabel = 380;  // room for names
constexpr double kPlot = 420;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

double error_of(const MatrixReport& m) { return m.output_error.value_or(m.weight_error); }

std::string bars(const QuantizeReport& report) {
  double most = 1e-9;
  for (const MatrixReport& m : report.matrices) most = std::max(most, error_of(m));
  std::string out = fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"error of every matrix\">\n",
      kLabel + kPlot + 70, kBar * static_cast<double>(report.matrices.size()) + 4);
  double y = 0;
  for (const MatrixReport& m : report.matrices) {
    const double width = std::max(1.0, error_of(m) / most * kPlot);
    out += fmt::format(
        "<text x=\"{0:.0f}\" y=\"{1:.1f}\" text-anchor=\"end\">{2}</text>"
        "<rect class=\"b{3}\" x=\"{4:.0f}\" y=\"{5:.1f}\" width=\"{6:.1f}\" height=\"10\">"
        "<title>{2}: {3} bits, {7:.3f} %</title></rect>"
        "<text x=\"{8:.1f}\" y=\"{1:.1f}\">{7:.2f} %</text>\n",
        kLabel - 6, y + 10, escaped(m.tensor), m.precision.bits, kLabel, y + 1, width,
        error_of(m) * 100, kLabel + width + 5);
    y += kBar;
  }
  return out + "</svg>\n";
}

std::string rows(const QuantizeReport& r) {
  std::string out;
  const auto row = [&](std::string_view name, const std::string& value) {
    out += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", name, escaped(value));
  };
  row("from", r.input);
  if (!r.input_quantization.empty()) row("rounded before", r.input_quantization);
  row("to", r.output);
  row("method", r.method);
  row("bits a weight, layers", fmt::format("{:.3f}", r.layer_bits_per_weight));
  row("bits a weight, all matrices", fmt::format("{:.3f}", r.bits_per_weight));
  row("megabytes before", fmt::format("{:.2f}", static_cast<double>(r.bytes_before) / 1e6));
  row("megabytes after", fmt::format("{:.2f}", static_cast<double>(r.bytes_after) / 1e6));
  row("calibration tokens", fmt::format("{}", r.calibration_tokens));
  if (r.quality) {
    const Quality& q = *r.quality;
    row("perplexity before", fmt::format("{:.4f}", q.perplexity_before));
    row("perplexity after", fmt::format("{:.4f} ({:+.3f} %)", q.perplexity_after,
                                        (q.perplexity_after / q.perplexity_before - 1) * 100));
    row("KL divergence, mean", fmt::format("{:.6f}", q.kl_mean));
    row("KL divergence, 99th percentile", fmt::format("{:.6f}", q.kl_99));
    row("same first choice", fmt::format("{:.2f} %", q.same_top1 * 100));
    row("tokens predicted", fmt::format("{}", q.tokens));
  }
  return out;
}

}  // namespace

std::string to_html(const QuantizeReport& report) {
  const bool outputs = std::ranges::any_of(
      report.matrices, [](const MatrixReport& m) { return m.output_error.has_value(); });
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Quantization "
      "report</title>\n<style>body{{font:14px sans-serif;max-width:60em;margin:2em auto;"
      "padding:0 1em;color:#222}}th{{text-align:left;padding-right:2em;font-weight:normal;"
      "color:#666}}svg{{width:100%}}svg text{{font:10px sans-serif;fill:#333}}"
      ".b4{{fill:#c8553d}}.b8{{fill:#3d7ea6}}.key b{{display:inline-block;width:1em;height:1em;"
      "margin:0 .3em 0 1em}}</style></head>\n<body><h1>Quantization report</h1>\n"
      "<table>\n{}</table>\n<h2>{}</h2>\n"
      "<p class=\"key\"><b style=\"background:#c8553d\"></b>4 bits"
      "<b style=\"background:#3d7ea6\"></b>8 bits</p>\n{}</body></html>\n",
      rows(report),
      outputs ? "Relative error of every product on the calibration text (of the weights, where "
                "there is none)"
              : "Relative error of every matrix",
      bars(report));
}

}  // namespace autoglm
