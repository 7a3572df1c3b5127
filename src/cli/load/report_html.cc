// The page: the tables, and plots that lay the servers over one another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/load/report.h"
#include "cli/load/svg_plot.h"

namespace autoglm::load {
namespace {

constexpr std::string_view kHead =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<title>autoglm bench serve</title>\n<style>\n"
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 1340px; margin: 2em auto; "
    "padding: 0 1em; color: #222; background: #fff; }\n"
    "pre { background: #f4f4f4; padding: 1em; overflow-x: auto; }\n"
    ".plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); "
    "gap: 1em; }\n"
    "svg { width: 100%; height: auto; }\n"
    "svg text { font-size: 11px; }\n"
    "svg .title { font-size: 14px; font-weight: 600; }\n"
    "svg .mid { text-anchor: middle; }\nsvg .end { text-anchor: end; }\n"
    "svg .grid { stroke: #ddd; stroke-width: 1; }\n"
    "</style></head><body>\n<h1>autoglm bench serve</h1>\n";

constexpr int kCdfPoints = 200;
constexpr int kTimeBins = 60;

Series cdf(const std::string& name, const Distribution& d) {
  Series series{.name = name};
  if (d.n == 0) return series;
  for (int i = 0; i <= kCdfPoints; ++i) {
    const double percent = 100.0 * i / kCdfPoints;
    series.points.emplace_back(d.percentile(percent), percent);
  }
  return series;
}

// Output tokens a second in each of 60 parts of the run, by when their pieces came.
Series throughput(const std::string& name, const RunResult& run) {
  Series series{.name = name};
  double end = 0;
  for (const Observation& seen : run.observations) end = std::max(end, seen.end_s);
  if (end <= 0) return series;
  const double bin_s = end / kTimeBins;
  std::vector<double> tokens(kTimeBins);
  for (const Observation& seen : run.observations) {
    if (seen.n_pieces == 0) continue;
    const double each =
        static_cast<double>(seen.output_tokens) / static_cast<double>(seen.n_pieces);
    double at_s = seen.first_piece_s;
    for (size_t i = 0; i <= seen.gaps_ms.size(); ++i) {
      const auto bin = static_cast<int>(at_s / bin_s);
      tokens[static_cast<size_t>(std::clamp(bin, 0, kTimeBins - 1))] += each;
      if (i < seen.gaps_ms.size()) at_s += seen.gaps_ms[i] / 1e3;
    }
  }
  for (int i = 0; i < kTimeBins; ++i) {
    series.points.emplace_back((i + 0.5) * bin_s, tokens[static_cast<size_t>(i)] / bin_s);
  }
  return series;
}

std::vector<Span> spans_of(const RunResult& run) {
  std::vector<Span> spans;
  for (const Observation& seen : run.observations) {
    spans.push_back({seen.start_s, seen.first_piece_s, seen.end_s, seen.failure != Failure::kNone});
  }
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return a.start < b.start; });
  return spans;
}

}  // namespace

std::string html(const std::vector<Measured>& servers) {
  std::vector<Series> first, between, whole, rate;
  for (const Measured& server : servers) {
    const std::string name = server.form.model + " at " + server.url;
    first.push_back(cdf(name, server.summary.ttft_ms));
    between.push_back(cdf(name, server.summary.itl_ms));
    whole.push_back(cdf(name, server.summary.e2el_ms));
    rate.push_back(throughput(name, server.run));
  }
  std::string out(kHead);
  for (const Measured& server : servers) out += "<pre>" + escaped(table(server)) + "</pre>\n";
  out += "<div class=\"plots\">\n";
  out += line_plot({"Time to first token", "milliseconds", "% of requests"}, first);
  out += line_plot({"Inter-token time", "milliseconds", "% of gaps"}, between);
  out += line_plot({"End to end", "milliseconds", "% of requests"}, whole);
  out += line_plot({"Output tokens a second", "seconds since the beginning", "tokens/s"}, rate);
  for (const Measured& server : servers) {
    out += timeline({"Requests of " + server.url + ": waiting, then answering",
                     "seconds since the beginning", ""},
                    spans_of(server.run));
  }
  return out + "</div>\n</body></html>\n";
}

}  // namespace autoglm::load
