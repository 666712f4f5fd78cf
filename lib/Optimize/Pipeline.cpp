//===- Pipeline.cpp - The order of the passes ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace ampc {

void buildOptimizePipeline(OpPassManager &pm, const OptimizeOptions &options) {
  // While casts still are ops of their own.
  pm.addNestedPass<func::FuncOp>(createStageInputs());
  // Behind the staging of inputs, which a transpose between an input and its cast would stop.
  pm.addNestedPass<func::FuncOp>(createChooseLayouts({options.target, options.preferChannelsLast}));
  pm.addPass(createLowerOps({options.target}));
  // What two ops both compute, as a loss and its gradient do, is computed once.
  pm.addNestedPass<func::FuncOp>(createCombineEqualOps());
  // Before the ops behind a library call become a kernel.
  pm.addNestedPass<func::FuncOp>(createFuseEpilogues({options.target}));
  // After the library has been asked.
  pm.addNestedPass<func::FuncOp>(createExpandProducts({options.target}));
  pm.addNestedPass<func::FuncOp>(createFormKernels({options.target, options.gpu}));
  // Merges finished kernels, of rows and of columns.
  pm.addNestedPass<func::FuncOp>(createDivideSums({options.target, options.gpu}));
  pm.addNestedPass<func::FuncOp>(createWidenIntermediates());
  // Kernels that run as one are no longer small: before sequences are formed.
  pm.addNestedPass<func::FuncOp>(createBatchKernels({options.target, options.gpu}));
  pm.addNestedPass<func::FuncOp>(createFormSequences({options.target, options.gpu}));
  pm.addPass(createRematerialize({options.memoryLimit, options.target, options.gpu}));
  // Last, since it depends on the order of the steps.
  pm.addNestedPass<func::FuncOp>(createTieUpdates());
  pm.addPass(createTieLoops());
}

void buildMemoryPipeline(OpPassManager &pm, const MemoryOptions &options) {
  pm.addPass(createPlanMemory({options.memoryLimit}));
  pm.addPass(createVerifyPlan({options.deterministic}));
}

} // namespace ampc
