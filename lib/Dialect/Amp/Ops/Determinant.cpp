//===- Determinant.cpp - Determinants of matrices -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Determinant.h"
#include "Places.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

constexpr int64_t kMostRows = 64;

FailureOr<SmallVector<Value>> DetOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)) || failed(checkFloats(node)))
    return failure();
  return single(importOp<DetOp>(node, builder, node.input(0)));
}

LogicalResult DetOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  ArrayRef<int64_t> shape = type.getShape();
  if (shape.size() < 2 || shape.back() != shape[shape.size() - 2] ||
      shape.back() > kMostRows) // det_c1
    return inferenceError(location, type, " are no square matrices of at most ", kMostRows,
                          " rows");
  types.push_back(type.clone(shape.drop_back(2)));
  return success();
}

// dx = g * cofactors
void DetOp::buildGradient(GradientBuilder &gradient) {
  OpBuilder &b = gradient.builder;
  Location loc = gradient.loc;
  Value x = widen(gradient, getInput()), g = widen(gradient, gradient.resultGradient());
  RankedTensorType type = tensorType(x);
  int64_t rank = type.getRank(), rows = type.getShape().back();
  SmallVector<int64_t> batch(type.getShape().drop_back(2)), apart(batch), whole(batch);
  apart.append({1, 1, rows, rows});
  whole.append({rows, rows, rows, rows});
  Value copies = BroadcastOp::create(b, loc, reshapeTo(b, loc, x, apart), whole);
  // Of the copy for an element, its row and column.
  auto along = [&](int64_t axis) { return indexAlong(b, loc, rank + 2, rank + axis, rows); };
  Value isRow = EqualOp::create(b, loc, along(-2), along(0));
  Value isColumn = EqualOp::create(b, loc, along(-1), along(1));
  auto number = [&](double n) {
    return splat(b, loc, RankedTensorType::get({}, type.getElementType()), n);
  };
  Value row = WhereOp::create(b, loc, isColumn, number(1), number(0));
  Value cofactors = DetOp::create(b, loc, WhereOp::create(b, loc, isRow, row, copies));
  batch.append({1, 1});
  gradient.set(0, gradient.create<MulOp>(cofactors, reshapeTo(b, loc, g, batch)));
}

SmallVector<Value> DetOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType(), input = getInput().getType();
  int64_t rows = input.getShape().back(), count = type.getNumElements();
  if (count == 0 || rows == 0)
    return {kernel.splat(type, 1)};
  Type computed = KernelBuilder::computeType(type.getElementType());
  auto list = RankedTensorType::get(count, computed);
  auto matrices = RankedTensorType::get({count, rows, rows}, computed);
  Value x = kernel.reshape(operands[0], matrices.getShape());
  x = kernel.pointwise(x, matrices, [](ScalarBuilder &, ValueRange x) { return x[0]; });
  Value numbers = kernel.generate(RankedTensorType::get(rows, kernel.builder.getI64Type()),
                                  [](ScalarBuilder &, ValueRange at) { return at[0]; });
  // Column after column: the row of its pivot is exchanged for the first one, which is taken off
  // those below.
  KernelBuilder::Looped looped = kernel.loop(
      rows, {x, kernel.splat(list, 1)}, {{numbers}}, {}, {}, false,
      [&](KernelBuilder &k, ValueRange carried, ValueRange slices, ValueRange) {
        Value old = carried[0];
        auto column = [&](ScalarBuilder &s) {
          return s.convert(k.load(s, slices[0], {}), s.builder.getIndexType());
        };
        Value pivots =
            k.generate(list.clone(k.builder.getI64Type()), [&](ScalarBuilder &s, ValueRange at) {
              Value c = column(s), first = s.abs(k.load(s, old, {at[0], c, c}));
              Value end = s.constant(s.builder.getIndexType(), rows);
              SmallVector<Value> best = s.fold(
                  c, end, {first, c},
                  [&](ScalarBuilder &s, Value row, ValueRange best) -> SmallVector<Value> {
                    Value size = s.abs(k.load(s, old, {at[0], row, c}));
                    Value isLarger = s.greater(size, best[0]);
                    return {s.select(isLarger, size, best[0]), s.select(isLarger, row, best[1])};
                  });
              return best[1];
            });
        auto pivotOf = [&](ScalarBuilder &s, Value matrix) {
          return s.convert(k.load(s, pivots, matrix), s.builder.getIndexType());
        };
        Value next = k.generate(matrices, [&](ScalarBuilder &s, ValueRange at) {
          Value c = column(s), pivot = pivotOf(s, at[0]);
          Value from =
              s.select(s.equal(at[1], c), pivot, s.select(s.equal(at[1], pivot), c, at[1]));
          Value own = k.load(s, old, {at[0], from, at[2]});
          Value divisor = k.load(s, old, {at[0], pivot, c}), zero = s.constantLike(divisor, 0);
          Value isZero = s.equal(divisor, zero),
                safe = s.select(isZero, s.constantLike(zero, 1), divisor);
          Value factor = s.div(k.load(s, old, {at[0], from, c}), safe);
          Value taken = s.sub(own, s.mul(factor, k.load(s, old, {at[0], pivot, at[2]})));
          return s.select(s.greater(at[1], c), taken, own);
        });
        Value product = k.generate(list, [&](ScalarBuilder &s, ValueRange at) {
          Value c = column(s), pivot = pivotOf(s, at[0]);
          Value diagonal = k.load(s, old, {at[0], pivot, c});
          Value turned = s.select(s.equal(pivot, c), diagonal, s.neg(diagonal));
          return s.mul(k.load(s, carried[1], at), turned);
        });
        return SmallVector<Value>{next, product};
      });
  Value result = kernel.pointwise(looped.carried[1], list.clone(type.getElementType()),
                                  [](ScalarBuilder &, ValueRange x) { return x[0]; });
  return {kernel.reshape(result, type.getShape())};
}
