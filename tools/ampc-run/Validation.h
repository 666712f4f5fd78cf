//===- Validation.h - Evaluations while a run trains ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_VALIDATION_H
#define AMPC_RUN_VALIDATION_H

#include "DataPosition.h"
#include "Evaluation.h"
#include "Interrupt.h"
#include "Options.h"
#include "StepLog.h"

#include <optional>
#include <string>

namespace ampc::run {

/// F.best.safetensors for F.safetensors, else F.best: the checkpoint of --keep-best.
std::string bestPathOf(const std::string &checkpoint);

/// When --eval-data is evaluated, and what was found. A checkpoint carries it as metadata, so
/// that a resumed run evaluates after the same steps as a whole one and knows the best:
/// eval.step, eval.samples, eval.best_step, eval.best_loss, eval.since_best.
class Validation {
public:
  /// All arguments must outlive it. Throws Error where the module computes no loss to watch.
  Validation(const TrainOptions &options, const Module &module, Session &session, DataSet &data);

  /// Reads the metadata that the session has from `checkpoint`; throws Error where they are
  /// none that save() has written. False where they tell of no evaluation on these data.
  bool load(const std::string &checkpoint);
  void save() const;

  /// True where the weights as they are now should be evaluated, and have not been.
  bool isDue(const DataPosition &position) const;
  /// Evaluates all data; nothing where a signal came before it was done. Throws Error.
  std::optional<EvalRecord> run(const InterruptGuard &interrupt);

  /// The least loss of all evaluations; one that is not finite is no least one.
  const std::optional<EvalRecord> &best() const { return bestRecord; }
  const std::optional<EvalRecord> &latest() const { return latestRecord; }
  /// What best() is from now on: one that could not be kept is taken back.
  void setBest(std::optional<EvalRecord> record) { bestRecord = record; }
  bool isBetter(const EvalRecord &record) const;
  /// True where the last --patience evaluations have found no lower loss.
  bool hasStalled() const { return patience && sinceBest >= *patience; }

private:
  std::optional<int64_t> every, patience;
  Session &session;
  uint64_t samples;
  Evaluation evaluation;
  int64_t evaluatedStep = 0; ///< 0: none yet
  int64_t sinceBest = 0;     ///< evaluations in a row that were not better
  std::optional<EvalRecord> bestRecord, latestRecord;
};

} // namespace ampc::run

#endif // AMPC_RUN_VALIDATION_H
