//===- Sequences.h - Lists of tensors at import ----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_SEQUENCES_H
#define AMPC_LIB_DIALECT_AMP_OPS_SEQUENCES_H

#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Sequence.h"

namespace ampc {

inline bool isSequence(Value x) { return isa<TupleType>(x.getType()); }

/// Failure after an error where operand `i`, which is there, is a sequence.
LogicalResult expectTensor(OnnxNode &node, unsigned i);
/// The tensors of operand `i`, which is there; failure after an error where it is no sequence.
FailureOr<SmallVector<Value>> expectSequence(OnnxNode &node, unsigned i);

/// A sequence of tensors, whose element types must agree.
FailureOr<Value> importList(OnnxNode &node, OpBuilder &builder, ArrayRef<Value> elements);

/// Tensors of one type side by side along a new dimension `axis`; there is at least one.
FailureOr<Value> importStack(OnnxNode &node, OpBuilder &builder, ArrayRef<Value> parts,
                             int64_t axis);
/// Parts of `x` along `axis`, whose sizes make up its extent.
FailureOr<SmallVector<Value>> importParts(OnnxNode &node, OpBuilder &builder, Value x, int64_t axis,
                                          ArrayRef<int64_t> sizes);
/// Parts of one element each, without that dimension.
FailureOr<SmallVector<Value>> importRows(OnnxNode &node, OpBuilder &builder, Value x, int64_t axis);

/// The iterations of a node, written out.
FailureOr<SmallVector<Value>> importLoop(OnnxNode &node, OpBuilder &builder);
FailureOr<SmallVector<Value>> importScan(OnnxNode &node, OpBuilder &builder);
FailureOr<SmallVector<Value>> importSequenceMap(OnnxNode &node, OpBuilder &builder);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_SEQUENCES_H
