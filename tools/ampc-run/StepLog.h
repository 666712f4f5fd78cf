//===- StepLog.h - One JSON object a step ---------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_STEPLOG_H
#define AMPC_RUN_STEPLOG_H

#include "ampc-files/Descriptor.h"

#include <ampc-runtime/ampc.h>

#include <optional>
#include <string>

namespace ampc::run {

/// The line of a step, without its end: shortest decimals that round-trip, null
/// where not finite. `grad_norm` is there only where `hasNorm`.
std::string formatStep(const ampc_step_info_t &info, bool hasNorm);

/// What an evaluation in training has found.
struct EvalRecord {
  int64_t step; ///< after which the weights were evaluated
  double loss;
  std::optional<double> accuracy;
};
/// The line of an evaluation, which stands behind that of its step.
std::string formatEvaluation(const EvalRecord &record);

/// A number as JSON has it: the shortest decimal that round-trips, null where it is not finite.
std::string jsonNumber(float value);
std::string jsonNumber(double value);

/// The log of a run. Lines are kept until flush().
class StepLog {
public:
  /// Opens `path`, which a new run empties. A run resumed after step
  /// `resumedAfter` appends: what an earlier run wrote about later steps, or
  /// left half-written when it was killed, is cut off first, so that the file
  /// stays the log of one run. Throws Error, also where such a file holds
  /// something else than a log, and where another run is writing it.
  StepLog(std::string path, std::optional<int64_t> resumedAfter);

  void add(const ampc_step_info_t &info);
  void add(const EvalRecord &record);
  /// Another line about a step, which must be an object that begins with it.
  void addLine(const std::string &line) { lines += line + "\n"; }
  /// Throws Error where the lines cannot be written.
  void flush();

private:
  std::string path;
  files::Descriptor descriptor;
  std::string lines;
  bool hasNorm = false;
};

} // namespace ampc::run

#endif // AMPC_RUN_STEPLOG_H
