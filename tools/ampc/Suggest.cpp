//===- Suggest.cpp - Which nodes to keep in f32 ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Suggest.h"
#include "FewestNodes.h"
#include "Table.h"
#include "Trials.h"
#include "ampc/Support/ModelDiagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <limits>

using llvm::StringRef;

namespace ampc {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// null, and what is missing, is infinite.
double numberOf(const llvm::json::Value *value) {
  std::optional<double> number = value ? value->getAsNumber() : std::nullopt;
  return number.value_or(kInfinity);
}

double median(std::vector<double> list) {
  if (list.empty())
    return 0;
  llvm::sort(list);
  return list[list.size() / 2];
}

llvm::Error unreadable(const llvm::Twine &what) {
  return llvm::createStringError("what ampc-run compare printed is not as it should be: " + what);
}

std::string percent(double error) {
  if (std::isinf(error))
    return "not finite";
  return llvm::formatv("{0} %", llvm::format("%.3g", 100 * error)).str();
}

bool isLow(const PrecisionNode &node) {
  return node.computesIn == "f16" || node.computesIn == "bf16";
}
} // namespace

llvm::Expected<Measurement> readMeasurement(StringRef json) {
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(json);
  if (!parsed)
    return unreadable(llvm::toString(parsed.takeError()));
  const llvm::json::Object *object = parsed->getAsObject();
  const llvm::json::Array *steps = object ? object->getArray("steps") : nullptr;
  const llvm::json::Array *values = object ? object->getArray("values") : nullptr;
  const llvm::json::Array *stopped = object ? object->getArray("stopped") : nullptr;
  if (!steps || !values || !stopped || stopped->size() != 2)
    return unreadable("steps, values or stopped are missing");
  if (std::optional<StringRef> reason = (*stopped)[0].getAsString(); reason && !reason->empty())
    return llvm::createStringError("in f32 the training stops itself, so there is nothing to "
                                   "compare with: " +
                                   *reason);
  std::vector<double> losses, gradients, errors;
  bool isInfinite = false;
  if (std::optional<StringRef> reason = (*stopped)[1].getAsString(); reason && !reason->empty())
    isInfinite = true;
  for (const llvm::json::Value &entry : *steps) {
    const llvm::json::Object *step = entry.getAsObject();
    const llvm::json::Array *loss = step ? step->getArray("loss") : nullptr;
    if (!loss || loss->size() != 2)
      return unreadable("a step has no losses");
    double a = numberOf(&(*loss)[0]), b = numberOf(&(*loss)[1]);
    if (std::isinf(a))
      return llvm::createStringError("in f32 the loss itself is not finite, so there is nothing to "
                                     "compare with");
    double lossError = a == b ? 0 : std::fabs(a - b) / std::max(std::fabs(a), 1e-30);
    losses.push_back(lossError);
    isInfinite |= std::isinf(b);
    // A step that is skipped for its loss scale tells of the scale, not of the gradients.
    const llvm::json::Value *gradient = step->get("gradient_error");
    if (gradient) {
      gradients.push_back(numberOf(gradient));
      isInfinite |= std::isinf(gradients.back());
    }
    errors.push_back(gradient ? std::max(lossError, gradients.back()) : lossError);
  }
  Measurement result;
  result.lossError = median(losses);
  result.gradientError = median(gradients);
  result.error = isInfinite ? kInfinity : median(errors);
  for (const llvm::json::Value &entry : *values) {
    const llvm::json::Object *value = entry.getAsObject();
    std::optional<StringRef> tensor = value ? value->getString("tensor") : std::nullopt;
    std::optional<StringRef> node = value ? value->getString("node") : std::nullopt;
    std::optional<bool> isGradient = value ? value->getBoolean("gradient") : std::nullopt;
    if (!tensor || !node || !isGradient)
      return unreadable("a value has no name");
    double error = numberOf(value->get("first_error"));
    if (*isGradient)
      result.gradients[Measurement::gradientKey(*tensor, *node)] = error;
    else
      result.values[*tensor] = error;
  }
  return result;
}

llvm::StringMap<double> errorsOfValues(const PrecisionGraph &graph, const Measurement &measured) {
  llvm::StringMap<double> errors = measured.values, behind;
  for (const PrecisionNode &node : llvm::reverse(graph.nodes)) {
    double out = 0;
    for (const PrecisionValue &value : node.gives) {
      if (!errors.contains(value.name))
        errors[value.name] = behind.lookup(value.name);
      out = std::max(out, errors.lookup(value.name));
    }
    for (const PrecisionValue &value : node.reads)
      if (value.name != "constant")
        behind[value.name] = std::max(behind.lookup(value.name), out);
  }
  return errors;
}

std::vector<size_t> rankNodes(const PrecisionGraph &graph, const Measurement &measured) {
  const llvm::StringMap<double> errors = errorsOfValues(graph, measured);
  // Errors of gradients by value alone: of several contributions the largest.
  llvm::StringMap<double> gradientOf;
  for (const auto &entry : measured.gradients) {
    double &error = gradientOf[entry.getKey().split('\n').first];
    error = std::max(error, entry.getValue());
  }
  llvm::StringMap<size_t> source; // the node that gives a value
  for (const auto &[i, node] : llvm::enumerate(graph.nodes))
    for (const PrecisionValue &value : node.gives)
      source.try_emplace(value.name, i);

  struct Scored {
    size_t node;
    double score;
  };
  std::vector<Scored> list;
  for (const auto &[i, node] : llvm::enumerate(graph.nodes)) {
    if (!isLow(node))
      continue;
    double in = 0, out = 0, gradientIn = 0, gradientOut = 0;
    for (const PrecisionValue &value : node.reads) {
      in = std::max(in, source.contains(value.name) ? errors.lookup(value.name) : 0);
      for (const std::string &name : node.names)
        gradientOut = std::max(
            gradientOut, measured.gradients.lookup(Measurement::gradientKey(value.name, name)));
    }
    for (const PrecisionValue &value : node.gives) {
      out = std::max(out, errors.lookup(value.name));
      gradientIn = std::max(gradientIn, gradientOf.lookup(value.name));
    }
    // Behind what has overflowed errors say nothing any more.
    auto added = [](double to, double from) { return std::isinf(from) ? 0 : to - from; };
    list.push_back({i, std::max(added(out, in), added(gradientOut, gradientIn))});
  }
  llvm::sort(list, [](const Scored &x, const Scored &y) {
    return std::pair(-x.score, x.node) < std::pair(-y.score, y.node);
  });

  std::vector<size_t> order;
  std::vector<bool> isThere(graph.nodes.size());
  auto add = [&](size_t node) {
    if (isLow(graph.nodes[node]) && !isThere[node])
      order.push_back(node);
    isThere[node] = true;
  };
  for (const Scored &scored : list) {
    add(scored.node);
    for (const PrecisionValue &value : graph.nodes[scored.node].reads)
      if (auto found = source.find(value.name); found != source.end())
        add(found->second);
  }
  return order;
}

std::string regexOf(llvm::ArrayRef<StringRef> names) {
  std::string regex = "^(";
  for (const auto &[i, name] : llvm::enumerate(names)) {
    regex += i ? "|" : "";
    for (char c : name) {
      if (StringRef("\\^$.[]|()?*+{}").contains(c))
        regex += '\\';
      regex += c;
    }
  }
  return regex + ")$";
}

namespace {
/// One row of the result: a node that is kept, and what that costs.
struct KeptNode {
  const PrecisionNode *node;
  double error;   ///< of what it gives, in the low type
  int64_t bytes;  ///< that its values take more
  double seconds; ///< of the device, that its steps take longer; NaN where nobody knows
};

/// Names of nodes without those of other ones: nodes that are merged have several.
std::vector<StringRef> namesOf(const PrecisionGraph &graph, llvm::ArrayRef<size_t> nodes) {
  std::vector<StringRef> names;
  llvm::StringSet<> seen;
  for (size_t i : nodes)
    for (const std::string &name : graph.nodes[i].names)
      if (seen.insert(name).second)
        names.push_back(name);
  return names;
}

int64_t extraBytes(const PrecisionNode &node) {
  int64_t bytes = 0;
  for (const PrecisionValue &value : node.gives)
    bytes += value.bytesInF32 - value.bytes;
  return bytes;
}

std::string timeText(double seconds) {
  double size = std::fabs(seconds);
  auto [unit, name] = size >= 1e-3 ? std::pair(1e3, "ms") : std::pair(1e6, "us");
  return llvm::formatv("{0} {1}", llvm::format("%.3g", seconds * unit), name).str();
}

void printKept(llvm::ArrayRef<KeptNode> kept, StringRef device) {
  run::Table table;
  table.addColumn("keep in f32", false);
  table.addColumn("operator", false);
  table.addColumn("its error", true);
  table.addColumn("memory", true);
  if (!device.empty())
    table.addColumn(("time on " + device).str(), true);
  for (const KeptNode &row : kept) {
    std::vector<std::string> cells{escapeForTerminal(llvm::join(row.node->names, ", "), 1000),
                                   escapeForTerminal(row.node->operatorName), percent(row.error),
                                   "+ " + (row.bytes < 1024 ? std::to_string(row.bytes) + " bytes"
                                                            : run::formatBytes(double(row.bytes)))};
    if (!device.empty())
      cells.push_back((row.seconds < 0 ? "- " : "+ ") + timeText(std::fabs(row.seconds)));
    table.addRow(std::move(cells));
  }
  llvm::outs() << table.text();
}

/// A policy file that keeps these nodes, and is otherwise what the user gave.
std::string policyOf(StringRef lists, StringRef regex) {
  llvm::json::Object policy{{"extends", lists}, {"nodes", llvm::json::Object{{regex, "deny"}}}};
  return llvm::formatv("{0:2}\n", llvm::json::Value(std::move(policy))).str();
}

/// `text` as a shell reads it back.
std::string shellQuoted(StringRef text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}
} // namespace

static llvm::Error runSuggest(const CommandLine &line) {
  const SuggestOptions &wanted = line.suggest;
  llvm::Expected<std::unique_ptr<Trials>> made = Trials::create(line);
  if (!made)
    return made.takeError();
  Trials &trials = **made;
  // Opened first: a mistake in a path shows at once.
  OutputFiles outputs;
  llvm::raw_ostream *policy = nullptr;
  if (!line.output.empty()) {
    if (llvm::Error error = trials.addInputs(outputs))
      return error;
    llvm::Expected<llvm::raw_ostream *> opened = outputs.open("-o", line.output);
    if (!opened)
      return opened.takeError();
    policy = *opened;
  }
  StringRef dtype = line.options.dtype;
  // Sixteen roundings: what a healthy step of a few layers has, measured on those of examples/.
  const double target =
      wanted.targetError.value_or(16 * std::ldexp(1.0, dtype == "bf16" ? -8 : -11));

  if (llvm::Error error = trials.compileReference())
    return error;
  llvm::Expected<Trial> low = trials.run({});
  if (!low)
    return low.takeError();
  const PrecisionGraph graph = std::move(low->graph);
  const Measurement before = std::move(low->measured);
  llvm::outs() << "f32 beside " << dtype << " over " << wanted.batches
               << (wanted.batches == 1 ? " step: " : " steps: ");
  if (std::isinf(before.error))
    llvm::outs() << "what is finite in f32 is not in " << dtype;
  else
    llvm::outs() << "the loss is off by " << percent(before.lossError) << ", the gradients by "
                 << percent(before.gradientError);
  llvm::outs() << "; wanted is " << percent(target) << "\n";
  std::vector<size_t> order = rankNodes(graph, before);
  std::vector<double> costs;
  std::vector<double> seconds = trials.secondsOfNodes(graph);
  for (const auto &[i, node] : llvm::enumerate(graph.nodes))
    costs.push_back(seconds.empty() ? double(extraBytes(node)) : seconds[i]);

  llvm::Error failure = llvm::Error::success();
  auto measure = [&](const std::vector<size_t> &kept) -> std::optional<double> {
    if (kept.empty())
      return before.error;
    llvm::Expected<Trial> trial = trials.run(namesOf(graph, kept));
    if (trial)
      return trial->measured.error;
    failure = llvm::joinErrors(std::move(failure), trial.takeError());
    return std::nullopt;
  };
  std::optional<FewestNodes> found =
      findFewest(order, costs, target, size_t(wanted.compilations), measure);
  trials.endProgress();
  if (!found)
    return failure;
  llvm::cantFail(std::move(failure));

  if (found->kept.empty() && found->reaches) {
    llvm::outs() << "nothing to keep: the model is as near to f32 as was asked for\n";
  } else if (!found->reaches) {
    llvm::outs() << "no set of nodes that was tried reaches it; the nearest leaves "
                 << percent(found->error)
                 << (trials.isUsedUp() ? "; --compilations=N allows more than " +
                                             std::to_string(wanted.compilations) + " trials"
                                       : std::string())
                 << "\n";
  }
  if (found->kept.empty()) {
    if (policy)
      llvm::errs() << "ampc: warning: nothing was written to " << line.output << "\n";
    return llvm::Error::success();
  }
  const llvm::StringMap<double> errors = errorsOfValues(graph, before);
  std::vector<KeptNode> rows;
  for (size_t i : found->kept) {
    double error = 0;
    for (const PrecisionValue &value : graph.nodes[i].gives)
      error = std::max(error, errors.lookup(value.name));
    rows.push_back(
        {&graph.nodes[i], error, extraBytes(graph.nodes[i]), seconds.empty() ? NAN : seconds[i]});
  }
  std::vector<StringRef> names = namesOf(graph, found->kept);
  printKept(rows, seconds.empty() ? "" : wanted.roofline);
  llvm::outs() << "with " << (rows.size() == 1 ? "it" : "these " + std::to_string(rows.size()))
               << " in f32 the error is " << percent(found->error)
               << (found->isMinimal ? ""
                                    : "; there may be fewer: the trials were used up (" +
                                          std::to_string(wanted.compilations) + ")")
               << "\n";
  llvm::Expected<std::string> times = trials.leastTimes(names);
  if (!times)
    return times.takeError();
  llvm::outs() << *times;
  std::string regex = regexOf(names);
  llvm::outs() << "--amp-keep-fp32=" << shellQuoted(regex) << "\n";
  if (policy) {
    *policy << policyOf(trials.lists(), regex);
    return outputs.commit();
  }
  return llvm::Error::success();
}

int suggest(const CommandLine &line) {
  llvm::Error error = runSuggest(line);
  if (!error)
    return ExitDone;
  int code = ExitDiagnosed;
  llvm::handleAllErrors(
      std::move(error), [&](const DiagnosedError &diagnosed) { code = diagnosed.code; },
      [&](const llvm::ErrorInfoBase &other) {
        llvm::errs() << "ampc: error: " << other.message() << "\n";
      });
  return code;
}
} // namespace ampc
