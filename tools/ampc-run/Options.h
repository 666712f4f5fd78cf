//===- Options.h - What the commands are asked to do ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_OPTIONS_H
#define AMPC_RUN_OPTIONS_H

#include "Schedule.h"

#include <ampc-runtime/ampc.h>

#include <optional>
#include <string>
#include <vector>

namespace ampc::run {

struct RooflineDevice;

enum class BatchOrder { Shuffle, File };
/// "shuffle" or "file".
const char *batchOrderName(BatchOrder order);

struct TrainOptions {
  std::string module;
  std::vector<std::string> data, evalData;
  std::optional<BatchOrder> order;
  std::optional<int64_t> seed, epochs, steps, saveEvery, keep, evalEvery, patience;
  std::optional<float> learningRate;
  std::optional<ScheduleKind> schedule;
  std::optional<int64_t> warmup, decaySteps, decayEvery;
  std::optional<float> decayFactor;
  ampc_device_t device = AMPC_DEVICE_AUTO;
  std::optional<std::string> checkpoint, resume, log, plot;
  bool resumesLatest = false; ///< --resume=auto: `resume` is chosen when the run begins
  bool keepBest = false, quiet = false;
  ampc_check_finite_t checkFinite = AMPC_CHECK_FINITE_SKIP;
  std::optional<std::string> traceValues;
  std::optional<int64_t> traceEvery;

  /// A flag of the schedule is given.
  bool hasSchedule() const { return schedule || warmup; }
};

struct EvalOptions {
  std::string module;
  std::vector<std::string> data;
  std::optional<std::string> checkpoint, outputs;
  ampc_device_t device = AMPC_DEVICE_AUTO;
  bool averages = false; ///< of the parameters, in their place
  bool quiet = false;
};

struct CompareOptions {
  std::string a, b; ///< the two modules
  std::vector<std::string> data;
  std::optional<BatchOrder> order;
  std::optional<int64_t> seed, steps, every;
  std::optional<float> learningRate;
  ampc_device_t device = AMPC_DEVICE_AUTO;
  std::optional<std::string> checkpoint, page;
  bool sameState = false, json = false, quiet = false;
};

struct ExportOrtOptions {
  std::string module, output;
  std::optional<std::string> checkpoint;
  bool onlyWeights = false;
  ampc_device_t device = AMPC_DEVICE_AUTO;
};

struct ExportOptions {
  std::string module, stateDict;
  std::optional<std::string> checkpoint;
  bool averages = false; ///< of the parameters, in their place
  ampc_device_t device = AMPC_DEVICE_AUTO;
};

struct InspectOptions {
  std::string module;
  ampc_device_t target = AMPC_DEVICE_AUTO;
  const RooflineDevice *roofline = nullptr; ///< tell the least times on it
  bool json = false;
};

/// Each reads the arguments behind its command's name. Nothing where the help
/// was asked for, which is then in `help`. A mistake is thrown as Error with
/// ExitUsage.
std::optional<TrainOptions> parseTrain(const std::vector<std::string> &arguments,
                                       std::string &help);
std::optional<EvalOptions> parseEval(const std::vector<std::string> &arguments, std::string &help);
std::optional<CompareOptions> parseCompare(const std::vector<std::string> &arguments,
                                           std::string &help);
std::optional<ExportOrtOptions> parseExportOrt(const std::vector<std::string> &arguments,
                                               std::string &help);
std::optional<ExportOptions> parseExport(const std::vector<std::string> &arguments,
                                         std::string &help);
std::optional<InspectOptions> parseInspect(const std::vector<std::string> &arguments,
                                           std::string &help);

} // namespace ampc::run

#endif // AMPC_RUN_OPTIONS_H
