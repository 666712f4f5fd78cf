//===- Normalization.cpp - Normalization by statistics --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In formulas: x is the input, m the mean of its row and r the row's inverse standard
// deviation, x' = (x - m) * r, n the number of elements in a row; g is the gradient of y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Normalization.h"
#include "NormRows.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static LogicalResult checkAxis(std::optional<Location> loc, RankedTensorType type, int64_t axis) {
  if (axis >= 0 && axis < type.getRank()) // layer_norm_c1
    return success();
  return inferenceError(loc, "axis ", axis, " is out of range for ", type);
}

/// `what` is the operand's name.
static LogicalResult checkParameter(std::optional<Location> loc, StringRef what, Value parameter,
                                    RankedTensorType type, int64_t axis) {
  RankedTensorType given = tensorType(parameter);
  std::optional<SmallVector<int64_t>> shape = broadcastShapes({type.getShape(), given.getShape()});
  if (!shape || ArrayRef(*shape) != type.getShape()) // layer_norm_c2
    return inferenceError(loc, what, " ", given, " does not broadcast to the input ", type,
                          "; for the dimensions from axis ", axis, " on it should be ",
                          given.clone(type.getShape().drop_front(axis)));
  Type element = given.getElementType();
  if (element != type.getElementType() &&
      element != KernelBuilder::computeType(type.getElementType()))
    return inferenceError(loc, "element types differ: ", type, " and ", what, " ",
                          given); // layer_norm_c3
  return success();
}

LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(location, type, axis)) ||
      failed(checkParameter(location, "scale", adaptor.getScale(), type, axis)))
    return failure();
  if (Value bias = adaptor.getBias())
    if (failed(checkParameter(location, "bias", bias, type, axis)))
      return failure();
  RankedTensorType statistics = statisticType(type, axis);
  types.append({type, statistics, statistics});
  return success();
}

LogicalResult LayerNormGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(location, type, axis)) ||
      failed(checkParameter(location, "scale", adaptor.getScale(), type, axis)))
    return failure();
  if (adaptor.getGradient().getType() != type)
    return inferenceError(location, "the gradient must be ", type, ", but is ",
                          adaptor.getGradient().getType());
  RankedTensorType statistics = statisticType(type, axis);
  for (Value x : {adaptor.getMean(), adaptor.getInvStdDev(), adaptor.getMeanGradient(),
                  adaptor.getInvStdDevGradient()})
    if (x && x.getType() != statistics)
      return inferenceError(location, "statistics of ", type, " from axis ", axis,
                            " on and their gradients are ", statistics, ", but one is ",
                            x.getType());
  types.push_back(adaptor.getWide() ? type.clone(statistics.getElementType()) : type);
  return success();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// The rows of a tensor of type `type`, and their statistics with the dimensions of a row
/// as 1. All is in the type that kernels compute in.
struct RowStatistics {
  KernelBuilder &kernel;
  RankedTensorType type, statistics;
  SmallVector<int64_t> axes;
  double count;

  RowStatistics(KernelBuilder &kernel, RankedTensorType type, int64_t axis)
      : kernel(kernel), type(type), statistics(statisticType(type, axis)),
        axes(rowAxes(type, axis)), count(countRow(type, axis)) {}

  Value each(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    return kernel.pointwise(inputs, type.clone(statistics.getElementType()), fn);
  }
  Value ofRow(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    return kernel.pointwise(inputs, statistics, fn);
  }
  Value sum(Value x) {
    return kernel.reshape(kernel.reduce(x, axes, Reduction::Sum, statistics.getElementType()),
                          statistics.getShape());
  }
};
} // namespace

SmallVector<Value> LayerNormOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RowStatistics rows(kernel, getInput().getType(), getAxis());
  Value x = operands[0];
  Value mean = rows.ofRow(rows.sum(x), [&](ScalarBuilder &s, ValueRange sum) {
    return s.div(sum[0], s.constantLike(sum[0], rows.count));
  });
  Value squares = rows.each({x, mean}, [](ScalarBuilder &s, ValueRange in) {
    Value distance = s.sub(in[0], in[1]);
    return s.mul(distance, distance);
  });
  double epsilon = getEpsilon().convertToDouble();
  Value inverse = rows.ofRow(rows.sum(squares), [&](ScalarBuilder &s, ValueRange sum) {
    Value variance = s.div(sum[0], s.constantLike(sum[0], rows.count));
    Value shifted = s.add(variance, s.constantLike(variance, epsilon));
    return s.div(s.constantLike(shifted, 1), s.sqrt(shifted));
  });
  SmallVector<Value> inputs{x, mean, inverse};
  llvm::append_range(inputs, operands.drop_front()); // scale, bias
  Value y = kernel.pointwise(inputs, getY().getType(), [](ScalarBuilder &s, ValueRange in) {
    Value scaled = s.mul(s.mul(s.sub(in[0], in[1]), in[2]), in[3]);
    return in.size() > 4 ? s.add(scaled, in[4]) : scaled;
  });
  return {y, mean, inverse};
}

SmallVector<Value> LayerNormGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RowStatistics rows(kernel, getInput().getType(), getAxis());
  Value mean = operands[3], inverse = operands[4];
  bool hasMean = bool(getMeanGradient());
  bool hasInverse = bool(getInvStdDevGradient());
  Value g = rows.each({operands[0], operands[2]},
                      [](ScalarBuilder &s, ValueRange in) { return s.mul(in[0], in[1]); });
  Value normalized = rows.each({operands[1], mean, inverse}, [](ScalarBuilder &s, ValueRange in) {
    return s.mul(s.sub(in[0], in[1]), in[2]);
  });
  Value products = rows.each({g, normalized},
                             [](ScalarBuilder &s, ValueRange in) { return s.mul(in[0], in[1]); });
  // The statistics of rows are combined where elements are computed: ops of their own would stand
  // between the sums and dx when kernels are formed, and dx would join another kernel.
  SmallVector<Value> inputs{g, normalized, inverse, rows.sum(g), rows.sum(products)};
  llvm::append_range(inputs, operands.drop_front(5));
  return {kernel.pointwise(inputs, getType(), [&](ScalarBuilder &s, ValueRange in) {
    Value r = in[2], slope = in[4], share = s.constantLike(r, 1 / rows.count);
    if (hasInverse)
      slope = s.add(slope, s.mul(r, in.back()));
    Value common = s.mul(s.add(in[3], s.mul(in[1], slope)), share);
    Value result = s.mul(r, s.sub(in[0], common));
    return hasMean ? s.add(result, s.mul(in[5], share)) : result;
  })};
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

// dx as amp.layer_norm_grad says; d scale = g * x', d bias = g, each summed over the rows
// that share it, in f32.
void LayerNormOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(0);
  if (gradient.needs(0)) {
    Type type = tensorType(getInput()).getElementType();
    gradient.set(0, gradient.create<LayerNormGradOp>(
                        g ? g : gradient.splatLike(getY(), 0), getInput(), getScale(), getMean(),
                        getInvStdDev(), gradient.resultGradient(1), gradient.resultGradient(2),
                        getAxis(),
                        /*wide=*/gradient.gradientElementType(0) != type));
  }
  if (!g) // only the statistics are used
    return;
  if (gradient.needs(1)) {
    Value distance = gradient.create<SubOp>(widen(gradient, getInput()), getMean());
    Value normalized = gradient.create<MulOp>(distance, getInvStdDev());
    gradient.set(1, gradient.create<MulOp>(widen(gradient, g), normalized));
  }
  if (getBias())
    gradient.set(2, g);
}
