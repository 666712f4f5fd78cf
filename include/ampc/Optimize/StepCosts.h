//===- StepCosts.h - What a step of a program moves ------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_OPTIMIZE_STEPCOSTS_H
#define AMPC_OPTIMIZE_STEPCOSTS_H

#include "ampc/Dialect/Plan/Plan.h"

namespace ampc {

/// A buffer that a step is handed.
struct StepArgument {
  mlir::Value value; ///< the operand or result that lies there
  bool isRead;
  bool isWritten;
  plan::OperandRole role;
};

/// The buffers of a step in the order in which it takes them: operands, then results that
/// are not tied to an operand. A tied operand is read and written, and so is workspace.
llvm::SmallVector<StepArgument> getStepArguments(plan::StepOpInterface step);

struct StepCosts {
  int64_t flops = 0;
  uint64_t readBytes = 0, writtenBytes = 0;
};

/// Each buffer of a step counts once as read, once as written.
StepCosts getStepCosts(plan::StepOpInterface step);

} // namespace ampc

#endif // AMPC_OPTIMIZE_STEPCOSTS_H
