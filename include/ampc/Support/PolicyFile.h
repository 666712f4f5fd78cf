//===- PolicyFile.h - Precision policies that users write ----- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_POLICYFILE_H
#define AMPC_SUPPORT_POLICYFILE_H

#include "ampc/Support/Precision.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace ampc {

/// One line of a policy file: what it speaks of, and what it says.
struct PolicyRule {
  std::string file; ///< as the user, or the file that extends it, spells it
  unsigned line = 0;
  /// How many files extend this one on the way to it: what is nearer decides.
  unsigned level = 0;
  std::string op;   ///< "Softmax" or "com.microsoft:Gelu"; "" for any operator
  std::string node; ///< a regex of nodes' names; "" for any node
  /// Of an operand: its index, or the name of the value that is read.
  std::optional<unsigned> operandIndex;
  std::string operandName;
  /// For each low type; nullopt where nothing is said of it.
  std::optional<Precision> f16, bf16;

  bool isOfOperand() const { return operandIndex || !operandName.empty(); }
  std::optional<Precision> get(llvm::StringRef dtype) const { return dtype == "bf16" ? bf16 : f16; }
  /// "lists.json:4".
  std::string place() const { return file + ":" + std::to_string(line); }
  /// For people: `lists.json:4 (operator Softmax)`.
  std::string reason() const;
};

/// A policy file with all that it extends.
struct PrecisionRules {
  std::vector<PolicyRule> rules; ///< nearest file first, in the order of its lines
  std::string profile = "balanced";
  std::vector<std::string> files; ///< all that were read
};

/// Reads `path` and the files that it extends. Everything that does not depend on the model or on
/// the operators that there are is checked (docs/PrecisionPolicies.md has the schema); an error
/// tells the file and the line.
llvm::Expected<PrecisionRules> readPolicyFile(llvm::StringRef path);

} // namespace ampc

#endif // AMPC_SUPPORT_POLICYFILE_H
