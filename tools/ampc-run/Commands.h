//===- Commands.h - What ampc-run does ------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_COMMANDS_H
#define AMPC_RUN_COMMANDS_H

#include "Options.h"

namespace ampc::run {

/// Each runs a command and returns the process's exit code. Throws Error.
int runTrain(const TrainOptions &options);
int runEval(const EvalOptions &options);
int runCompare(const CompareOptions &options);
int runExportOrt(const ExportOrtOptions &options);
int runExport(const ExportOptions &options);
int runInspect(const InspectOptions &options);

/// Flushes standard output. Throws Error where it did not take everything.
void finishOutput();

} // namespace ampc::run

#endif // AMPC_RUN_COMMANDS_H
