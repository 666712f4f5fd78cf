//===- Suggest.h - Which nodes to keep in f32 -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ampc suggest compiles a model as it would be trained and once more in f32, trains both for a few
// steps, and looks for the fewest nodes that have to be kept in f32 for both to agree.
//
// train.so is run by ampc-run, in a process of its own. The compiler includes nothing of the
// runtime but its file format, and what the comparison needs (data, sessions, values matched by
// name) is ampc-run compare already; a step that crashes, or takes the machine's memory, does not
// take the compiler with it; and each trial's memory is gone behind it.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_SUGGEST_H
#define AMPC_TOOLS_AMPC_SUGGEST_H

#include "CommandLine.h"
#include "ampc/Precision/PrecisionGraph.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace ampc {

/// What ampc-run compare found of a module beside the one in f32.
struct Measurement {
  /// The median over the steps of the larger of: how far the loss is off, and how far the gradients
  /// of all parameters are. Infinite where a step of the module is not finite.
  double error = 0;
  double lossError = 0, gradientError = 0; ///< medians
  /// Of each value, and of each value's gradient as a node gives it, in the first step; infinite
  /// where it is finite in one module alone.
  llvm::StringMap<double> values, gradients;

  static std::string gradientKey(llvm::StringRef value, llvm::StringRef node) {
    return (value + llvm::Twine('\n') + node).str();
  }
};

/// Reads what `ampc-run compare --json` printed. An error where the module in f32 itself is not
/// finite.
llvm::Expected<Measurement> readMeasurement(llvm::StringRef json);

/// The error of each value that a node of `graph` gives: what was measured, or for a value that
/// stays in registers, that of what is made of it.
llvm::StringMap<double> errorsOfValues(const PrecisionGraph &graph, const Measurement &measured);

/// The nodes of `graph`, by index, that compute in the low type: those that add most to the error
/// of what they read come first, each followed by the ones whose results it reads, as what it does
/// may only show what they have rounded.
std::vector<size_t> rankNodes(const PrecisionGraph &graph, const Measurement &measured);

/// A regular expression that matches the names of these nodes, and no other name.
std::string regexOf(llvm::ArrayRef<llvm::StringRef> names);

/// Runs `ampc suggest` and returns the exit code.
int suggest(const CommandLine &line);

} // namespace ampc

#endif // AMPC_TOOLS_AMPC_SUGGEST_H
