#include "train/quantize/report.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/files.h"
#include "base/visible_text.h"

namespace autoglm {
namespace {

std::string percent(double share) { return fmt::format("{:.2f}", share * 100); }

std::string megabytes(int64_t bytes) {
  return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}

json::value number_or_null(const std::optional<double>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

json::value group_or_null(const Precision& precision) {
  return precision.bits == 8 ? json::value(nullptr) : json::value(precision.group_size);
}

}  // namespace

std::string to_text(const QuantizeReport& r) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<16}{}\n", name, visible(value));
  };
  line("output", r.output);
  if (!r.input_quantization.empty()) {
    line("input",
         fmt::format("rounded before: {}; compared with what it decodes to", r.input_quantization));
  }
  line("method", r.method);
  line("bits a weight", fmt::format("{:.3f} in the layers, {:.3f} with embedding and output",
                                    r.layer_bits_per_weight, r.bits_per_weight));
  line("size", fmt::format("{}, before {}", megabytes(r.bytes_after), megabytes(r.bytes_before)));
  if (r.calibration_tokens > 0)
    line("calibrated on", fmt::format("{} tokens", r.calibration_tokens));
  if (r.quality) {
    const Quality& q = *r.quality;
    line("perplexity", fmt::format("{:.4f}, before {:.4f} ({:+.3f} %), over {} tokens",
                                   q.perplexity_after, q.perplexity_before,
                                   (q.perplexity_after / q.perplexity_before - 1) * 100, q.tokens));
    line("KL divergence",
         fmt::format("{:.5f} mean, {:.5f} at the 99th percentile", q.kl_mean, q.kl_99));
    line("same first choice", fmt::format(" {} %", percent(q.same_top1)));
  }
  line("time", fmt::format("{:.1f} s", r.seconds));
  out += fmt::format("\n{:<52} {:>13} {:>4} {:>5} {:>9} {:>9} {:>7}\n", "matrix", "shape", "bits",
                     "group", "weight %", "output %", "spread");
  for (const MatrixReport& m : r.matrices) {
    const Precision& precision = m.precision;
    out += fmt::format("{:<52} {:>13} {:>4} {:>5} {:>9} {:>9} {:>7}\n", visible(m.tensor),
                       fmt::format("{}x{}", m.rows, m.columns), precision.bits,
                       precision.bits == 8 ? "-" : fmt::format("{}", precision.group_size),
                       percent(m.weight_error), m.output_error ? percent(*m.output_error) : "-",
                       m.scale_spread ? fmt::format("{:.1f}", *m.scale_spread) : "-");
  }
  return out;
}

json::object to_json(const QuantizeReport& r) {
  json::array matrices;
  for (const MatrixReport& m : r.matrices) {
    matrices.push_back(json::object{{"tensor", m.tensor},
                                    {"rows", m.rows},
                                    {"columns", m.columns},
                                    {"bits", m.precision.bits},
                                    {"group_size", group_or_null(m.precision)},
                                    {"weight_error", m.weight_error},
                                    {"output_error", number_or_null(m.output_error)},
                                    {"scale_spread", number_or_null(m.scale_spread)}});
  }
  json::object out{{"input", r.input},
                   {"input_quantization", r.input_quantization},
                   {"output", r.output},
                   {"method", r.method},
                   {"bits_per_weight", r.bits_per_weight},
                   {"layer_bits_per_weight", r.layer_bits_per_weight},
                   {"bytes_before", r.bytes_before},
                   {"bytes_after", r.bytes_after},
                   {"calibration_tokens", r.calibration_tokens},
                   {"seconds", r.seconds},
                   {"matrices", std::move(matrices)}};
  if (r.quality) {
    const Quality& q = *r.quality;
    out["quality"] = json::object{{"tokens", q.tokens},
                                  {"perplexity_before", q.perplexity_before},
                                  {"perplexity_after", q.perplexity_after},
                                  {"kl_mean", q.kl_mean},
                                  {"kl_99", q.kl_99},
                                  {"same_top1", q.same_top1}};
  }
  return out;
}

Result<void> write_report(const QuantizeReport& report, const std::string& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) return Error{ErrorCode::kIo, "cannot create the folder", folder, "", code.message()};
  const auto write = [&](const std::string& name, const std::string& text) {
    return write_file(folder + "/" + name, std::as_bytes(std::span(text)));
  };
  AGLM_TRY(write("report.txt", to_text(report)));
  AGLM_TRY(write("report.json", boost::json::serialize(to_json(report)) + "\n"));
  return write("report.html", to_html(report));
}

}  // namespace autoglm
