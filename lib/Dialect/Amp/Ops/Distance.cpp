//===- Distance.cpp - Distances of rows -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Distance.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

FailureOr<SmallVector<Value>> CDistOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)) || failed(checkFloats(node)))
    return failure();
  std::string text = node.getString("metric", "sqeuclidean");
  std::optional<DistanceMetric> metric = symbolizeDistanceMetric(text);
  if (!metric)
    return node.emitError() << "attribute 'metric' is '" << text
                            << "', but should be 'sqeuclidean' or 'euclidean'";
  auto attribute = DistanceMetricAttr::get(builder.getContext(), *metric);
  return single(importOp<CDistOp>(node, builder, {node.input(0), node.input(1)},
                                  builder.getNamedAttr("metric", attribute)));
}

LogicalResult CDistOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType lhs = tensorType(adaptor.getLhs()), rhs = tensorType(adaptor.getRhs());
  if (lhs.getElementType() != rhs.getElementType()) // cdist_c1
    return inferenceError(location, "element types differ: ", lhs, " and ", rhs);
  if (lhs.getRank() != 2 || rhs.getRank() != 2 ||
      lhs.getDimSize(1) != rhs.getDimSize(1)) // cdist_c2
    return inferenceError(location, "operands must be matrices with as many columns, but are ", lhs,
                          " and ", rhs);
  types.push_back(lhs.clone({lhs.getDimSize(0), rhs.getDimSize(0)}));
  return success();
}

/// `sum over j of weights[i, j] * (x[i] - y[j])`, in `type`.
static Value sumDifferences(GradientBuilder &gradient, Value x, Value y, Value weights, Type type) {
  OpBuilder &b = gradient.builder;
  Location loc = gradient.loc;
  int64_t rows = tensorType(x).getDimSize(0), others = tensorType(y).getDimSize(0);
  int64_t inner = tensorType(x).getDimSize(1);
  Value difference = gradient.create<SubOp>(reshapeTo(b, loc, x, {rows, 1, inner}),
                                            reshapeTo(b, loc, y, {1, others, inner}));
  Value terms = gradient.create<MulOp>(reshapeTo(b, loc, weights, {rows, others, 1}), difference);
  return reshapeTo(b, loc, gradient.sumTo(terms, {rows, 1, inner}, type), {rows, inner});
}

// With f = 2 * g, or where y is a distance itself f = y == 0 ? 0 : g / y:
//   da[i] = sum over j of f[i, j] * (a[i] - b[j]), db[j] = sum over i of f[i, j] * (b[j] - a[i])
// The two share no differences: these would be written to memory, as many as there are distances
// and columns together, where each kernel has its own in registers.
void CDistOp::buildGradient(GradientBuilder &gradient) {
  Value lhs = widen(gradient, getLhs()), rhs = widen(gradient, getRhs());
  Value g = widen(gradient, gradient.resultGradient());
  Value factor;
  if (getMetric() == DistanceMetric::SquaredEuclidean) {
    factor = gradient.create<AddOp>(g, g);
  } else {
    Value y = widen(gradient, getResult()), zero = gradient.splatLike(y, 0);
    factor = gradient.create<WhereOp>(gradient.create<EqualOp>(y, zero), zero,
                                      gradient.create<DivOp>(g, y));
  }
  if (gradient.needs(0))
    gradient.set(0, sumDifferences(gradient, lhs, rhs, factor, gradient.gradientElementType(0)));
  if (gradient.needs(1)) {
    Value turned = buildPermutation(gradient.builder, gradient.loc, factor, {1, 0});
    gradient.set(1, sumDifferences(gradient, rhs, lhs, turned, gradient.gradientElementType(1)));
  }
}

SmallVector<Value> CDistOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  RankedTensorType type = getType();
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  int64_t inner = getLhs().getType().getDimSize(1);
  Type computed = KernelBuilder::computeType(type.getElementType());
  Value lhs = kernel.reshape(operands[0], {rows, 1, inner});
  Value rhs = kernel.reshape(operands[1], {1, columns, inner});
  Value squares =
      kernel.pointwise({lhs, rhs}, RankedTensorType::get({rows, columns, inner}, computed),
                       [](ScalarBuilder &s, ValueRange x) {
                         Value difference = s.sub(x[0], x[1]);
                         return s.mul(difference, difference);
                       });
  Value sums = kernel.reduce(squares, 2, Reduction::Sum, computed);
  bool isRoot = getMetric() == DistanceMetric::Euclidean;
  return {kernel.pointwise(
      sums, type, [&](ScalarBuilder &s, ValueRange x) { return isRoot ? s.sqrt(x[0]) : x[0]; })};
}
