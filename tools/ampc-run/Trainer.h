//===- Trainer.h - The steps of a run -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_TRAINER_H
#define AMPC_RUN_TRAINER_H

#include "Curve.h"
#include "DataPosition.h"
#include "DataSet.h"
#include "Error.h"
#include "Interrupt.h"
#include "Progress.h"
#include "Schedule.h"
#include "StepLog.h"
#include "Validation.h"
#include "ValueTrace.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ampc::run {

/// One run of ampc-run train, from a session that is ready to its last checkpoint.
class Trainer {
public:
  /// `validation` may be null; what is given must outlive this.
  Trainer(const TrainOptions &options, Session &session, DataSet &data, DataPosition position,
          Validation *validation);
  /// Trains to the end or a signal. Returns the exit code.
  int run();

private:
  using Clock = Progress::Clock;

  void train(const InterruptGuard &interrupt);
  bool isDone() const;
  /// Why --patience ends the run.
  std::string stallText() const;
  void step();
  /// Enqueues a step, or makes it and waits where something of it has to be seen.
  ampc_status_t makeStep(const std::vector<ampc_named_tensor_t> &batch);
  void readSteps(bool all);
  void readStep(const ampc_step_info_t &info);
  void readFailed(ampc_status_t failure, ampc_status_t status, ampc_step_info_t info);
  void noteSkip(const ampc_step_info_t &info);
  void flushLog();
  void evaluateIfDue(const InterruptGuard &interrupt);
  std::optional<EvalRecord> evaluate(const InterruptGuard &interrupt);
  void keepIfBest(const EvalRecord &record);
  void savePeriodically();
  ampc_status_t save(const std::string &path);
  bool isSaved(ampc_status_t status, const std::string &path, const std::string &what);
  void draw();
  void showTrace() const;
  ProgressLine progressLine(Clock::time_point now) const;
  uint64_t batchesLeft() const;

  const TrainOptions &options;
  Session &session;
  DataSet &data;
  DataPosition position;
  Validation *const validation;
  std::vector<uint64_t> order;
  std::optional<uint64_t> orderedEpoch; ///< the one that `order` is of
  std::unique_ptr<StepLog> log;
  std::optional<Error> logFailure;
  std::unique_ptr<Curve> curve; ///< where there is a plot
  std::unique_ptr<ValueTrace> trace;
  Progress progress;

  const int64_t firstStep; ///< before this run
  int64_t readUpTo, savedStep;
  int64_t watchedUpTo;  ///< on CUDA, steps up to this one are waited for
  uint64_t batches = 0; ///< fed in this run
  int64_t skipped = 0, notedSkips = 0;
  bool isEnding = false; ///< with an error
  ampc_step_info_t latest = {};
  Clock::time_point start, lastRead, lastSkipNote;
  Clock::duration evaluating{}; ///< spent on evaluations
  int64_t evaluations = 0;
};

} // namespace ampc::run

#endif // AMPC_RUN_TRAINER_H
