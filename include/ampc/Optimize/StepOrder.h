//===- StepOrder.h - Which step has ended when another starts -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_OPTIMIZE_STEPORDER_H
#define AMPC_OPTIMIZE_STEPORDER_H

#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {

/// The order of a program's steps that its queues, signals and waits promise. With one queue that
/// is the order in which they stand.
class StepOrder {
public:
  /// Reads the attributes of a program. Reports queues, signals and waits that break the rules of
  /// module_format.h.
  static mlir::FailureOr<StepOrder> create(mlir::func::FuncOp program);

  unsigned queueCount() const { return queues.size(); }
  unsigned signalCount() const { return signals.size(); }
  /// Of a step of the program.
  unsigned queueOf(mlir::Operation *step) const { return info.at(step).queue; }
  /// Whether step `a` has ended when step `b` starts, in every run.
  bool isBefore(mlir::Operation *a, mlir::Operation *b) const;
  /// The first step of those that may still run when `step` starts, in the order in which they
  /// stand: `step` itself, unless another queue has one before it.
  mlir::Operation *firstBeside(mlir::Operation *step) const;

private:
  struct Step {
    unsigned queue = 0;
    size_t place = 0;                ///< among those of its queue
    llvm::SmallVector<size_t> ended; ///< of each queue, how many have ended when it starts
  };

  mlir::LogicalResult add(mlir::Operation *step);

  llvm::DenseMap<mlir::Operation *, Step> info;
  std::vector<std::vector<mlir::Operation *>> queues;
  llvm::DenseMap<int64_t, mlir::Operation *> signals; ///< the step that gives each
};

} // namespace ampc

#endif // AMPC_OPTIMIZE_STEPORDER_H
