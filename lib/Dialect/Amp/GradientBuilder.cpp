//===- GradientBuilder.cpp - What an op writes its gradient with ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/GradientBuilder.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"

using namespace mlir;
using namespace ampc;

Value GradientBuilder::cast(Value x, Type type) { return castTo(builder, loc, x, type); }

Value GradientBuilder::splatLike(Value like, double value) {
  return splat(builder, loc, mlir::cast<RankedTensorType>(like.getType()), value);
}

Value GradientBuilder::sumTo(Value x, ArrayRef<int64_t> shape, Type type) {
  auto from = mlir::cast<RankedTensorType>(x.getType());
  if (from.getShape() == shape)
    return cast(x, type);
  SmallVector<int64_t> axes;
  int64_t added = from.getRank() - int64_t(shape.size());
  for (int64_t d = 0; d < from.getRank(); ++d)
    if (d < added || (shape[d - added] == 1 && from.getDimSize(d) != 1))
      axes.push_back(d);
  if (!axes.empty()) {
    // Sums leave in the accumulator's type where that is what is wanted: rounding them
    // first would lose what the f32 sum of a parameter's gradients is for.
    bool wide = type.isF32() && from.getElementType().getIntOrFloatBitWidth() < 32;
    x = ReduceSumOp::create(builder, loc, x, axes, /*keepdims=*/false, wide);
  }
  if (mlir::cast<RankedTensorType>(x.getType()).getShape() != shape)
    x = ReshapeOp::create(
        builder, loc,
        RankedTensorType::get(shape, mlir::cast<RankedTensorType>(x.getType()).getElementType()),
        x);
  return cast(x, type);
}

void GradientBuilder::set(unsigned i, Value gradient) {
  if (!needs(i))
    return;
  auto operand = mlir::cast<RankedTensorType>(op->getOperand(i).getType());
  operandGradients[i] = sumTo(gradient, operand.getShape(), gradientElementType(i));
}
