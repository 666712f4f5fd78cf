//===- UnsupportedNodes.cpp - Nodes that nothing stands for ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "UnsupportedNodes.h"
#include "ExportMetadata.h"

using namespace mlir;

namespace ampc {
void UnsupportedNodes::addConstants(const onnx::GraphProto &graph) {
  for (const onnx::TensorProto &tensor : graph.initializer())
    constants.insert(tensor.name());
}

void UnsupportedNodes::add(ArrayRef<GraphNode> nodes) {
  for (const GraphNode &node : nodes)
    if (node.domain.empty() && node.opType() == "Constant")
      for (const std::string &output : node.outputs)
        constants.insert(output);
  for (const GraphNode &node : nodes) {
    std::string problem = findProblem(node);
    if (problem.empty())
      continue;
    ++count;
    std::string name = (node.domain.empty() ? "" : node.domain + ".") + node.opType().str();
    auto [it, isNew] = entryOf.try_emplace(name + ":" + problem, entries.size());
    if (isNew)
      entries.push_back({name, &node, problem});
    ++entries[it->second].count;
  }
}

/// Why a node cannot be imported; "" where it can.
std::string UnsupportedNodes::findProblem(const GraphNode &node) const {
  if (!node.proto || operators.find(node.domain, node.opType(), node.version))
    return "";
  std::string problem;
  llvm::raw_string_ostream os(problem);
  ArrayRef<OperatorTable::Claim> claims = operators.find(node.domain, node.opType());
  if (claims.empty()) {
    os << "the operator is not supported";
    if (!node.domain.empty())
      os << " (domain " << node.domain << ")";
  } else if (node.version == 0) {
    os << "the model imports no opset of the domain " << domainText(node.domain);
  } else {
    os << "opset " << node.version << " is not supported, only ";
    llvm::interleave(
        claims, os,
        [&](const OperatorTable::Claim &claim) {
          os << claim.name.since << " to " << claim.name.until;
        },
        " and ");
  }
  return problem;
}

/// The flag of torch.onnx.export, or of another tool that wrote the model, without which the node
/// would not be there; "" where none is known.
std::string UnsupportedNodes::findAdvice(const GraphNode &node) const {
  StringRef type = node.opType(), domain = node.domain;
  ArrayRef<OperatorTable::Claim> claims = operators.find(domain, type);
  if (!claims.empty() && node.version != 0) {
    // The nearest opset that is understood.
    int64_t nearest = 0;
    for (const OperatorTable::Claim &claim : claims) {
      int64_t version = std::clamp(node.version, claim.name.since, claim.name.until);
      if (!nearest || std::abs(version - node.version) < std::abs(nearest - node.version))
        nearest = version;
    }
    if (domain.empty())
      return "export with opset_version=" + std::to_string(nearest) +
             ", or convert the model with onnx.version_converter";
    return "";
  }
  if (!claims.empty())
    return "";
  if (type == "ATen" || domain == "org.pytorch.aten" || domain == "aten")
    return "export without operator_export_type=ONNX_ATEN_FALLBACK, or with dynamo=True";
  if (domain == "com.microsoft" && type.contains("Grad"))
    return "ONNX Runtime's gradient builder writes it: of a training_model.onnx ampc takes the "
           "forward "
           "graph (--optimizer-model, --ort-checkpoint); else compile the model without gradients";
  if (domain == "com.microsoft")
    return "ONNX Runtime writes it when it optimizes a model: compile the model as it was exported";
  if (domain == "ai.onnx.ml")
    return "no gradient trains it, as it decides, counts or looks up: train what comes before it "
           "by "
           "itself, or a network in its place (MLPClassifier, MLPRegressor, LogisticRegression)";
  bool hasInput =
      llvm::any_of(node.inputs, [](const std::string &input) { return !input.empty(); });
  bool isFoldable =
      hasInput && node.graphs.empty() && llvm::all_of(node.inputs, [&](const std::string &input) {
        return input.empty() || constants.contains(input);
      });
  bool isFromDynamo = !ExportMetadata::callOf(*node.proto).empty();
  if (isFoldable)
    return isFromDynamo ? "its operands are constants: export with optimize=True"
                        : "its operands are constants: export with do_constant_folding=True";
  if (isFromDynamo || !domain.empty())
    return "";
  if (type == "Loop" || type == "Scan")
    return "export with dynamo=True, which unrolls loops of a known length";
  if (type.contains("Sequence") || type.starts_with("Optional"))
    return "export with dynamo=True, which writes the tensors of a list one by one";
  return "";
}

InFlightDiagnostic UnsupportedNodes::report(const ImportContext &context) const {
  if (count == 1) {
    const Entry &entry = entries.front();
    InFlightDiagnostic error = entry.first->emitError(context) << entry.problem;
    if (std::string advice = findAdvice(*entry.first); !advice.empty())
      error.attachNote() << advice;
    return error;
  }
  InFlightDiagnostic error = context.emitError();
  error << count << " nodes cannot be imported: ";
  llvm::interleave(
      entries,
      [&](const Entry &entry) {
        error << entry.name << " (" << entry.count
              << (entry.count == 1 ? " node, '" : " nodes, the first is '") << entry.first->name
              << "')";
      },
      [&] { error << ", "; });
  for (const Entry &entry : entries) {
    bool isKnown = !operators.find(entry.first->domain, entry.first->opType()).empty();
    std::string advice = findAdvice(*entry.first);
    if (!isKnown && advice.empty())
      continue;
    error.attachNote() << entry.name << ": " << (isKnown ? entry.problem : "")
                       << (isKnown && !advice.empty() ? ": " : "") << advice;
  }
  error.attachNote() << "ampc --list-ops lists the operators that are supported";
  return error;
}
} // namespace ampc
