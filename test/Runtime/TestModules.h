//===- TestModules.h - Modules that the runtime's tests run -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_RUNTIME_TESTMODULES_H
#define AMPC_TEST_RUNTIME_TESTMODULES_H

#include "TableWriter.h"

#include <string>

namespace ampc::test {

/// What the trainer is built with.
struct TrainerOptions {
  bool hasScaler = true;
  float scaleFloor = 0;
  float firstWeight = 0.5f;
  bool hasInit = false;
  std::string features;
};

/// A linear regression y = x w + bias of 4 rows of 3 features, with momentum,
/// f16 copies, loss scaling and every kind of table entry: launch, matmul,
/// copy and fill steps; inputs and outputs that are converted; INIT and REFRESH
/// programs.
///
/// Inputs: x f32 [4, 3], target i64 [4] (a label, from 0 to 9). Outputs of
/// EVAL: y f32 [4], y16 f16 [4], loss f32 []. The loss is the mean of
/// (y - target)^2. EVAL refuses what TRAIN does.
/// State: w (trained), bias (frozen), grid (constant),
/// ampc.momentum/w, the scalars, w16 (derived), the ring of 64 slots.
TableWriter makeTrainer(const TrainerOptions &options = {});

/// Builds it, once for each set of options in this process. Returns the path.
std::string buildTrainer(const TrainerOptions &options = {});

} // namespace ampc::test

#endif // AMPC_TEST_RUNTIME_TESTMODULES_H
