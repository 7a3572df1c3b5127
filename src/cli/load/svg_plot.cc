#include "cli/load/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace autoglm::load {
namespace {

constexpr double kWidth = 640, kHeight = 300;
constexpr double kLeft = 60, kRight = 16, kTop = 34, kBottom = 44;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
// Colours that people who see red and green alike can tell apart (Okabe and Ito).
constexpr std::array kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

struct Frame {
  double x_top = 1, y_top = 1, height = kHeight;
  double x(double value) const { return kLeft + value / x_top * kPlotWidth; }
  double y(double value) const { return base() - value / y_top * (base() - kTop); }
  double base() const { return height - kBottom; }
};

std::string open_svg(const PlotLabels& labels, double height) {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n"
      "<text x=\"{}\" y=\"18\" class=\"title\">{}</text>\n",
      kWidth, height, escaped(labels.title), kLeft, escaped(labels.title));
}

// 0.25, 1500, 2e+06: as short as it can be said.
std::string number(double value) { return fmt::format("{:g}", value); }

void x_axis(std::string& out, const Frame& frame, const std::vector<double>& marks,
            const PlotLabels& labels) {
  const auto to = std::back_inserter(out);
  for (const double mark : marks) {
    fmt::format_to(to,
                   "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2:.1f}\" "
                   "class=\"grid\"/><text x=\"{0:.1f}\" y=\"{3:.1f}\" class=\"mid\">{4}</text>\n",
                   frame.x(mark), kTop, frame.base(), frame.base() + 15, number(mark));
  }
  fmt::format_to(to, "<text x=\"{}\" y=\"{:.1f}\" class=\"mid\">{}</text>\n",
                 kLeft + kPlotWidth / 2, frame.base() + 34, escaped(labels.x));
}

void y_axis(std::string& out, const Frame& frame, const std::vector<double>& marks,
            const PlotLabels& labels) {
  const auto to = std::back_inserter(out);
  for (const double mark : marks) {
    fmt::format_to(to,
                   "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" class=\"grid\"/>"
                   "<text x=\"{3}\" y=\"{4:.1f}\" class=\"end\">{5}</text>\n",
                   kLeft, kWidth - kRight, frame.y(mark), kLeft - 6, frame.y(mark) + 4,
                   number(mark));
  }
  fmt::format_to(to, "<text x=\"{}\" y=\"18\" class=\"end\">{}</text>\n", kWidth - kRight,
                 escaped(labels.y));
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::vector<double> ticks(double top) {
  constexpr double kSteps = 6;
  if (!(top > 0) || !std::isfinite(top)) top = 1;
  const double power = std::pow(10, std::floor(std::log10(top / kSteps)));
  double step = power;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    step = factor * power;
    // A hair of slack: 0.6 / 0.1 is a little more than 6.
    if (top / step <= kSteps * (1 + 1e-9)) break;
  }
  std::vector<double> marks;
  for (int i = 0;; ++i) {
    marks.push_back(i * step);
    if (marks.back() >= top * (1 - 1e-9)) return marks;
  }
}

std::string line_plot(const PlotLabels& labels, const std::vector<Series>& series) {
  double x_most = 0, y_most = 0;
  for (const Series& line : series) {
    for (const auto& [x, y] : line.points) {
      x_most = std::max(x_most, x);
      y_most = std::max(y_most, y);
    }
  }
  const std::vector<double> x_marks = ticks(x_most);
  const std::vector<double> y_marks = ticks(y_most);
  const Frame frame{.x_top = x_marks.back(), .y_top = y_marks.back()};
  std::string out = open_svg(labels, kHeight);
  x_axis(out, frame, x_marks, labels);
  y_axis(out, frame, y_marks, labels);
  const auto to = std::back_inserter(out);
  for (size_t i = 0; i < series.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    fmt::format_to(to, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"{}\" points=\"",
                   colour);
    for (const auto& [x, y] : series[i].points) {
      fmt::format_to(to, "{:.1f},{:.1f} ", frame.x(x), frame.y(y));
    }
    out += "\"/>\n";
    if (series.size() > 1) {
      const double row = kTop + 16 + 16 * static_cast<double>(i);
      fmt::format_to(to, "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"end\" fill=\"{}\">{}</text>\n",
                     kWidth - kRight - 6, row, colour, escaped(series[i].name));
    }
  }
  return out + "</svg>\n";
}

std::string timeline(const PlotLabels& labels, const std::vector<Span>& spans) {
  // Rows shrink so that many requests still fit a page.
  const double row =
      std::clamp(480.0 / static_cast<double>(std::max<size_t>(1, spans.size())), 1.0, 8.0);
  double last = 0;
  for (const Span& span : spans) last = std::max(last, span.end);
  const std::vector<double> marks = ticks(last);
  const Frame frame{.x_top = marks.back(),
                    .height = kTop + kBottom + row * static_cast<double>(spans.size())};
  std::string out = open_svg(labels, frame.height);
  x_axis(out, frame, marks, labels);
  const auto to = std::back_inserter(out);
  const auto bar = [&](double from, double until, double y, const char* colour, double opacity) {
    fmt::format_to(to,
                   "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
                   "fill=\"{}\" fill-opacity=\"{}\"/>\n",
                   frame.x(from), y, std::max(0.5, frame.x(until) - frame.x(from)), row * 0.85,
                   colour, opacity);
  };
  for (size_t i = 0; i < spans.size(); ++i) {
    const double y = kTop + row * static_cast<double>(i);
    if (spans[i].failed) {
      bar(spans[i].start, spans[i].end, y, "#c00000", 0.8);
      continue;
    }
    bar(spans[i].start, spans[i].middle, y, kColours[0], 0.3);
    bar(spans[i].middle, spans[i].end, y, kColours[0], 1);
  }
  return out + "</svg>\n";
}

}  // namespace autoglm::load
