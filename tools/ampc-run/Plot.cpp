//===- Plot.cpp - A run's course as a picture -----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Panels above one another, with one axis of steps: the loss (training and evaluation), the
// loss scale with ticks where a step was skipped, the learning rate. A long run's buckets are
// drawn as their mean, in a band from the least to the largest loss.
//
//===----------------------------------------------------------------------===//

#include "Plot.h"
#include "Error.h"
#include "Files.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <limits>
#include <unistd.h>

using namespace ampc::run;

namespace {

// Pixels.
constexpr double width = 860, left = 76, right = 24;
constexpr double titleHeight = 40, headHeight = 26, gap = 10, footHeight = 44;
constexpr double lossHeight = 260, smallHeight = 84;

constexpr const char *trainColor = "#1f6fb4", *evalColor = "#d9600a", *scaleColor = "#6a3d9a",
                     *skipColor = "#c62828", *rateColor = "#2e7d32";

constexpr std::string_view metadataStart = "<metadata>", metadataEnd = "</metadata>";
constexpr uint64_t mostBytes = 16 << 20;

std::string escapeXml(const std::string &text) {
  std::string result;
  for (char c : text)
    switch (c) {
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '&':
      result += "&amp;";
      break;
    default:
      result += c;
    }
  return result;
}

/// A place in pixels: a tenth is more than can be seen.
std::string px(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string result = text;
  if (result.size() > 2 && result.compare(result.size() - 2, 2, ".0") == 0)
    result.resize(result.size() - 2);
  return result == "-0" ? "0" : result;
}

std::string number(double value, const char *pattern = "%.4g") {
  char text[32];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

/// 1500 as "1.5k" where the axis is long.
std::string stepText(double step, double most) {
  const std::pair<double, const char *> units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  for (auto [size, unit] : units)
    if (most >= 10 * size && step > 0)
      return number(step / size, "%.6g") + unit;
  return number(step, "%.10g");
}

/// A power of two in digits that people read.
std::string powerText(double exponent) {
  if (exponent >= -3 && exponent <= 20)
    return number(std::exp2(exponent), "%.7g");
  constexpr const char *digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = "2";
  for (char c : number(exponent, "%.0f"))
    text += c == '-' ? "⁻" : digits[c - '0'];
  return text;
}

struct Tick {
  double value; ///< on the axis: a logarithm, where that is one of logarithms
  std::string label;
};

/// A panel's rectangle, and what its axes mean.
struct Panel {
  double top, height;
  double low = 0, high = 1; ///< of the values
  double lastStep;

  double x(double step) const {
    // The middle of a step lies between two marks of the axis, which begins at 0.
    return left + (width - left - right) * step / lastStep;
  }
  double y(double value) const { return top + height * (high - value) / (high - low); }
};

/// A line that is broken where there is no value.
class Path {
public:
  explicit Path(const Panel &panel) : panel(panel) {}
  void to(double step, double value) {
    text += (isDown ? "L" : "M") + px(panel.x(step)) + " " + px(panel.y(value));
    isDown = true;
  }
  void lift() { isDown = false; }
  bool isEmpty() const { return text.empty(); }
  const std::string &data() const { return text; }

private:
  const Panel &panel;
  std::string text;
  bool isDown = false;
};

class Drawing {
public:
  Drawing(const Curve &curve, const std::string &title) : curve(curve), title(title) {}
  std::string draw();

private:
  double middle(const Curve::Bucket &bucket) const {
    double first = double(bucket.index) * double(curve.width()) + 1;
    double end = std::min(first + double(curve.width()) - 1, double(curve.lastStep()));
    return (first + end) / 2;
  }
  bool scales() const;
  Panel place(double height);
  void text(double x, double y, const std::string &content, const std::string &attributes = "");
  void line(const Path &path, const char *color, double thickness, double opacity = 1);
  void head(const Panel &panel, const std::string &name,
            const std::vector<std::pair<const char *, std::string>> &legend);
  void axes(const Panel &panel, const std::vector<Tick> &ticks);
  void drawLoss();
  void drawScale();
  void drawRate();
  void drawSteps();
  std::vector<std::optional<double>> smooth(size_t reach) const;

  const Curve &curve;
  const std::string &title;
  std::string body;
  double bottom = titleHeight;
  std::vector<double> stepTicks;
};

} // namespace

std::vector<double> ampc::run::roundTicks(double low, double high, int count) {
  double rough = (high - low) / count;
  double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = power * 10;
  for (double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * (high - low); ++i)
    ticks.push_back(i == 0 ? 0 : i * step); // not -0
  return ticks;
}

/// There is a loss scale to show.
bool Drawing::scales() const {
  return std::any_of(curve.buckets().begin(), curve.buckets().end(), [](const auto &bucket) {
    return bucket.scaleMin != 1 || bucket.scaleMax != 1 || bucket.skipped;
  });
}

Panel Drawing::place(double height) {
  Panel panel{bottom + headHeight, height, 0, 1, double(curve.lastStep())};
  bottom = panel.top + height + gap;
  return panel;
}

void Drawing::text(double x, double y, const std::string &content, const std::string &attributes) {
  body +=
      "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\"" + attributes + ">" + content + "</text>\n";
}

void Drawing::line(const Path &path, const char *color, double thickness, double opacity) {
  if (path.isEmpty())
    return;
  body += "<path d=\"" + path.data() + "\" fill=\"none\" stroke=\"" + color + "\" stroke-width=\"" +
          px(thickness) + "\"";
  if (opacity != 1)
    body += " stroke-opacity=\"" + number(opacity) + "\"";
  body += "/>\n";
}

/// The panel's name and what its colours mean, in one line above it.
void Drawing::head(const Panel &panel, const std::string &name,
                   const std::vector<std::pair<const char *, std::string>> &legend) {
  double y = panel.top - 8;
  std::string content = "<tspan font-weight=\"bold\">" + name + "</tspan>";
  for (const auto &[color, entry] : legend)
    content += "<tspan dx=\"16\" font-weight=\"bold\" fill=\"" + std::string(color) +
               "\">—</tspan><tspan dx=\"5\">" + entry + "</tspan>";
  text(left, y, content);
}

void Drawing::axes(const Panel &panel, const std::vector<Tick> &ticks) {
  std::string grid;
  for (double step : stepTicks)
    grid += "M" + px(panel.x(step)) + " " + px(panel.top) + "v" + px(panel.height);
  for (const Tick &tick : ticks) {
    grid += "M" + px(left) + " " + px(panel.y(tick.value)) + "H" + px(width - right);
    text(left - 8, panel.y(tick.value) + 4, tick.label, " text-anchor=\"end\" class=\"tick\"");
  }
  body += "<path d=\"" + grid + "\" stroke=\"#e4e4e4\" fill=\"none\"/>\n<rect x=\"" + px(left) +
          "\" y=\"" + px(panel.top) + "\" width=\"" + px(width - left - right) + "\" height=\"" +
          px(panel.height) + "\" fill=\"none\" stroke=\"#999\"/>\n";
}

/// The mean over `reach` buckets to both sides, where a bucket has a loss.
std::vector<std::optional<double>> Drawing::smooth(size_t reach) const {
  const std::vector<Curve::Bucket> &buckets = curve.buckets();
  std::vector<std::optional<double>> result(buckets.size());
  double sum = 0, count = 0;
  for (size_t i = 0, begin = 0, end = 0; i < buckets.size(); ++i) {
    size_t from = i < reach ? 0 : i - reach, to = std::min(i + reach + 1, buckets.size());
    for (; end < to; ++end)
      sum += buckets[end].lossSum, count += double(buckets[end].losses);
    for (; begin < from; ++begin)
      sum -= buckets[begin].lossSum, count -= double(buckets[begin].losses);
    if (buckets[i].losses)
      result[i] = reach ? sum / count : buckets[i].lossMean();
  }
  return result;
}

void Drawing::drawLoss() {
  const std::vector<Curve::Bucket> &buckets = curve.buckets();
  size_t reach = buckets.size() >= 100 ? buckets.size() / 80 : 0;
  std::vector<std::optional<double>> means = smooth(reach);

  constexpr double infinity = std::numeric_limits<double>::infinity();
  double low = infinity, high = -infinity, rawLow = infinity, rawHigh = -infinity;
  auto include = [&](double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  };
  int64_t notFinite = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    notFinite += buckets[i].notFinite;
    if (!means[i])
      continue;
    include(*means[i]);
    rawLow = std::min(rawLow, double(buckets[i].lossMin));
    rawHigh = std::max(rawHigh, double(buckets[i].lossMax));
  }
  for (const EvalRecord &record : curve.evaluations())
    if (std::isfinite(record.loss))
      include(record.loss);
  if (!(low <= high))
    low = 0, high = 1;
  rawLow = std::min(rawLow, low);
  rawHigh = std::max(rawHigh, high);

  Panel panel = place(lossHeight);
  // Logarithms where else the end of the curve would lie on the axis.
  bool isLog = rawLow > 0 && high > 20 * low;
  auto scaled = [&](double value) { return isLog ? std::log10(std::max(value, 1e-300)) : value; };
  double span = std::max(scaled(high) - scaled(low), 1e-3 * std::fabs(scaled(high)) + 1e-9);
  // A step far off must not make the rest flat.
  panel.low = std::max(scaled(rawLow), scaled(low) - span / 4) - span / 30;
  panel.high = std::min(scaled(rawHigh), scaled(high) + span / 4) + span / 30;
  if (!isLog && rawLow >= 0)
    panel.low = std::max(panel.low, 0.0);

  std::vector<Tick> ticks;
  if (!isLog) {
    for (double tick : roundTicks(panel.low, panel.high, 6))
      ticks.push_back({tick, number(tick)});
  } else {
    bool isShort = panel.high - panel.low < 3;
    for (double power = std::floor(panel.low); power <= panel.high; ++power)
      for (double factor : {1.0, 2.0, 5.0})
        if (double value = power + std::log10(factor);
            value >= panel.low && value <= panel.high && (factor == 1 || isShort))
          ticks.push_back({value, number(std::pow(10.0, value), "%.3g")});
  }

  const EvalRecord *best = curve.best() ? &*curve.best() : nullptr;
  std::vector<std::pair<const char *, std::string>> legend;
  std::string told = "training";
  if (means.back())
    told += " " + number(*means.back());
  if (reach)
    told += " (mean of " +
            stepText(double(2 * reach + 1) * double(curve.width()), double(curve.lastStep())) +
            " steps)";
  if (notFinite)
    told += ", " + std::to_string(notFinite) + " not finite";
  legend.emplace_back(trainColor, told);
  if (curve.latest()) {
    double loss = curve.latest()->loss;
    told = "evaluation " + (std::isfinite(loss) ? number(loss) : "not finite");
    if (curve.latest()->accuracy)
      told += " (" + number(100 * *curve.latest()->accuracy) + " % right)";
    if (best)
      told += ", least " + number(best->loss) + " at " + std::to_string(best->step);
    legend.emplace_back(evalColor, told);
  }
  head(panel, isLog ? "loss (log)" : "loss", legend);
  axes(panel, ticks);

  body += "<g clip-path=\"url(#loss)\">\n";
  if (curve.width() > 1) {
    Path upper(panel), lower(panel);
    for (const Curve::Bucket &bucket : buckets)
      if (bucket.losses)
        upper.to(middle(bucket), scaled(double(bucket.lossMax)));
    for (auto bucket = buckets.rbegin(); bucket != buckets.rend(); ++bucket)
      if (bucket->losses)
        lower.to(middle(*bucket), scaled(double(bucket->lossMin)));
    if (!upper.isEmpty())
      body += "<path d=\"" + upper.data() + "L" + lower.data().substr(1) + "Z\" fill=\"" +
              trainColor + "\" fill-opacity=\"0.15\"/>\n";
  }
  Path raw(panel), smoothed(panel);
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (!means[i]) {
      raw.lift();
      smoothed.lift();
      continue;
    }
    raw.to(middle(buckets[i]), scaled(buckets[i].lossMean()));
    smoothed.to(middle(buckets[i]), scaled(*means[i]));
  }
  if (reach)
    line(raw, trainColor, 1, 0.3);
  line(smoothed, trainColor, 1.8);
  Path evaluated(panel);
  std::string dots;
  auto dot = [&](const EvalRecord &record, const char *look) {
    return "<circle cx=\"" + px(panel.x(double(record.step))) + "\" cy=\"" +
           px(panel.y(scaled(record.loss))) + "\" " + look + " stroke=\"" + evalColor + "\"/>\n";
  };
  for (const EvalRecord &record : curve.evaluations()) {
    if (!std::isfinite(record.loss)) {
      evaluated.lift();
      continue;
    }
    evaluated.to(double(record.step), scaled(record.loss));
    if (curve.evaluations().size() <= 80)
      dots += dot(record, "r=\"2.5\" fill=\"#d9600a\"");
  }
  line(evaluated, evalColor, 1.8);
  body += dots;
  if (best)
    body += dot(*best, "r=\"5\" fill=\"none\" stroke-width=\"1.5\"");
  // A little wider than the panel: the last evaluation may be of the last step.
  body += "</g>\n<clipPath id=\"loss\"><rect x=\"" + px(left) + "\" y=\"" + px(panel.top) +
          "\" width=\"" + px(width - left - right + 6) + "\" height=\"" + px(panel.height) +
          "\"/></clipPath>\n";
}

void Drawing::drawScale() {
  const std::vector<Curve::Bucket> &buckets = curve.buckets();
  Panel panel = place(smallHeight);
  float least = buckets[0].scaleMin, most = buckets[0].scaleMax;
  int64_t skipped = 0;
  for (const Curve::Bucket &bucket : buckets) {
    least = std::min(least, bucket.scaleMin);
    most = std::max(most, bucket.scaleMax);
    skipped += bucket.skipped;
  }
  panel.low = std::floor(std::log2(double(least))) - 1;
  panel.high = std::ceil(std::log2(double(most))) + 1;
  std::vector<Tick> ticks;
  double every = std::max(1.0, std::ceil((panel.high - panel.low - 1) / 4));
  for (double power = panel.low + 1; power < panel.high; power += every)
    ticks.push_back({power, powerText(power)});
  head(panel, "loss scale (log)",
       {{scaleColor, "now " + number(double(buckets.back().scaleMax), "%.8g")},
        {skipColor, skipped == 0   ? "no step was skipped"
                    : skipped == 1 ? "1 step was skipped"
                                   : std::to_string(skipped) + " steps were skipped"}});
  axes(panel, ticks);

  // It changes between steps, at once.
  std::string marks, stairs;
  for (const Curve::Bucket &bucket : buckets) {
    double first = double(bucket.index) * double(curve.width());
    double end = std::min(first + double(curve.width()), double(curve.lastStep()));
    double low = panel.y(std::log2(double(bucket.scaleMin)));
    double high = panel.y(std::log2(double(bucket.scaleMax)));
    stairs += (stairs.empty() ? "M" + px(panel.x(first)) + " " : std::string("V")) + px(high);
    if (bucket.scaleMin != bucket.scaleMax)
      stairs += "V" + px(low);
    stairs += "H" + px(panel.x(end));
    if (bucket.skipped)
      marks += "M" + px(panel.x(middle(bucket))) + " " + px(panel.top + panel.height) + "v-12";
  }
  body += "<path d=\"" + stairs + "\" fill=\"none\" stroke=\"" + scaleColor +
          "\" stroke-width=\"1.8\"/>\n";
  if (!marks.empty())
    body += "<path d=\"" + marks + "\" stroke=\"" + skipColor + "\" stroke-width=\"1.5\"/>\n";
}

void Drawing::drawRate() {
  const std::vector<Curve::Bucket> &buckets = curve.buckets();
  Panel panel = place(smallHeight);
  double most = 0;
  for (const Curve::Bucket &bucket : buckets)
    most = std::max(most, double(bucket.rate));
  panel.high = most > 0 ? most * 1.15 : 1;
  std::vector<Tick> ticks;
  for (double tick : roundTicks(0, panel.high, 4))
    ticks.push_back({tick, number(tick, "%.3g")});
  head(panel, "learning rate", {{rateColor, "now " + number(double(buckets.back().rate))}});
  axes(panel, ticks);
  Path path(panel);
  for (const Curve::Bucket &bucket : buckets)
    path.to(middle(bucket), double(bucket.rate));
  if (buckets.size() == 1)
    path.to(double(curve.lastStep()), double(buckets[0].rate));
  line(path, rateColor, 1.8);
}

void Drawing::drawSteps() {
  Panel panel{0, 0, 0, 1, double(curve.lastStep())};
  double y = bottom - gap + 16;
  for (double step : stepTicks)
    text(panel.x(step), y, stepText(step, double(curve.lastStep())),
         " text-anchor=\"middle\" class=\"tick\"");
  text((left + width - right) / 2, y + 18, "step", " text-anchor=\"middle\"");
  bottom = y + footHeight - 16;
}

std::string Drawing::draw() {
  for (double tick : roundTicks(0, double(curve.lastStep()), 8))
    if (tick == std::floor(tick))
      stepTicks.push_back(tick);
  text(left, 25, escapeXml(title), " font-size=\"15\" font-weight=\"bold\"");
  text(width - right, 25, std::to_string(curve.lastStep()) + " steps", " text-anchor=\"end\"");
  drawLoss();
  if (scales())
    drawScale();
  drawRate();
  drawSteps();
  std::string size = px(width) + " " + px(bottom);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + "\" width=\"" +
         px(width) + "\" height=\"" + px(bottom) +
         "\" font-family=\"sans-serif\" font-size=\"12\" "
         "fill=\"#222\">\n" +
         std::string(metadataStart) + curve.text() + std::string(metadataEnd) +
         "\n<style>.tick{font-size:11px;fill:#555}path{stroke-linejoin:round}</style>\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n" +
         body + "</svg>\n";
}

std::string ampc::run::drawPlot(const Curve &curve, const std::string &title) {
  return Drawing(curve, title).draw();
}

void ampc::run::writePlot(const std::string &path, const Curve &curve, const std::string &title) {
  std::string text = drawPlot(curve, title);
  AtomicFile file(path);
  file.writeAt(0, text.data(), text.size());
  file.commit();
}

std::optional<Curve> ampc::run::readPlot(const std::string &path, int64_t step) {
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT)
    return std::nullopt;
  InputFile file(path);
  std::string text;
  if (file.size() <= mostBytes) {
    text.resize(file.size());
    file.readAt(0, text.data(), text.size());
  }
  try {
    size_t start = text.find(metadataStart), end = text.find(metadataEnd);
    if (start == std::string::npos || end == std::string::npos || end < start)
      throw std::runtime_error("there is no metadata");
    start += metadataStart.size();
    Curve curve = Curve::parse(std::string_view(text).substr(start, end - start));
    curve.cutAfter(step);
    return curve;
  } catch (const std::exception &) {
    throw Error(path, "is no plot of ampc-run; a resumed run goes on with its curves: give "
                      "--plot another name");
  }
}
