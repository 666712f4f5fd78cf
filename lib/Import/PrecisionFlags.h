//===- PrecisionFlags.h - The user's say in a node's precision -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_PRECISIONFLAGS_H
#define AMPC_LIB_IMPORT_PRECISIONFLAGS_H

#include "GraphNode.h"
#include "ImportContext.h"
#include "OperatorTable.h"
#include "llvm/Support/Regex.h"

namespace ampc {

/// `--amp-keep-fp32`, the nodes of policy files, `--amp-deny` and `--amp-allow`, the operators of
/// policy files: in the order of their priority. They are decided here, once, since passes merge
/// nodes and rename nothing.
class PrecisionFlags {
public:
  explicit PrecisionFlags(ImportContext &context) : context(context) {}

  /// What the user asks of a node.
  struct Choice {
    /// The `amp.precision` of the node's ops: `{category = "deny", reason = "--amp-deny=Exp"}`,
    /// null where the user says nothing.
    DictionaryAttr precision;
    /// The same of the node's operands, by index.
    SmallVector<std::pair<unsigned, DictionaryAttr>> operands;

    /// Marks the ops that were built for the node, from `first` to the end of its block.
    void mark(Operation *first, ArrayRef<Value> inputs) const;
  };

  /// Checks the flags and the files' rules by themselves.
  LogicalResult check(const OperatorTable &operators);
  FailureOr<Choice> decide(const GraphNode &node);
  /// An error where a regex or the name of an operand has not matched anything so far.
  LogicalResult checkMatched();
  /// The `amp.operator_precisions` of a module; null where nothing is asked of any operator.
  DictionaryAttr operatorPrecisions() const;

  /// The attribute itself.
  static DictionaryAttr makeAttr(MLIRContext *context, StringRef category, const Twine &reason);

private:
  struct Rule {
    const PolicyRule *rule;
    std::optional<llvm::Regex> regex;
    bool matched = false;
  };
  bool matches(Rule &rule, const GraphNode &node);
  FailureOr<const PolicyRule *> findNodeRule(const GraphNode &node);
  const PolicyRule *findOperatorRule(StringRef domain, StringRef opType) const;
  void addOperands(const GraphNode &node, bool isOfNode, Choice &choice);
  DictionaryAttr makeAttr(const PolicyRule &rule) const;

  ImportContext &context;
  std::optional<llvm::Regex> keepF32;
  bool matched = false;
  std::vector<Rule> nodeRules, operandRules;
  llvm::StringMap<const PolicyRule *> operatorRules; ///< the nearest of each
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_PRECISIONFLAGS_H
