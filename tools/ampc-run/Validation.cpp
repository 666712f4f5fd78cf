//===- Validation.cpp - Evaluations while a run trains --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Validation.h"
#include "Error.h"
#include "Metadata.h"
#include "StepCheckpoints.h"

#include <algorithm>
#include <cmath>

using namespace ampc::run;

namespace {

constexpr const char *stepKey = "eval.step";
constexpr const char *samplesKey = "eval.samples";
constexpr const char *bestStepKey = "eval.best_step";
constexpr const char *bestLossKey = "eval.best_loss";
constexpr const char *sinceBestKey = "eval.since_best";

} // namespace

std::string ampc::run::bestPathOf(const std::string &checkpoint) {
  return insertBeforeExtension(checkpoint, ".best");
}

Validation::Validation(const TrainOptions &options, const Module &module, Session &session,
                       DataSet &data)
    : every(options.evalEvery), patience(options.patience), session(session),
      samples(data.samples()), evaluation(module, session, data) {
  if (!evaluation.hasLoss())
    throw Error(module.path(), "has no loss among its outputs that --eval-data could watch: make "
                               "the loss, one number, an output of the model");
}

bool Validation::load(const std::string &checkpoint) {
  Metadata metadata(session.get(), checkpoint);
  if (!metadata.has(stepKey))
    return false;
  auto steps = static_cast<uint64_t>(session.steps());
  auto step = metadata.whole<uint64_t>(stepKey, steps, ", the steps that were made");
  auto oldSamples = metadata.whole<uint64_t>(samplesKey, uint64_t(INT64_MAX), "");
  std::optional<EvalRecord> oldBest;
  if (metadata.has(bestStepKey))
    oldBest = EvalRecord{
        metadata.whole<int64_t>(bestStepKey, int64_t(step), ", the last that was evaluated"),
        metadata.finite(bestLossKey), std::nullopt};
  int64_t oldSince = 0; // older checkpoints do not say
  if (metadata.has(sinceBestKey))
    oldSince =
        metadata.whole<int64_t>(sinceBestKey, int64_t(step), ", the last that was evaluated");
  if (oldSamples != samples)
    return false;
  sinceBest = oldSince;
  evaluatedStep = int64_t(step);
  bestRecord = oldBest;
  return true;
}

void Validation::save() const {
  if (!evaluatedStep)
    return;
  auto set = [&](const char *key, const std::optional<std::string> &value) {
    check(ampc_session_set_metadata(session.get(), key, value ? value->c_str() : nullptr));
  };
  set(stepKey, std::to_string(evaluatedStep));
  set(samplesKey, std::to_string(samples));
  bool hasBest = bestRecord.has_value();
  set(sinceBestKey, std::to_string(sinceBest));
  set(bestStepKey, hasBest ? std::optional(std::to_string(bestRecord->step)) : std::nullopt);
  set(bestLossKey, hasBest ? std::optional(jsonNumber(bestRecord->loss)) : std::nullopt);
}

bool Validation::isDue(const DataPosition &position) const {
  int64_t steps = session.steps();
  if (steps == 0 || steps == evaluatedStep)
    return false;
  return every ? steps % *every == 0 : position.sample == 0;
}

bool Validation::isBetter(const EvalRecord &record) const {
  return std::isfinite(record.loss) && (!bestRecord || record.loss < bestRecord->loss);
}

std::optional<EvalRecord> Validation::run(const InterruptGuard &interrupt) {
  evaluation.restart();
  for (uint64_t batch = 0; batch < evaluation.batches(); ++batch) {
    if (interrupt.signal())
      return std::nullopt;
    evaluation.run(batch);
  }
  evaluatedStep = session.steps();
  EvalRecord record{evaluatedStep, evaluation.meanLoss(), std::nullopt};
  const std::optional<Accuracy> &accuracy = evaluation.accuracy();
  if (accuracy && accuracy->counted())
    record.accuracy = double(accuracy->right()) / double(accuracy->counted());
  latestRecord = record;
  sinceBest = isBetter(record) ? 0 : sinceBest + 1;
  return record;
}
