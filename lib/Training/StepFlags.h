//===- StepFlags.h - What a step reports of itself ------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_TRAINING_STEPFLAGS_H
#define AMPC_LIB_TRAINING_STEPFLAGS_H

#include "ampc/Dialect/Amp/AmpBase.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <map>

namespace ampc {

/// The function that updates: @train, or @apply where a step has several micro-batches; null where
/// nothing is trained.
func::FuncOp findUpdate(ModuleOp module);

/// Collects the AMPC_FLAG_* that the ops of a function raise. Each kind counts once,
/// however many ops raise it: the flags are summed, and the sum is read as bits.
class StepFlags {
public:
  /// Ops are built with `builder`, at its insertion point.
  StepFlags(OpBuilder &builder, Location loc) : b(builder), loc(loc) {}

  /// Adds `value`, f32 of rank 0, which is `kind` where something is wrong and 0 elsewhere.
  void raise(int64_t kind, Value value);
  /// Raises `kind` where `x`, f32 of rank 0, is infinite or NaN; a constant raises nothing. With
  /// `beside`, which is 1 or 0, only where that is 1.
  void raiseUnlessFinite(int64_t kind, Value x, Value beside = {});
  /// Raises what the ops of `function` check of their batch (BatchCheckOpInterface), and
  /// marks the arguments that they look at with `amp.checked`.
  void raiseBatchChecks(func::FuncOp function);
  /// The sum of all kinds; null where nothing can be raised.
  Value sum();

private:
  OpBuilder &b;
  Location loc;
  std::map<int64_t, Value> byKind;
};

} // namespace ampc

#endif // AMPC_LIB_TRAINING_STEPFLAGS_H
