//===- Report.cpp - What was decided, for people and for programs ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "ampc/Dialect/Amp/Amp.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace ampc {
namespace {
class Collector : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Collector(std::shared_ptr<std::vector<Decision>> decisions)
      : decisions(std::move(decisions)) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    Decision decision;
    for (StringRef node : getNodeNames(remark.getLocation()))
      decision.nodes.push_back(node.str());
    decision.pass = remark.getCategoryName().str();
    decision.name = remark.getRemarkName().str();
    decision.op = remark.getFunction().str();
    for (const auto &argument : remark.getArgs())
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
  if (failed(remark::enableOptimizationRemarks(
          context, std::make_unique<Collector>(decisions),
          std::make_unique<remark::RemarkEmittingPolicyAll>(), all)))
    llvm::report_fatal_error("remarks are set up twice");
}

size_t DecisionLog::explain(llvm::raw_ostream &os, StringRef regex) const {
  llvm::Regex filter(regex);
  size_t count = 0;
  for (const Decision &decision : *decisions) {
    std::string nodes = llvm::join(decision.nodes, ", ");
    if (!regex.empty() && !filter.match(nodes))
      continue;
    ++count;
    os << (nodes.empty() ? "-" : nodes) << ": " << decision.op << " " << decision.name;
    for (auto &[key, value] : decision.facts)
      os << (key == "Reason" ? "; " : " ") << (key == "Reason" ? "" : key + "=") << value;
    os << "\n";
  }
  return count;
}

llvm::Error DecisionLog::write(StringRef path) const {
  llvm::json::Array list;
  for (const Decision &decision : *decisions) {
    llvm::json::Object entry{{"nodes", llvm::json::Array(decision.nodes)},
                             {"pass", decision.pass},
                             {"decision", decision.name},
                             {"op", decision.op}};
    for (auto &[key, value] : decision.facts)
      entry[StringRef(key).lower()] = value;
    list.push_back(std::move(entry));
  }
  std::error_code error;
  llvm::ToolOutputFile file(path, error, llvm::sys::fs::OF_Text);
  if (error)
    return llvm::createStringError(error, "--report=" + path + ": " + error.message());
  file.os() << llvm::formatv("{0:2}", llvm::json::Value(std::move(list))) << "\n";
  file.os().flush();
  if (file.os().has_error())
    return llvm::createStringError(file.os().error(), "--report=" + path + ": " +
                                                          file.os().error().message());
  file.keep();
  return llvm::Error::success();
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
      rows.push_back({name, op.getStringRef(), precision,
                      bool(op.getInterface<GradientOpInterface>())});
  }
  llvm::sort(rows, [](const Row &x, const Row &y) {
    return std::tie(x.name.domain, x.name.name) < std::tie(y.name.domain, y.name.name);
  });
  os << llvm::formatv("{0,-34} {1,-8} {2,-8} {3,-9} {4}\n", "operator", "opsets", "list",
                      "gradient", "op");
  for (const Row &row : rows) {
    std::string name = row.name.domain.empty()
                           ? row.name.name.str()
                           : (row.name.domain + "." + row.name.name).str();
    std::string range = llvm::formatv("{0}-{1}", row.name.since, row.name.until);
    os << llvm::formatv("{0,-34} {1,-8} {2,-8} {3,-9} {4}\n", name, range, row.precision,
                        row.gradient ? "yes" : "-", row.op);
  }
}
} // namespace ampc
