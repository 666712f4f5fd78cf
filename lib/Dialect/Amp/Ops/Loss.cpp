//===- Loss.cpp - Losses over class labels --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Kernels see the input as rows of classes, one for each sample, and find a
// sample's class by comparing each class with its label: a bad label selects
// nothing, and no place is ever computed from one.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Loss.h"
#include "RowSoftmax.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "ampc/Dialect/Amp/Values.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

static FailureOr<SmallVector<Value>> importLoss(OnnxNode &node, OpBuilder &builder,
                                                StringRef name) {
  if (failed(node.expectInputs(2, 3)))
    return failure();
  std::string text = node.getString("reduction", "mean");
  std::optional<LossReduction> reduction = symbolizeLossReduction(text);
  if (!reduction)
    return node.emitError() << "attribute 'reduction' is '" << text
                            << "', but should be 'none', 'sum' or 'mean'";
  for (unsigned i : {0u, 2u})
    if (node.input(i) && !isa<FloatType>(tensorType(node.input(i)).getElementType()))
      return node.emitError() << "input " << i << " must be of floats, but is "
                              << node.input(i).getType();
  Type labelType = tensorType(node.input(1)).getElementType();
  if (!labelType.isInteger(32) && !labelType.isInteger(64))
    return node.emitError() << "labels must be int32 or int64, but are " << node.input(1).getType();

  SmallVector<Value> operands{node.input(0), node.input(1)};
  if (node.input(2))
    operands.push_back(node.input(2));
  SmallVector<NamedAttribute> attributes{
      builder.getNamedAttr("reduction", LossReductionAttr::get(builder.getContext(), *reduction))};
  if (node.hasAttribute("ignore_index")) {
    int64_t ignored = node.getInt("ignore_index", 0);
    // Where no label can have the value, none is ignored.
    if (llvm::isIntN(labelType.getIntOrFloatBitWidth(), ignored))
      attributes.push_back(
          builder.getNamedAttr("ignore_index", builder.getI64IntegerAttr(ignored)));
  }
  FailureOr<Value> loss = importOp(node, builder, name, operands, attributes);
  if (failed(loss))
    return failure();
  return SmallVector<Value>{*loss};
}

FailureOr<SmallVector<Value>> SoftmaxCrossEntropyOp::importNode(OnnxNode &node,
                                                                OpBuilder &builder) {
  FailureOr<SmallVector<Value>> results = importLoss(node, builder, getOperationName());
  if (failed(results) || !node.hasOutput(1))
    return results;
  // The second output is an op of its own, which shares the rows' statistics.
  FailureOr<Value> logProbabilities = importOp<LogSoftmaxOp>(
      node, builder, node.input(0), builder.getNamedAttr("axis", builder.getI64IntegerAttr(1)));
  if (failed(logProbabilities))
    return failure();
  results->push_back(*logProbabilities);
  return results;
}

FailureOr<SmallVector<Value>> NllLossOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importLoss(node, builder, getOperationName());
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// Labels have the shape of the input without dimension 1, and there is one
/// weight for each class. The loss has the type that is appended to `types`.
static LogicalResult inferLoss(std::optional<Location> loc, Value input, Value labels,
                               Value weights, LossReduction reduction,
                               SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(input), labelType = tensorType(labels);
  if (type.getRank() < 2)
    return inferenceError(loc, "the input must have the shape [N, C, ...], but is ", type);
  SmallVector<int64_t> expected(type.getShape());
  expected.erase(expected.begin() + 1);
  if (labelType.getShape() != ArrayRef(expected))
    return inferenceError(loc, "labels of ", type, " must be ", labelType.clone(expected),
                          ", but are ", labelType);
  auto weightType = RankedTensorType::get(type.getDimSize(1), type.getElementType());
  if (weights && weights.getType() != weightType)
    return inferenceError(loc, "weights of the classes of ", type, " must be ", weightType,
                          ", but are ", weights.getType());
  if (reduction != LossReduction::None)
    expected.clear();
  types.push_back(type.clone(expected));
  return success();
}

LogicalResult SoftmaxCrossEntropyOp::inferReturnTypes(MLIRContext *,
                                                      std::optional<Location> location,
                                                      Adaptor adaptor,
                                                      SmallVectorImpl<Type> &types) {
  return inferLoss(location, adaptor.getInput(), adaptor.getLabels(), adaptor.getWeights(),
                   adaptor.getReduction(), types);
}

LogicalResult NllLossOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferLoss(location, adaptor.getInput(), adaptor.getLabels(), adaptor.getWeights(),
                   adaptor.getReduction(), types);
}

LogicalResult SoftmaxCrossEntropyGradOp::inferReturnTypes(MLIRContext *,
                                                          std::optional<Location> location,
                                                          Adaptor adaptor,
                                                          SmallVectorImpl<Type> &types) {
  SmallVector<Type> loss;
  if (failed(inferLoss(location, adaptor.getInput(), adaptor.getLabels(), adaptor.getWeights(),
                       adaptor.getReduction(), loss)))
    return failure();
  if (adaptor.getGradient().getType() != loss.front())
    return inferenceError(location, "the gradient of the loss must be ", loss.front(), ", but is ",
                          adaptor.getGradient().getType());
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult NllLossGradOp::verify() {
  // The rules are those of the loss; an operand stands for the input, of the
  // same type.
  SmallVector<Type> loss;
  if (failed(inferLoss(getLoc(), getResult(), getLabels(), getWeights(), getReduction(), loss)))
    return failure();
  if (getGradient().getType() != loss.front())
    return emitOpError("the gradient of the loss must be ")
           << loss.front() << ", but is " << getGradient().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// The samples of a loss as rows. `computed` is the type that kernels compute
/// in.
struct Samples {
  KernelBuilder &kernel;
  RankedTensorType type;            ///< of the input, [N, C, d...]
  SmallVector<int64_t> permutation; ///< of the input, to [N, d..., C]
  SmallVector<int64_t> shape;       ///< [N, d..., C]
  SmallVector<int64_t> column;      ///< [N, d..., 1]
  Type computed;
  Value labels, weights; ///< [N, d..., 1], and [C] or null
  std::optional<int64_t> ignored;

  Samples(KernelBuilder &kernel, RankedTensorType type, Value labels, Value weights,
          std::optional<int64_t> ignored)
      : kernel(kernel), type(type), permutation(moveToBack(type.getRank(), 1)),
        computed(KernelBuilder::computeType(type.getElementType())), weights(weights),
        ignored(ignored) {
    for (int64_t d : permutation)
      shape.push_back(type.getDimSize(d));
    column = shape;
    column.back() = 1;
    this->labels = kernel.reshape(labels, column);
  }

  int64_t classes() const { return shape.back(); }
  RankedTensorType rowsOf(Type elementType) const {
    return RankedTensorType::get(shape, elementType);
  }
  RankedTensorType columnOf(Type elementType) const {
    return RankedTensorType::get(column, elementType);
  }

  /// i1: whether the class at hand is the sample's.
  Value isLabel(ScalarBuilder &s, Value label) const {
    Value index = kernel.index(s, shape.size() - 1);
    return s.equal(s.convert(index, label.getType()), label);
  }

  /// The element of each row at the sample's class, 0 where there is none: [N,
  /// d..., 1]. `fn` gives the element.
  Value atLabel(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    SmallVector<Value> all{labels};
    llvm::append_range(all, inputs);
    Value selected = kernel.pointwise(all, rowsOf(computed), [&](ScalarBuilder &s, ValueRange x) {
      return s.select(isLabel(s, x[0]), fn(s, x.drop_front()), s.constant(computed, 0.0));
    });
    Value sums = kernel.reduce(selected, int64_t(shape.size()) - 1, Reduction::Sum, computed);
    return kernel.reshape(sums, column);
  }

  /// What a sample's loss is multiplied by: the weight of its class, 0 where
  /// the label is ignored or no class.
  Value weight() {
    SmallVector<Value> inputs{labels};
    if (weights)
      inputs.push_back(atLabel(weights, [](ScalarBuilder &, ValueRange x) { return x[0]; }));
    return kernel.pointwise(inputs, columnOf(computed), [&](ScalarBuilder &s, ValueRange x) {
      Value label = x[0], factor = s.constant(computed, 1.0);
      auto bound = [&](int64_t value) { return s.constant(label.getType(), value); };
      Value counts =
          s.logicalAnd(s.greaterOrEqual(label, bound(0)), s.less(label, bound(classes())));
      if (ignored)
        counts = s.logicalAnd(counts, s.notEqual(label, bound(*ignored)));
      if (weights)
        factor = x[1];
      return s.select(counts, factor, s.constant(computed, 0.0));
    });
  }

  Value sumOverSamples(Value x) {
    return kernel.reduce(x, llvm::to_vector(llvm::seq<int64_t>(0, column.size())), Reduction::Sum,
                         computed);
  }

  /// What `mean` divides by, of rank 0; null where that is the number of
  /// samples.
  Value divisor(Value weight) { return weights || ignored ? sumOverSamples(weight) : Value(); }
  double count() const { return double(llvm::product_of(column, int64_t(1))); }

  /// The loss of all samples from that of each one, before weights: [N, d...,
  /// 1].
  Value merge(Value losses, LossReduction reduction, RankedTensorType result) {
    Value weight = this->weight();
    Value weighted =
        kernel.pointwise({losses, weight}, columnOf(computed), [&](ScalarBuilder &s, ValueRange x) {
          // Not a product with 0, which the loss of an ignored sample may not
          // survive.
          Value zero = s.constantLike(x[0], 0);
          return s.select(s.equal(x[1], zero), zero, s.mul(x[0], x[1]));
        });
    auto same = [](ScalarBuilder &, ValueRange x) { return x[0]; };
    if (reduction == LossReduction::None)
      return kernel.reshape(kernel.pointwise(weighted, columnOf(result.getElementType()), same),
                            result.getShape());
    SmallVector<Value> sums{sumOverSamples(weighted)};
    if (reduction == LossReduction::Sum)
      return kernel.pointwise(sums, result, same);
    if (Value sum = divisor(weight))
      sums.push_back(sum);
    return kernel.pointwise(sums, result, [&](ScalarBuilder &s, ValueRange x) {
      return s.div(x[0], x.size() > 1 ? x[1] : s.constantLike(x[0], count()));
    });
  }

  /// The gradient of each sample's loss, before weights, from that of the
  /// merged loss: [N, d..., 1].
  Value spread(Value gradient, LossReduction reduction) {
    Value weight = this->weight();
    if (reduction == LossReduction::None)
      gradient = kernel.reshape(gradient, column);
    SmallVector<Value> inputs{gradient, weight};
    if (reduction == LossReduction::Mean)
      if (Value sum = divisor(weight))
        inputs.push_back(sum);
    return kernel.pointwise(inputs, columnOf(computed), [&](ScalarBuilder &s, ValueRange x) {
      Value result = s.mul(x[0], x[1]), zero = s.constantLike(x[0], 0);
      if (reduction == LossReduction::Mean)
        result = s.div(result, x.size() > 2 ? x[2] : s.constantLike(x[0], count()));
      // Nothing, not 0 / 0, where all labels are ignored.
      return s.select(s.equal(x[1], zero), zero, result);
    });
  }

  /// [N, d..., C] back to the input's order of dimensions.
  Value restore(Value rows) {
    SmallVector<int64_t> inverse(permutation.size());
    for (auto [i, from] : llvm::enumerate(permutation))
      inverse[from] = i;
    return kernel.transpose(rows, inverse);
  }
};
} // namespace

SmallVector<Value> SoftmaxCrossEntropyOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Samples samples(kernel, getInput().getType(), operands[1], getWeights() ? operands[2] : Value(),
                  getIgnoreIndex());
  Value rows = kernel.transpose(operands[0], samples.permutation);
  RowSoftmax softmax(kernel, rows);
  // -log(exp(x - max) / sum) = log(sum) - (x - max)
  Value shifted = samples.atLabel({rows, softmax.maximum},
                                  [](ScalarBuilder &s, ValueRange x) { return s.sub(x[0], x[1]); });
  Value losses =
      kernel.pointwise({shifted, softmax.sum}, samples.columnOf(samples.computed),
                       [](ScalarBuilder &s, ValueRange x) { return s.sub(s.log(x[1]), x[0]); });
  return {samples.merge(losses, getReduction(), getType())};
}

SmallVector<Value> NllLossOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Samples samples(kernel, getInput().getType(), operands[1], getWeights() ? operands[2] : Value(),
                  getIgnoreIndex());
  Value rows = kernel.transpose(operands[0], samples.permutation);
  Value losses = samples.atLabel(rows, [](ScalarBuilder &s, ValueRange x) { return s.neg(x[0]); });
  return {samples.merge(losses, getReduction(), getType())};
}

SmallVector<Value> SoftmaxCrossEntropyGradOp::emitKernel(KernelBuilder &kernel,
                                                         ValueRange operands) {
  Samples samples(kernel, getType(), operands[2], getWeights() ? operands[3] : Value(),
                  getIgnoreIndex());
  Value rows = kernel.transpose(operands[1], samples.permutation);
  RowSoftmax softmax(kernel, rows);
  Value coefficient = samples.spread(operands[0], getReduction());
  Value result = kernel.pointwise(
      {rows, softmax.maximum, softmax.sum, samples.labels, coefficient},
      samples.rowsOf(getType().getElementType()), [&](ScalarBuilder &s, ValueRange x) {
        Value share = s.div(s.exp(s.sub(x[0], x[1])), x[2]);
        Value target = s.convert(samples.isLabel(s, x[3]), samples.computed);
        Value zero = s.constantLike(share, 0);
        // An ignored sample passes nothing on, even where its softmax is not
        // finite.
        return s.select(s.equal(x[4], zero), zero, s.mul(x[4], s.sub(share, target)));
      });
  return {samples.restore(result)};
}

SmallVector<Value> NllLossGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Samples samples(kernel, getType(), operands[1], getWeights() ? operands[2] : Value(),
                  getIgnoreIndex());
  Value coefficient = samples.spread(operands[0], getReduction());
  Value result = kernel.pointwise(
      {samples.labels, coefficient}, samples.rowsOf(getType().getElementType()),
      [&](ScalarBuilder &s, ValueRange x) {
        return s.select(samples.isLabel(s, x[0]), s.neg(x[1]), s.constantLike(x[1], 0));
      });
  return {samples.restore(result)};
}

SmallVector<Value> BinaryCrossEntropyOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [](ScalarBuilder &s, ValueRange x) {
    Value one = s.constantLike(x[0], 1), least = s.constantLike(x[0], -100);
    auto bounded = [&](Value log) { return s.maximum(log, least); };
    Value other = s.mul(s.sub(one, x[1]), bounded(s.log1p(s.neg(x[0]))));
    return s.neg(s.add(s.mul(x[1], bounded(s.log(x[0]))), other));
  })};
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

bool SoftmaxCrossEntropyOp::isDifferentiable(unsigned index) { return index == 0; }

// With w the weight of a sample's label (0 where it is ignored), W the sum of w
// over the samples, and g the gradient of the loss:
//   dx = c * (softmax(x) - (class == label)),
// where c is g * w for `none` (with the sample's own g) and `sum`, g * w / W
// for `mean`.
void SoftmaxCrossEntropyOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<SoftmaxCrossEntropyGradOp>(
                      gradient.resultGradient(), getInput(), getLabels(), getWeights(),
                      getReductionAttr(), getIgnoreIndexAttr()));
}

bool NllLossOp::isDifferentiable(unsigned index) { return index == 0; }

// dx = -c * (class == label), with c as above
void NllLossOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.create<NllLossGradOp>(getInput().getType(), gradient.resultGradient(),
                                                 getLabels(), getWeights(), getReductionAttr(),
                                                 getIgnoreIndexAttr()));
}

bool BinaryCrossEntropyOp::isDifferentiable(unsigned index) { return index == 0; }

void BinaryCrossEntropyOp::buildGradient(GradientBuilder &gradient) {
  Value x = getInput(), one = gradient.splatLike(x, 1);
  Value spread = gradient.create<MulOp>(x, gradient.create<SubOp>(one, x));
  Value divisor = gradient.create<MaxOp>(spread, gradient.splatLike(x, 1e-12));
  Value slope = gradient.create<DivOp>(gradient.create<SubOp>(x, getTarget()), divisor);
  gradient.set(0, gradient.create<MulOp>(gradient.resultGradient(), slope));
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// The flag where a label is neither a class nor ignored, else 0.
static Value buildLabelCheck(OpBuilder &builder, Location loc, Value labels, int64_t classes,
                             std::optional<int64_t> ignored) {
  auto scalar = RankedTensorType::get({}, tensorType(labels).getElementType());
  unsigned width = scalar.getElementTypeBitWidth();
  auto number = [&](int64_t value) -> Value {
    APInt element(width, uint64_t(value), /*isSigned=*/true);
    return buildConstant(builder, loc, DenseElementsAttr::get(scalar, element));
  };
  Value isBad = OrOp::create(builder, loc, LessOp::create(builder, loc, labels, number(0)),
                             GreaterOrEqualOp::create(builder, loc, labels, number(classes)));
  if (ignored) {
    Value isIgnored = EqualOp::create(builder, loc, labels, number(*ignored));
    isBad = AndOp::create(builder, loc, isBad, NotOp::create(builder, loc, isIgnored));
  }
  auto f32 = RankedTensorType::get({}, builder.getF32Type());
  Value flags =
      WhereOp::create(builder, loc, isBad, splat(builder, loc, f32, AMPC_FLAG_LABEL_OUT_OF_RANGE),
                      splat(builder, loc, f32, 0));
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, tensorType(labels).getRank()));
  return ReduceMaxOp::create(builder, loc, flags, axes);
}

Value SoftmaxCrossEntropyOp::buildCheck(OpBuilder &builder) {
  return buildLabelCheck(builder, getLoc(), getLabels(), getInput().getType().getDimSize(1),
                         getIgnoreIndex());
}
int64_t SoftmaxCrossEntropyOp::getCheckFlag() { return AMPC_FLAG_LABEL_OUT_OF_RANGE; }
Value SoftmaxCrossEntropyOp::getCheckedValue() { return getLabels(); }

static std::optional<bool> addsUp(LossReduction reduction) {
  if (reduction == LossReduction::None)
    return std::nullopt;
  return reduction == LossReduction::Sum;
}
std::optional<bool> SoftmaxCrossEntropyOp::addsUpSamples() { return addsUp(getReduction()); }
std::optional<bool> NllLossOp::addsUpSamples() { return addsUp(getReduction()); }

Value NllLossOp::buildCheck(OpBuilder &builder) {
  return buildLabelCheck(builder, getLoc(), getLabels(), getInput().getType().getDimSize(1),
                         getIgnoreIndex());
}
int64_t NllLossOp::getCheckFlag() { return AMPC_FLAG_LABEL_OUT_OF_RANGE; }
Value NllLossOp::getCheckedValue() { return getLabels(); }
