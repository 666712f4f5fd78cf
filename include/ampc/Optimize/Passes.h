//===- Passes.h - Passes from ops to a program ----------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_OPTIMIZE_PASSES_H
#define AMPC_OPTIMIZE_PASSES_H

#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Support/DeviceModel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace ampc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ampc/Optimize/Passes.h.inc"

struct OptimizeOptions {
  Target target = Target::Cuda;
  /// The CUDA device that kernels are formed for.
  Gpu gpu = Gpu::H100;
  /// Take it that all libraries prefer images with their channels last: for tests.
  bool preferChannelsLast = false;
  /// Most bytes the arena may have; 0 for no limit.
  uint64_t memoryLimit = 0;
};

/// From ops of final types to kernels and library calls, with in-place updates marked.
void buildOptimizePipeline(mlir::OpPassManager &pm, const OptimizeOptions &options);

struct MemoryOptions {
  /// Most bytes the arena may have; 0 for no limit.
  uint64_t memoryLimit = 0;
  /// Every step must give equal bits in equal runs.
  bool deterministic = false;
};

/// From launches and library calls to fixed offsets, checked.
void buildMemoryPipeline(mlir::OpPassManager &pm, const MemoryOptions &options);

} // namespace ampc

#endif // AMPC_OPTIMIZE_PASSES_H
