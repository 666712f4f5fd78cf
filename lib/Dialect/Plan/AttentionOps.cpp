//===- AttentionOps.cpp - plan.attention and its gradient ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/AttentionPlaces.h"
#include "ampc/Dialect/Plan/Plan.h"

namespace ampc::plan {

static RankedTensorType typeOf(Value x) { return cast<RankedTensorType>(x.getType()); }

/// Fails where an element that `op` reads or writes by its places lies outside of a tensor.
template <typename OpTy>
static LogicalResult verifyPlaces(OpTy op, Value output) {
  ArrayRef<int64_t> list = op.getExtents(), places = op.getPlaces();
  if (list.size() != 6 || places.size() != 16 ||
      (op.getInputs().size() != 1 && op.getInputs().size() != 3))
    return op.emitOpError("has ") << list.size() << " extents, " << places.size() << " places and "
                                  << op.getInputs().size() << " inputs";
  AttentionExtents e = AttentionExtents::from(list);
  if (llvm::any_of(list, [](int64_t n) { return n < 1; }) || e.heads % e.keyHeads != 0)
    return op.emitOpError("has the extents ") << list;
  for (unsigned i = 0; i < 4; ++i) {
    bool isKey = i == 1 || i == 2;
    AttentionPlace place = AttentionPlace::from(places, i);
    RankedTensorType type =
        typeOf(i == 3 ? output : op.getInputs()[op.getInputs().size() == 1 ? 0 : i]);
    int64_t last = place.offset + (e.batch - 1) * place.batch +
                   ((isKey ? e.keyHeads : e.heads) - 1) * place.head +
                   ((isKey ? e.columns : e.rows) - 1) * place.row + e.size - 1;
    if (place.offset < 0 || place.batch < 0 || place.head < 0 || place.row < 0 ||
        last >= type.getNumElements())
      return op.emitOpError("reaches element ") << last << " of " << type;
    if (type.getElementType() != typeOf(output).getElementType())
      return op.emitOpError("has tensors of several types: ")
             << type << " and " << output.getType();
  }
  bool hasSeed = bool(op.getSeed());
  if (bool(op.getAttempt()) != hasSeed || bool(op.getRatio()) != hasSeed ||
      bool(op.getStream()) != hasSeed)
    return op.emitOpError("has some of seed, attempt, ratio and stream, not all");
  for (Value x : {op.getSeed(), op.getAttempt()})
    if (x && (typeOf(x).getRank() != 0 || !typeOf(x).getElementType().isInteger(64)))
      return op.emitOpError("has a seed or attempt ") << x.getType();
  SmallVector<int64_t> all{e.batch, e.heads, e.rows, e.columns};
  for (Value x : {op.getMask(), op.getCondition()}) {
    if (!x)
      continue;
    ArrayRef<int64_t> shape = typeOf(x).getShape();
    bool fits = shape.size() == 4;
    for (unsigned d = 0; fits && d < 4; ++d)
      fits = shape[d] == 1 || shape[d] == all[d];
    if (!fits)
      return op.emitOpError("has ") << x.getType() << " for scores of " << all;
  }
  return success();
}

/// Fails where a tensor of `rows` has not one element for each row.
static LogicalResult verifyRows(Operation *op, ValueRange rows, ArrayRef<int64_t> list) {
  AttentionExtents e = AttentionExtents::from(list);
  for (Value x : rows)
    if (typeOf(x).getNumElements() != e.batch * e.heads * e.rows ||
        !typeOf(x).getElementType().isF32())
      return op->emitOpError("has ") << x.getType() << " for the rows";
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyPlaces(*this, getOutput())))
    return failure();
  return verifyRows(*this, {getMaximum(), getSum()}, getExtents());
}

LogicalResult AttentionGradOp::verify() {
  if (failed(verifyPlaces(*this, getGradient())))
    return failure();
  if (TypeRange(getGradients()) != TypeRange(getInputs()))
    return emitOpError("has gradients of other types than the inputs");
  return verifyRows(*this, {getMaximum(), getSum(), getDelta()}, getExtents());
}

std::optional<uint32_t> AttentionOp::getStepKind() { return std::nullopt; }
std::optional<uint32_t> AttentionGradOp::getStepKind() { return std::nullopt; }

/// Operations of one of the products.
static int64_t flopsOfProduct(ArrayRef<int64_t> list) {
  AttentionExtents e = AttentionExtents::from(list);
  return 2 * e.batch * e.heads * e.rows * e.columns * e.size;
}

int64_t AttentionOp::getFlops() { return 2 * flopsOfProduct(getExtents()); }
int64_t AttentionGradOp::getFlops() { return 5 * flopsOfProduct(getExtents()); }

} // namespace ampc::plan
