//===- Softmax.cpp - Softmax and its logarithm ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas of gradients: y is the result, g its gradient; sums are along
// the axis.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "RowSoftmax.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// What both share
//===----------------------------------------------------------------------===//

/// Before opset 13 all dimensions from `axis` on are one.
static FailureOr<SmallVector<Value>> importAlong(OnnxNode &node, OpBuilder &builder, StringRef name,
                                                 Value input) {
  bool isFlat = node.version < 13;
  RankedTensorType type = tensorType(input);
  if (type.getRank() == 0) // the softmax of one number
    input = reshapeTo(builder, node.loc, input, {1});
  RankedTensorType ranked = tensorType(input);
  FailureOr<int64_t> axis = normalizeAxis(
      node, node.getInt("axis", isFlat && ranked.getRank() > 1 ? 1 : -1), ranked.getRank());
  if (failed(axis))
    return failure();
  isFlat = isFlat && *axis + 1 < ranked.getRank();
  if (isFlat) {
    int64_t columns = llvm::product_of(ranked.getShape().drop_front(*axis), int64_t(1));
    int64_t rows = llvm::product_of(ranked.getShape().take_front(*axis), int64_t(1));
    input = reshapeTo(builder, node.loc, input, {rows, columns});
    axis = 1;
  }
  FailureOr<Value> result = importOp(
      node, builder, name, input, builder.getNamedAttr("axis", builder.getI64IntegerAttr(*axis)));
  if (failed(result))
    return failure();
  return SmallVector<Value>{reshapeTo(builder, node.loc, *result, type.getShape())};
}

static FailureOr<SmallVector<Value>> importSoftmax(OnnxNode &node, OpBuilder &builder,
                                                   StringRef name) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  return importAlong(node, builder, name, node.input(0));
}

static LogicalResult verifyAxis(Operation *op, RankedTensorType type, int64_t axis) {
  if (axis < 0 || axis >= type.getRank())
    return op->emitOpError("axis ") << axis << " is out of range for " << type;
  return success();
}

/// `fn` of each element, the maximum and the sum of exponentials of its row.
static Value emitSoftmax(KernelBuilder &kernel, Value input, int64_t axis,
                         KernelBuilder::ScalarFn fn) {
  RankedTensorType type = tensorType(input);
  if (type.getNumElements() == 0)
    return input;
  SmallVector<int64_t> permutation = moveToBack(type.getRank(), axis);
  Value rows = kernel.transpose(input, permutation);
  RowSoftmax softmax(kernel, rows);
  Value result = kernel.pointwise({rows, softmax.maximum, softmax.sum}, tensorType(rows), fn);
  SmallVector<int64_t> inverse(permutation.size());
  for (auto [i, from] : llvm::enumerate(permutation))
    inverse[from] = i;
  return kernel.transpose(result, inverse);
}

//===----------------------------------------------------------------------===//
// softmax
//===----------------------------------------------------------------------===//

/// BiasSoftmax is ONNX Runtime's softmax of a sum; how it broadcasts follows from the shapes.
FailureOr<SmallVector<Value>> SoftmaxOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType != "BiasSoftmax")
    return importSoftmax(node, builder, getOperationName());
  node.knowAttributes({"is_inner_broadcast"});
  if (failed(node.expectInputs(2, 2)))
    return failure();
  FailureOr<Value> sum = importOp<AddOp>(node, builder, {node.input(0), node.input(1)});
  if (failed(sum))
    return failure();
  if (sum->getType() != node.input(0).getType())
    return node.emitError() << "the bias " << node.input(1).getType()
                            << " does not broadcast to the input " << node.input(0).getType();
  return importAlong(node, builder, getOperationName(), *sum);
}

LogicalResult SoftmaxOp::verify() { return verifyAxis(*this, getType(), getAxis()); }

// dx = (g - sum(g * y)) * y
void SoftmaxOp::buildGradient(GradientBuilder &gradient) {
  Value y = widen(gradient, getResult());
  Value g = widen(gradient, gradient.resultGradient());
  Value mean =
      gradient.create<ReduceSumOp>(gradient.create<MulOp>(g, y), ArrayRef<int64_t>(getAxis()),
                                   /*keepdims=*/true);
  gradient.set(0, gradient.create<MulOp>(gradient.create<SubOp>(g, mean), y));
}

SmallVector<Value> SoftmaxOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {emitSoftmax(kernel, operands[0], getAxis(), [](ScalarBuilder &s, ValueRange x) {
    return s.div(s.exp(s.sub(x[0], x[1])), x[2]);
  })};
}

//===----------------------------------------------------------------------===//
// log_softmax
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> LogSoftmaxOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importSoftmax(node, builder, getOperationName());
}

LogicalResult LogSoftmaxOp::verify() { return verifyAxis(*this, getType(), getAxis()); }

// dx = g - exp(y) * sum(g)
void LogSoftmaxOp::buildGradient(GradientBuilder &gradient) {
  Value y = widen(gradient, getResult());
  Value g = widen(gradient, gradient.resultGradient());
  Value sum = gradient.create<ReduceSumOp>(g, ArrayRef<int64_t>(getAxis()),
                                           /*keepdims=*/true);
  Value share = gradient.create<MulOp>(gradient.create<ExpOp>(y), sum);
  gradient.set(0, gradient.create<SubOp>(g, share));
}

SmallVector<Value> LogSoftmaxOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {emitSoftmax(kernel, operands[0], getAxis(), [](ScalarBuilder &s, ValueRange x) {
    return s.sub(s.sub(x[0], x[1]), s.log(x[2]));
  })};
}

//===----------------------------------------------------------------------===//
// hardmax
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> HardmaxOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importSoftmax(node, builder, getOperationName());
}

LogicalResult HardmaxOp::verify() { return verifyAxis(*this, getType(), getAxis()); }

SmallVector<Value> HardmaxOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  int64_t axis = getAxis();
  Type i64 = kernel.builder.getI64Type();
  SmallVector<int64_t> kept = keepAxes(type.getShape(), {axis});
  auto reduce = [&](Value x, Reduction kind, Type element) {
    return kernel.reshape(kernel.reduce(x, {axis}, kind, element), kept);
  };
  Value maximum = reduce(operands[0], Reduction::Max, type.getElementType());
  // The place of the maximum, and one behind the line where there is none.
  Value places = kernel.pointwise(
      {operands[0], maximum}, type.clone(i64), [&](ScalarBuilder &s, ValueRange x) {
        Value isMaximum = s.logicalOr(s.equal(x[0], x[1]), s.isNaN(x[0]));
        return s.select(isMaximum, s.convert(kernel.index(s, axis), i64),
                        s.constant(i64, type.getDimSize(axis)));
      });
  Value first = reduce(places, Reduction::Min, i64);
  return {kernel.pointwise({first}, type, [&](ScalarBuilder &s, ValueRange x) {
    Value isFirst = s.equal(s.convert(kernel.index(s, axis), i64), x[0]);
    Type element = KernelBuilder::computeType(type.getElementType());
    return s.select(isFirst, s.constant(element, 1.0), s.constant(element, 0.0));
  })};
}
