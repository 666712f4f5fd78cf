//===- Passes.h - Passes that make a training step ------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TRAINING_PASSES_H
#define AMPC_TRAINING_PASSES_H

#include "ampc/Dialect/Amp/AmpBase.h"
#include "mlir/Pass/Pass.h"

namespace ampc {

#define GEN_PASS_DECL
#include "ampc/Training/Passes.h.inc"

/// Builds the training step with all of the optimizer's settings; the pass option of the
/// generated constructor sets only the most common ones.
std::unique_ptr<Pass> createMakeTrainingStep(const OptimizerOptions &optimizer, double clipGradNorm,
                                             double clipGradValue);

/// The names that `--optimizer` knows, from the registered ops. The dialect must be loaded.
SmallVector<StringRef> getOptimizerNames(MLIRContext *context);
/// What is wrong with the settings, "" where nothing is. The dialect must be loaded.
std::string checkOptimizerOptions(MLIRContext *context, const OptimizerOptions &options);

#define GEN_PASS_REGISTRATION
#include "ampc/Training/Passes.h.inc"

} // namespace ampc

#endif // AMPC_TRAINING_PASSES_H
