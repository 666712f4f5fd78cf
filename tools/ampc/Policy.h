//===- Policy.h - Precision policies on the command line ------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_POLICY_H
#define AMPC_TOOLS_AMPC_POLICY_H

#include "CommandLine.h"
#include "Report.h"
#include "ampc/Support/OutputFiles.h"

namespace ampc {

/// Reads the policy file of --amp-lists, where that is one: its profile and its rules take the
/// place of its name.
llvm::Error readLists(OutputFiles &outputs, CompileOptions &options);

/// What one of two policies makes of a model.
struct PolicySide {
  std::string name;
  const PrecisionGraph &graph;
  std::vector<const Decision *> decisions; ///< of the graph's nodes
};

/// Prints the nodes whose types two policies decide differently, with both types and both rules,
/// and totals.
void printDifference(llvm::raw_ostream &os, const PolicySide &a, const PolicySide &b);

} // namespace ampc

#endif // AMPC_TOOLS_AMPC_POLICY_H
