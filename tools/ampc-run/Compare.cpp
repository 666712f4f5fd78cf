//===- Compare.cpp - ampc-run compare -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Commands.h"
#include "Comparison.h"
#include "Error.h"
#include "Files.h"
#include "Interrupt.h"
#include "Progress.h"
#include "Table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace ampc::run;

namespace {

constexpr size_t mostRows = 20;

std::string formatNumber(double value, const char *pattern = "%.4g") {
  if (std::isnan(value))
    return "NaN";
  char text[32];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

/// "0.012 %"; of what is not finite "inf".
std::string formatError(double error) {
  return std::isinf(error) ? "inf" : formatNumber(100 * error, "%.3g") + " %";
}

std::string count(size_t number, const std::string &what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string fileName(const std::string &path) {
  return printable(path.substr(path.rfind('/') + 1));
}

double numberOf(const Json &json) { return json.is_number() ? json.get<double>() : INFINITY; }

/// The losses beside each other.
std::string lossTable(const Json &result) {
  Table table;
  table.addColumn("step", true);
  for (const char *title : {"loss of A", "loss of B", "apart", "gradients apart"})
    table.addColumn(title, true);
  table.addColumn("", false);
  const Json &steps = result["steps"];
  bool hasGradients = false, hasLoss = false;
  for (size_t i = 0; i != steps.size(); ++i) {
    // The first and last steps tell the course.
    if (steps.size() > 2 * mostRows && i >= mostRows && i + mostRows < steps.size()) {
      if (i == mostRows)
        table.addRow({"..", "", "", "", "", ""});
      continue;
    }
    const Json &step = steps[i];
    auto lossOf = [&](size_t side) {
      const Json &loss = step["loss"][side];
      return loss.is_number() ? formatNumber(loss.get<double>(), "%.7g") : std::string("-");
    };
    std::string apart = "-";
    if (step["loss"][0].is_number() && step["loss"][1].is_number()) {
      double a = step["loss"][0], b = step["loss"][1];
      apart = formatError(a == b ? 0 : std::fabs(a - b) / std::max(std::fabs(a), 1e-300));
      hasLoss = true;
    }
    std::string note;
    for (size_t side : {0, 1})
      if (step.contains("applied") && !step["applied"][side].get<bool>())
        note += std::string(note.empty() ? "" : ", ") + (side ? "B" : "A") + " is skipped";
    hasGradients |= step.contains("gradient_error");
    table.addRow(
        {std::to_string(step["step"].get<int64_t>()), lossOf(0), lossOf(1), apart,
         step.contains("gradient_error") ? formatError(numberOf(step["gradient_error"])) : "",
         note});
  }
  return hasLoss || hasGradients ? table.text() + "\n" : "";
}

std::string valueTable(const Json &result) {
  const double roundoff = result["roundoff"]["size"];
  const Json &values = result["values"];
  Table table;
  table.addColumn("value", false);
  table.addColumn("node", false);
  table.addColumn("A", false);
  table.addColumn("B", false);
  table.addColumn("first step", true);
  table.addColumn("most", true);
  table.addColumn("in step", true);
  table.addColumn("in roundoffs", true);
  table.addColumn("inf, NaN", true);
  for (size_t i = 0; i != std::min(values.size(), mostRows); ++i) {
    const Json &value = values[i];
    std::string name = printable(value["tensor"].get<std::string>());
    std::string node = printable(value["node"].get<std::string>());
    std::string op = printable(value["operator"].get<std::string>());
    double error = numberOf(value["error"]);
    uint64_t badA = value["not_finite"][0], badB = value["not_finite"][1];
    table.addRow({value["gradient"].get<bool>() ? "gradient of " + name : name,
                  node + (op.empty() ? "" : " (" + op + ")"), value["types"][0].get<std::string>(),
                  value["types"][1].get<std::string>(), formatError(numberOf(value["first_error"])),
                  formatError(error), std::to_string(value["step"].get<int64_t>()),
                  std::isinf(error) ? "inf" : formatNumber(error / roundoff, "%.3g"),
                  badA || badB ? std::to_string(badA) + " | " + std::to_string(badB) : ""});
  }
  std::string text = table.text();
  if (values.size() > mostRows)
    text += "  and " + count(values.size() - mostRows, "value") +
            " with smaller errors; --json and --page have all\n";
  return text;
}

std::string describe(const Json &result) {
  const Json &roundoff = result["roundoff"];
  const Json &only = result["only"];
  std::string text = "A  " + fileName(result["modules"][0]) + "\nB  " +
                     fileName(result["modules"][1]) + "\n\n" + lossTable(result);
  text += "errors of values, ||a - b|| / ||a||; a roundoff of " +
          roundoff["type"].get<std::string>() + " is " +
          formatError(roundoff["size"].get<double>()) + "\n" + valueTable(result);
  text += count(result["values"].size(), "value") + " in both; " + std::to_string(only[0].size()) +
          " only in A, " + std::to_string(only[1].size()) +
          " only in B: the other keeps them in registers, or has no such value";
  if (size_t unlike = result["other_shapes"].size())
    text += "; " + std::to_string(unlike) + " of other sizes";
  text += "\n";
  return text;
}

} // namespace

int ampc::run::runCompare(const CompareOptions &options) {
  std::vector<DataFlag> flags;
  std::vector<std::string> inputs{options.a, options.b};
  for (const std::string &text : options.data) {
    flags.push_back(DataFlag::parse(text));
    inputs.push_back(flags.back().path);
  }
  if (options.checkpoint)
    inputs.push_back(*options.checkpoint);
  if (options.page)
    OutputPaths(inputs).add("--page", *options.page, OutputPaths::Kind::File);
  Module a(options.a), b(options.b);
  DataSet data(flags, a.inputs(), a.trains() ? DataSet::Use::Train : DataSet::Use::Evaluate);
  for (const std::string &remark : data.notes())
    note(remark);
  InterruptGuard interrupt;
  Comparison comparison(options, a, b, data);
  for (const std::string &remark : comparison.notes())
    note(remark);
  Progress progress(options.quiet);
  const int64_t steps = options.steps.value_or(10);
  for (int64_t step = 1; step <= steps && !interrupt.signal(); ++step) {
    bool goesOn = comparison.step();
    Progress::Clock::time_point now = Progress::Clock::now();
    if (progress.isDue(now) && !comparison.steps().empty()) {
      const ComparedStep &last = comparison.steps().back();
      progress.show({{"step " + std::to_string(last.step) + "/" + std::to_string(steps)},
                     {"loss " + formatNumber(double(last.info[0].loss)) + " | " +
                      formatNumber(double(last.info[1].loss))}},
                    now);
    }
    if (!goesOn)
      break;
  }
  progress.leaveLine();
  if (comparison.steps().empty())
    return exitCodeOfSignal(interrupt.signal());
  Json result = comparison.toJson();
  if (options.page)
    writeComparePage(*options.page, result);
  std::string text = options.json
                         ? result.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                         : describe(result);
  std::fwrite(text.data(), 1, text.size(), stdout);
  finishOutput();
  if (interrupt.signal()) {
    note(std::string("stopped by ") + signalName(interrupt.signal()) + " after step " +
         std::to_string(comparison.steps().size()));
    return exitCodeOfSignal(interrupt.signal());
  }
  for (int side : {0, 1})
    if (!comparison.stopped(side).empty())
      throw Error(side ? options.b : options.a, comparison.stopped(side), ExitStopped);
  return ExitDone;
}
