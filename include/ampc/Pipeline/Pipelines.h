//===- Pipelines.h - The phases, one builder function each ---- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_PIPELINE_PIPELINES_H
#define AMPC_PIPELINE_PIPELINES_H

#include "ampc/Optimize/Passes.h"
#include "ampc/Pipeline/CompileOptions.h"
#include "mlir/Pass/PassManager.h"

namespace ampc {

/// From the imported graph to @train, @eval and @refresh with final types.
void buildTrainPipeline(mlir::OpPassManager &pm, const CompileOptions &options);

/// From ops to kernels and library calls of one target.
void buildKernelPipeline(mlir::OpPassManager &pm, const OptimizeOptions &options);

/// How the program of one target is planned.
struct PlanOptions {
  OptimizeOptions device; ///< that the kernels were formed for
  MemoryOptions memory;
  llvm::SmallVector<std::string> codeSizes; ///< EmitKernels'
};

/// From kernels to emitted device functions and fixed offsets.
void buildPlanPipeline(mlir::OpPassManager &pm, const PlanOptions &options);

/// Registers the phases as pass pipelines (`ampc-train`, ...) for ampc-opt, and all passes.
void registerAmpcPipelines();

/// Adds the dialects and interfaces that compilation needs.
void registerAmpcDialects(mlir::DialectRegistry &registry);

} // namespace ampc

#endif // AMPC_PIPELINE_PIPELINES_H
