//===- CommandLine.h - The command line of ampc --------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_COMMANDLINE_H
#define AMPC_TOOLS_AMPC_COMMANDLINE_H

#include "ampc/Pipeline/CompileOptions.h"
#include <optional>

namespace ampc {

/// Exit codes of the tools (design section 4).
enum ExitCode { ExitDone = 0, ExitDiagnosed = 1, ExitUsage = 2, ExitInternal = 70 };

/// What `suggest` is asked for.
struct SuggestOptions {
  std::vector<std::string> data; ///< as ampc-run takes it
  std::optional<double> targetError;
  int64_t batches = 5, compilations = 40;
  std::string roofline = "h100";
};

/// What the command line asks for.
struct CommandLine {
  CompileOptions options;
  Stage stage = Stage::SharedObject;
  std::string output; ///< "" or "-": standard output
  /// Whose weights go back into the model, which is all there is to do; "" to compile.
  std::string checkpoint;
  bool listOps = false;
  bool explain = false;
  std::string explainRegex; ///< of node names; "" for all
  /// Of `diff-policy`: the two policies to compare; else none.
  std::vector<std::string> policies;
  bool suggests = false; ///< `ampc suggest`
  SuggestOptions suggest;
};

/// Registers ampc's flags and MLIR's, parses, and checks what can be checked without the
/// model. On a usage error prints it to standard error and returns nullopt.
std::optional<CommandLine> parseCommandLine(int argc, char **argv);

} // namespace ampc

#endif // AMPC_TOOLS_AMPC_COMMANDLINE_H
