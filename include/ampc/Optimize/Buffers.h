//===- Buffers.h - Which bytes a value stands for -------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_OPTIMIZE_BUFFERS_H
#define AMPC_OPTIMIZE_BUFFERS_H

#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Plan/Views.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {

/// Bytes of a tensor, stored densely, a boolean in one; nullopt where 64 bits are too few.
std::optional<uint64_t> getByteSize(Type tensorType);

/// Bytes of a tensor as the arena pads them; nullopt where sums with it could overflow.
std::optional<uint64_t> getPaddedSize(Type tensorType);

/// The variables that any function of the module reads or assigns, in the module's order.
SmallVector<VariableOp> getUsedVariables(ModuleOp module);

/// The value in whose buffer `value` lies, through views, of parts too, and results tied to
/// operands; else itself.
Value getBufferOwner(Value value);

/// At which byte of that buffer it lies.
uint64_t getOffsetInOwner(Value value);

/// At which byte of the variable an assigned value begins.
uint64_t getByteOffset(AssignOp assign);

/// The variable that `value`, or what it is a view of, is the old content of; null where
/// it is none.
FlatSymbolRefAttr getReadVariable(Value value);

/// Names of the ONNX nodes in a location, each once, joined by ", ".
std::string joinNodeNames(Location loc);

/// What a user calls a value: the name of a variable or input, else of the nodes that
/// compute it.
std::string getDisplayName(Value value);

} // namespace ampc

#endif // AMPC_OPTIMIZE_BUFFERS_H
