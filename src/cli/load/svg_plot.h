// Line plots and timelines as inline SVG: no script, no style from outside.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace autoglm::load {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by x, ascending
};

struct PlotLabels {
  std::string title;
  std::string x;
  std::string y;
};

// Lines over common axes that begin at 0, with a legend where there are several.
std::string line_plot(const PlotLabels& labels, const std::vector<Series>& series);

struct Span {
  double start = 0;
  double middle = 0;  // the first token
  double end = 0;
  bool failed = false;
};
// One row a span, in the order given: pale until its middle, full after it; red where it failed.
std::string timeline(const PlotLabels& labels, const std::vector<Span>& spans);

// Text for HTML and for attributes.
std::string escaped(std::string_view text);

// Round numbers from 0 to at least `top`, at most six steps of 1, 2 or 5 times a power of ten.
std::vector<double> ticks(double top);

}  // namespace autoglm::load
