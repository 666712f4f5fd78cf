//===- Plan.h - The plan dialect, its interfaces and ops ------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_PLAN_H
#define AMPC_DIALECT_PLAN_PLAN_H

#include "ampc/Support/Target.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace ampc::plan {
using namespace mlir;

/// On an op of a planned program, and on its function's arguments: the byte offset into
/// the arena of each result (argument).
constexpr llvm::StringLiteral kOffsetsAttr = "plan.offsets";
/// On an amp.variable of a planned module: its byte offset in the state region.
constexpr llvm::StringLiteral kOffsetAttr = "plan.offset";
/// On a planned module: bytes of the arena, and of the state region at its start.
constexpr llvm::StringLiteral kArenaBytesAttr = "plan.arena_bytes";
constexpr llvm::StringLiteral kStateBytesAttr = "plan.state_bytes";

/// On a step: the queue it runs in, an i64; 0 without it.
constexpr llvm::StringLiteral kQueueAttr = "plan.queue";
/// On a step: the signal it gives when it has ended, an i64; none without it.
constexpr llvm::StringLiteral kSignalAttr = "plan.signal";
/// On a step: the signals of other queues that it starts after, an array of i64.
constexpr llvm::StringLiteral kWaitsAttr = "plan.waits";

/// On a launch: tensor cores do its products, a unit attribute.
constexpr llvm::StringLiteral kTensorCoresAttr = "plan.tensor_cores";

/// On a function that is the body of a loop: not a program.
constexpr llvm::StringLiteral kLoopBodyAttr = "plan.loop_body";
/// In a planned body of a loop, on an argument, and on an op for all of its results: how many
/// bytes each lies behind its place in the iteration before.
constexpr llvm::StringLiteral kStrideAttr = "plan.stride";
constexpr llvm::StringLiteral kStridesAttr = "plan.strides";

/// Whether a reserve of this type is sized by the library when a session is created.
bool isSizedAtLoad(Type reserve);

namespace detail {
/// That operands and results have roles and types that LibraryCallOpInterface allows.
LogicalResult verifyLibraryCall(Operation *op);
} // namespace detail
} // namespace ampc::plan

#include "ampc/Dialect/Plan/PlanEnums.h.inc"

#include "ampc/Dialect/Plan/PlanDialect.h.inc"
#include "ampc/Dialect/Plan/PlanInterfaces.h.inc"
#define GET_OP_CLASSES
#include "ampc/Dialect/Plan/PlanOps.h.inc"

#endif // AMPC_DIALECT_PLAN_PLAN_H
