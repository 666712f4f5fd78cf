//===- Comparison.cpp - Comparisons, logic and selection ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "Estimators.h"
#include "Places.h"
#include "ampc/Dialect/Amp/Values.h"
#include <limits>

using namespace mlir;
using namespace ampc;

/// inferReturnTypes of an op on two tensors whose result is boolean.
static LogicalResult inferCompare(std::optional<Location> loc, Value lhs, Value rhs,
                                  SmallVectorImpl<Type> &types) {
  FailureOr<RankedTensorType> type = inferPointwise(loc, {lhs, rhs});
  if (failed(type))
    return failure();
  types.push_back(type->clone(IntegerType::get(type->getContext(), 1)));
  return success();
}

/// The same on constants.
template <typename Compare>
static Attribute foldCompare(ArrayRef<Attribute> operands, Type result, Compare compare) {
  if (Attribute ofIntegers = foldIntegers(
          operands, result, [&](ArrayRef<int64_t> x) { return int64_t(compare(x[0], x[1])); }))
    return ofIntegers;
  return foldFloats(operands, result,
                   [&](ArrayRef<APFloat> x) { return APFloat(compare(x[0], x[1]) ? 1.0 : 0.0); });
}

//===----------------------------------------------------------------------===//
// equal, less, less_or_equal, greater, greater_or_equal
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> EqualOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult EqualOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult EqualOp::fold(FoldAdaptor adaptor) {
  return foldCompare(adaptor.getOperands(), getType(),
                     [](const auto &x, const auto &y) { return x == y; });
}

SmallVector<Value> EqualOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.equal(x[0], x[1]); })};
}

FailureOr<SmallVector<Value>> LessOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult LessOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult LessOp::fold(FoldAdaptor adaptor) {
  return foldCompare(adaptor.getOperands(), getType(),
                     [](const auto &x, const auto &y) { return x < y; });
}

SmallVector<Value> LessOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.less(x[0], x[1]); })};
}

FailureOr<SmallVector<Value>> LessOrEqualOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult LessOrEqualOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult LessOrEqualOp::fold(FoldAdaptor adaptor) {
  return foldCompare(adaptor.getOperands(), getType(),
                     [](const auto &x, const auto &y) { return x <= y; });
}

SmallVector<Value> LessOrEqualOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.lessOrEqual(x[0], x[1]);
  })};
}

FailureOr<SmallVector<Value>> GreaterOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Binarizer")
    return single(importBinarizer(node, builder));
  return importBinary(node, builder, getOperationName());
}

LogicalResult GreaterOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult GreaterOp::fold(FoldAdaptor adaptor) {
  return foldCompare(adaptor.getOperands(), getType(),
                     [](const auto &x, const auto &y) { return x > y; });
}

SmallVector<Value> GreaterOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.greater(x[0], x[1]); })};
}

FailureOr<SmallVector<Value>> GreaterOrEqualOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult GreaterOrEqualOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult GreaterOrEqualOp::fold(FoldAdaptor adaptor) {
  return foldCompare(adaptor.getOperands(), getType(),
                     [](const auto &x, const auto &y) { return x >= y; });
}

SmallVector<Value> GreaterOrEqualOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.greaterOrEqual(x[0], x[1]);
  })};
}

//===----------------------------------------------------------------------===//
// and, or, xor, not
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> AndOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult AndOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult AndOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return x[0] && x[1]; });
}

SmallVector<Value> AndOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.logicalAnd(x[0], x[1]);
  })};
}

FailureOr<SmallVector<Value>> OrOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult OrOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                     Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult OrOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return x[0] || x[1]; });
}

SmallVector<Value> OrOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.logicalOr(x[0], x[1]); })};
}

FailureOr<SmallVector<Value>> XorOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult XorOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferCompare(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult XorOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return x[0] != x[1]; });
}

SmallVector<Value> XorOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.logicalXor(x[0], x[1]);
  })};
}

OpFoldResult NotOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(adaptor.getInput(), getType(), [](ArrayRef<int64_t> x) { return !x[0]; });
}

SmallVector<Value> NotOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.logicalNot(x[0]); })};
}

//===----------------------------------------------------------------------===//
// is_nan, is_inf
//===----------------------------------------------------------------------===//

LogicalResult IsNaNOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(tensorType(adaptor.getInput()).clone(IntegerType::get(context, 1)));
  return success();
}

SmallVector<Value> IsNaNOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.isNaN(x[0]); })};
}

FailureOr<SmallVector<Value>> IsInfOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<NamedAttribute> attributes;
  if (node.getInt("detect_negative", 1))
    attributes.push_back(builder.getNamedAttr("negative", builder.getUnitAttr()));
  if (node.getInt("detect_positive", 1))
    attributes.push_back(builder.getNamedAttr("positive", builder.getUnitAttr()));
  return single(importOp<IsInfOp>(node, builder, node.inputs, attributes));
}

LogicalResult IsInfOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(tensorType(adaptor.getInput()).clone(IntegerType::get(context, 1)));
  return success();
}

SmallVector<Value> IsInfOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  auto test = [&](ScalarBuilder &s, ValueRange x) {
    double infinity = std::numeric_limits<double>::infinity();
    Value result = s.constant(s.builder.getI1Type(), int64_t(0));
    if (getNegative())
      result = s.logicalOr(result, s.equal(x[0], s.constantLike(x[0], -infinity)));
    if (getPositive())
      result = s.logicalOr(result, s.equal(x[0], s.constantLike(x[0], infinity)));
    return result;
  };
  return {kernel.pointwise(operands, getType(), test)};
}

//===----------------------------------------------------------------------===//
// where
//===----------------------------------------------------------------------===//

/// If with a condition that is only known when a step runs: both branches are computed, and one is
/// chosen, as Where does it.
static FailureOr<SmallVector<Value>> importChoice(OnnxNode &node, OpBuilder &builder,
                                                  const OnnxGraph &thenBranch,
                                                  const OnnxGraph &elseBranch) {
  // What no node erases, so that it tells where the branches begin.
  Value mark = buildSequence(builder, node.loc, {});
  FailureOr<SmallVector<Value>> lhs = thenBranch.importInline(builder, {});
  FailureOr<SmallVector<Value>> rhs = failure();
  if (succeeded(lhs))
    rhs = elseBranch.importInline(builder, {});
  if (failed(lhs) || failed(rhs))
    return failure();
  std::string isOpen = "the condition '" + node.inputNames[0] + "' is not known at compile time, ";
  for (Operation *op = mark.getDefiningOp(); op; op = op->getNextNode())
    if (!isMemoryEffectFree(op))
      return node.emitError() << isOpen
                              << "so that both branches are computed, but one updates running "
                                 "statistics: make it a constant, or compile with --train-mode=off";
  Value condition = reshapeTo(builder, node.loc, node.input(0), {});
  auto choose = [&](Value x, Value y) -> Value {
    return x == y ? x : builder.createOrFold<WhereOp>(node.loc, condition, x, y);
  };
  SmallVector<Value> results;
  for (auto [i, x, y] : llvm::zip(llvm::seq(node.outputNames.size()), *lhs, *rhs)) {
    if (x.getType() != y.getType())
      return node.emitError() << isOpen << "so that both branches must give the same shapes, but "
                              << "output " << i << " is " << x.getType() << " and " << y.getType();
    if (!isa<TupleType>(x.getType())) {
      results.push_back(choose(x, y));
      continue;
    }
    SmallVector<Value> elements;
    for (auto [xElement, yElement] : llvm::zip_equal(getElements(x), getElements(y)))
      elements.push_back(choose(xElement, yElement));
    results.push_back(buildSequence(builder, node.loc, elements));
  }
  return results;
}

/// If: the nodes of the branch that is taken. The other one need not be understood.
static FailureOr<SmallVector<Value>> importIf(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  auto getBranch = [&](StringRef key) -> const OnnxGraph * {
    const OnnxGraph *branch = node.getGraph(key);
    if (node.hadError)
      return nullptr;
    if (!branch) {
      node.emitError() << "lacks the attribute '" << key << "'";
    } else if (branch->inputCount != 0 || branch->outputCount < node.outputNames.size()) {
      node.emitError() << "attribute '" << key << "' is a graph of " << branch->inputCount
                       << " inputs and " << branch->outputCount
                       << " outputs, but a branch has no input and an output for each of the "
                       << node.outputNames.size() << " of the node";
    }
    return node.hadError ? nullptr : branch;
  };
  const OnnxGraph *thenBranch = getBranch("then_branch");
  const OnnxGraph *elseBranch = thenBranch ? getBranch("else_branch") : nullptr;
  if (!elseBranch)
    return failure();
  RankedTensorType type = tensorType(node.input(0));
  if (!type.getElementType().isInteger(1) || type.getNumElements() != 1)
    return node.emitError() << "the condition must be one boolean, but is " << type;
  DenseElementsAttr condition = node.constant(0);
  if (!condition)
    return importChoice(node, builder, *thenBranch, *elseBranch);
  bool isTrue = *condition.getValues<bool>().begin();
  return (isTrue ? thenBranch : elseBranch)->importInline(builder, {});
}

FailureOr<SmallVector<Value>> WhereOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "If")
    return importIf(node, builder);
  if (node.opType == "Trilu")
    return single(importTrilu(node, builder));
  if (node.opType == "OneHot")
    return single(importOneHot(node, builder));
  if (failed(node.expectInputs(3, 3)))
    return failure();
  return single(importOp<WhereOp>(node, builder, node.inputs));
}

LogicalResult WhereOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                        Adaptor adaptor, SmallVectorImpl<Type> &types) {
  FailureOr<RankedTensorType> type =
      inferPointwise(location, {adaptor.getLhs(), adaptor.getRhs()}, adaptor.getCondition());
  if (failed(type))
    return failure();
  types.push_back(*type);
  return success();
}

OpFoldResult WhereOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return x[0] ? x[1] : x[2]; });
}

bool WhereOp::isDifferentiable(unsigned index) { return index != 0; }

// d lhs = condition ? g : 0, d rhs = condition ? 0 : g
void WhereOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(), zero = gradient.splatLike(g, 0);
  if (gradient.needs(1))
    gradient.set(1, gradient.create<WhereOp>(getCondition(), g, zero));
  if (gradient.needs(2))
    gradient.set(2, gradient.create<WhereOp>(getCondition(), zero, g));
}

SmallVector<Value> WhereOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    return s.select(x[0], x[1], x[2]);
  })};
}
