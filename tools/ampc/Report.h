//===- Report.h - What was decided, for people and for programs - -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_REPORT_H
#define AMPC_TOOLS_AMPC_REPORT_H

#include "ampc/Precision/PrecisionGraph.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>
#include <string>
#include <vector>

namespace ampc {

/// One decision of a pass, as it was remarked.
struct Decision {
  std::vector<std::string> nodes; ///< ONNX node names
  std::string pass, name, op;
  std::vector<std::pair<std::string, std::string>> facts;
  std::string function; ///< "train" or "eval"; "" where the decision holds for all

  /// The fact of that name, "" where there is none.
  llvm::StringRef get(llvm::StringRef key) const;
};

/// Collects the remarks of a context from its construction on.
class DecisionLog {
public:
  explicit DecisionLog(mlir::MLIRContext &context);

  /// Prints the decisions of nodes that match `regex` (POSIX extended, unanchored), one a
  /// line and each once: a line that holds in only one of @train and @eval, where the other
  /// has another one for the node, ends in that one's name. Returns how many there were.
  size_t explain(llvm::raw_ostream &os, llvm::StringRef regex) const;
  /// All of them, then the graph: its nodes, its casts, and a summary.
  llvm::json::Array toJson() const;
  /// For each node of the graph the decision on its precision, null where there was none.
  std::vector<const Decision *> decisionsOfNodes() const;

  /// To be filled by the compiler (CompileOptions::precisionGraph).
  PrecisionGraph graph;

private:
  std::shared_ptr<std::vector<Decision>> decisions;
};

/// Writes a page that needs nothing else: the model's layers coloured by precision, its casts, and
/// what is trained. `flags` is a JSON array of strings.
void writeReportPage(llvm::raw_ostream &os, llvm::StringRef model, llvm::StringRef flags,
                     llvm::json::Array report);

/// Prints the ONNX operators that the loaded dialects know, one a line.
void listOperators(mlir::MLIRContext &context, llvm::raw_ostream &os);

} // namespace ampc

#endif // AMPC_TOOLS_AMPC_REPORT_H
