//===- Indices.h - Indices along an axis ------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_INDICES_H
#define AMPC_LIB_DIALECT_AMP_OPS_INDICES_H

#include "Common.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Values.h"
#include "mlir/IR/Matchers.h"

namespace ampc {

/// Fails with the node's error where an index that is known at compile time is none of
/// dimension `axis` of `type`. Negative ones count `fromEnd`, or are none.
inline LogicalResult checkKnownIndices(OnnxNode &node, DenseElementsAttr known,
                                       RankedTensorType type, int64_t axis, bool fromEnd = true) {
  int64_t extent = type.getDimSize(axis), least = fromEnd ? -extent : 0;
  for (const APInt &index : known.getValues<APInt>())
    if (index.getSExtValue() < least || index.getSExtValue() >= extent)
      return node.emitError() << "index " << index.getSExtValue() << " is out of range for axis "
                              << axis << " of " << type;
  return success();
}

/// The batch check of `indices` along an axis: AMPC_FLAG_INDEX_OUT_OF_RANGE where one is not in
/// [-extent, extent), or, where none counts `fromEnd`, in [0, extent).
inline Value buildIndexCheck(OpBuilder &builder, Location loc, Value indices, int64_t extent,
                             bool fromEnd = true) {
  auto f32 = RankedTensorType::get({}, builder.getF32Type());
  Value good = splat(builder, loc, f32, 0);
  RankedTensorType type = tensorType(indices);
  if (matchPattern(indices, m_Constant()) || type.getNumElements() == 0)
    return good; // checked at import
  auto scalar = RankedTensorType::get({}, type.getElementType());
  auto number = [&](int64_t value) -> Value {
    APInt element(type.getElementTypeBitWidth(), uint64_t(value), /*isSigned=*/true);
    return buildConstant(builder, loc, DenseElementsAttr::get(scalar, element));
  };
  Value least = number(fromEnd ? -extent : 0);
  Value isBad = OrOp::create(builder, loc, LessOp::create(builder, loc, indices, least),
                             GreaterOrEqualOp::create(builder, loc, indices, number(extent)));
  Value flags = WhereOp::create(builder, loc, isBad,
                                splat(builder, loc, f32, AMPC_FLAG_INDEX_OUT_OF_RANGE), good);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  return ReduceMaxOp::create(builder, loc, flags, axes);
}

/// i1: whether an index is in [-extent, extent).
inline Value isInRange(ScalarBuilder &s, Value index, int64_t extent) {
  return s.logicalAnd(s.greaterOrEqual(index, s.constant(index.getType(), -extent)),
                      s.less(index, s.constant(index.getType(), extent)));
}

/// An index that counts from the end where it is negative, as one that counts from the start.
inline Value wrapIndex(ScalarBuilder &s, Value index, int64_t extent) {
  Value isFromEnd = s.less(index, s.constant(index.getType(), int64_t(0)));
  return s.select(isFromEnd, s.add(index, s.constant(index.getType(), extent)), index);
}

/// The element in [0, extent) that an index stands for; the nearest one where it is out of
/// range.
inline Value elementAt(ScalarBuilder &s, Value index, int64_t extent) {
  auto number = [&](int64_t n) { return s.constant(index.getType(), n); };
  return s.minimum(s.maximum(wrapIndex(s, index, extent), number(0)), number(extent - 1));
}

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_INDICES_H
