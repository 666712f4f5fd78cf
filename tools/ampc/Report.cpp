//===- Report.cpp - What was decided, for people and for programs ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Regex.h"

using namespace mlir;

namespace ampc {
namespace {
class Collector : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Collector(std::shared_ptr<std::vector<Decision>> decisions)
      : decisions(std::move(decisions)) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    if (remark.getCategoryName() == "plan-work")
      return; // counts, no decisions
    Decision decision;
    for (StringRef node : getNodeNames(remark.getLocation()))
      decision.nodes.push_back(node.str());
    decision.pass = remark.getCategoryName().str();
    decision.name = remark.getRemarkName().str();
    decision.op = remark.getFunction().str();
    for (const auto &argument : remark.getArgs())
      if (argument.key == "function")
        decision.function = argument.val;
      else
        decision.facts.emplace_back(argument.key, argument.val);
    decisions->push_back(std::move(decision));
  }

private:
  std::shared_ptr<std::vector<Decision>> decisions;
};
} // namespace

DecisionLog::DecisionLog(MLIRContext &context)
    : decisions(std::make_shared<std::vector<Decision>>()) {
  remark::RemarkCategories all;
  // `all` alone turns no kind of remark on; each wants a filter of its own.
  all.passed = all.missed = all.failed = all.analysis = ".*";
  if (failed(remark::enableOptimizationRemarks(context, std::make_unique<Collector>(decisions),
                                               std::make_unique<remark::RemarkEmittingPolicyAll>(),
                                               all)))
    llvm::report_fatal_error("remarks are set up twice");
}

size_t DecisionLog::explain(llvm::raw_ostream &os, StringRef regex) const {
  llvm::Regex filter(regex);
  struct Line {
    std::string key, text;
    llvm::SmallSetVector<StringRef, 2> functions;
  };
  std::vector<Line> lines;
  llvm::StringMap<size_t> lineOf;                 // by text
  llvm::StringMap<llvm::StringSet<>> functionsOf; // by node and decision
  llvm::StringMap<size_t> firstOf;                // line, by the same
  for (const Decision &decision : *decisions) {
    std::string node = llvm::join(decision.nodes, ", ");
    if (!regex.empty() && !filter.match(node))
      continue;
    std::string text;
    llvm::raw_string_ostream line(text);
    line << (node.empty() ? "-" : node) << ": " << decision.op << " " << decision.name;
    for (auto &[key, value] : decision.facts)
      line << (key == "Reason" ? "; " : " ") << (key == "Reason" ? "" : key + "=") << value;
    std::string key = node + "\n" + decision.name;
    auto [it, isNew] = lineOf.try_emplace(text, lines.size());
    firstOf.try_emplace(key, it->second);
    if (isNew)
      lines.push_back({key, text, {}});
    lines[it->second].functions.insert(decision.function);
    functionsOf[key].insert(decision.function);
  }
  // A node's lines stand together, at the first one's place.
  llvm::stable_sort(lines, [&](const Line &a, const Line &b) {
    return firstOf.lookup(a.key) < firstOf.lookup(b.key);
  });
  for (const Line &line : lines) {
    os << line.text;
    // As many functions as the node has lines in: it is the same in all of them.
    if (line.functions.size() < functionsOf[line.key].size())
      os << " [" << llvm::join(line.functions, ", ") << "]";
    os << "\n";
  }
  return lines.size();
}

void DecisionLog::write(llvm::raw_ostream &os) const {
  llvm::json::Array list;
  for (const Decision &decision : *decisions) {
    llvm::json::Object entry{{"nodes", llvm::json::Array(decision.nodes)},
                             {"pass", decision.pass},
                             {"decision", decision.name},
                             {"op", decision.op}};
    if (!decision.function.empty())
      entry["function"] = decision.function;
    for (auto &[key, value] : decision.facts)
      entry[StringRef(key).lower()] = value;
    list.push_back(std::move(entry));
  }
  os << llvm::formatv("{0:2}", llvm::json::Value(std::move(list))) << "\n";
}

void listOperators(MLIRContext &context, llvm::raw_ostream &os) {
  struct Row {
    OnnxName name;
    StringRef op;
    std::string precision;
    bool gradient;
  };
  std::vector<Row> rows;
  for (RegisteredOperationName op : context.getRegisteredOperations()) {
    auto *onnx = op.getInterface<OnnxOpInterface>();
    if (!onnx)
      continue;
    std::string precision = "-";
    if (auto *record = op.getInterface<PrecisionOpInterface>())
      precision = stringify(record->getPrecisionRecord().f16).str();
    for (const OnnxName &name : onnx->getOnnxNames())
      rows.push_back(
          {name, op.getStringRef(), precision, bool(op.getInterface<GradientOpInterface>())});
  }
  llvm::sort(rows, [](const Row &x, const Row &y) {
    return std::tie(x.name.domain, x.name.name) < std::tie(y.name.domain, y.name.name);
  });
  os << llvm::formatv("{0,-34} {1,-8} {2,-8} {3,-9} {4}\n", "operator", "opsets", "list",
                      "gradient", "op");
  for (const Row &row : rows) {
    std::string name = row.name.domain.empty() ? row.name.name.str()
                                               : (row.name.domain + "." + row.name.name).str();
    std::string range = llvm::formatv("{0}-{1}", row.name.since, row.name.until);
    os << llvm::formatv("{0,-34} {1,-8} {2,-8} {3,-9} {4}\n", name, range, row.precision,
                        row.gradient ? "yes" : "-", row.op);
  }
}
} // namespace ampc
