//===- BatchNorm.cpp - Normalization by statistics of a batch -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In formulas: x is the input, m the mean of its channel and r the channel's inverse standard
// deviation, x' = (x - m) * r, n the number of elements in a channel; g is the gradient of y.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/BatchNorm.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

/// One element for each channel of `type`.
static RankedTensorType channelType(RankedTensorType type, int64_t axis) {
  return RankedTensorType::get(type.getDimSize(axis),
                               KernelBuilder::computeType(type.getElementType()));
}

/// All dimensions but that of the channels.
static SmallVector<int64_t> batchAxes(RankedTensorType type, int64_t axis) {
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq(type.getRank()));
  axes.erase(axes.begin() + axis);
  return axes;
}

/// The shape under which one element a channel broadcasts to `type`.
static SmallVector<int64_t> channelShape(RankedTensorType type, int64_t axis) {
  return keepAxes(type.getShape(), batchAxes(type, axis));
}

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

/// Whether the node trains: as the user says, else as the file does.
static bool importTrainingMode(OnnxNode &node) {
  bool isTraining = false;
  if (node.version >= 14)
    isTraining = node.getInt("training_mode", 0) != 0;
  else if (node.version < 7)
    isTraining = node.getInt("is_test", 0) == 0;
  else
    for (unsigned i = 1; i < node.outputNames.size(); ++i)
      isTraining |= node.hasOutput(i);
  return node.trainMode.value_or(isTraining);
}

/// The variance of each channel, as models before opset 14 may ask for it.
static Value buildVariance(OpBuilder &builder, Location loc, Value x, Value mean, int64_t axis) {
  RankedTensorType type = tensorType(x);
  x = castTo(builder, loc, x, tensorType(mean).getElementType());
  mean = reshapeTo(builder, loc, mean, channelShape(type, axis));
  Value distance = SubOp::create(builder, loc, x, mean);
  Value squares = MulOp::create(builder, loc, distance, distance);
  return ReduceMeanOp::create(builder, loc, squares, batchAxes(type, axis), /*keepdims=*/false);
}

FailureOr<SmallVector<Value>> BatchNormOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(5, 5)) || failed(checkFloats(node)))
    return failure();
  if (node.version < 6)
    node.knowAttributes({"consumed_inputs"});
  if (node.version < 7)
    node.knowAttributes({"is_test"});
  if (node.version >= 14)
    node.knowAttributes({"training_mode"});
  bool isTraining = importTrainingMode(node);
  bool isSpatial = node.version >= 9 || node.getInt("spatial", 1) != 0;
  NamedAttribute epsilon =
      builder.getNamedAttr("epsilon", builder.getF64FloatAttr(node.getEpsilon(1e-5f)));
  NamedAttribute momentum =
      builder.getNamedAttr("momentum", builder.getF64FloatAttr(node.getFloat("momentum", 0.9f)));
  if (node.hadError)
    return failure();
  node.isInference = !isTraining;

  // A batch of single numbers has one channel; where each place has statistics of its own, each
  // is a channel.
  Value x = node.input(0);
  RankedTensorType given = tensorType(x);
  if (given.getRank() < 1)
    return node.emitError() << "the input is " << given << ", which has no batch dimension";
  if (given.getRank() == 1) {
    x = reshapeTo(builder, node.loc, x, {given.getDimSize(0), 1});
  } else if (!isSpatial) {
    FailureOr<int64_t> places = checkedProduct(node, given.getShape().drop_front());
    if (failed(places))
      return failure();
    x = reshapeTo(builder, node.loc, x, {given.getDimSize(0), *places});
  }
  NamedAttribute axis = builder.getNamedAttr("axis", builder.getI64IntegerAttr(1));
  RankedTensorType type = tensorType(x);

  SmallVector<Value> operands{x};
  Type computed = KernelBuilder::computeType(type.getElementType());
  for (unsigned i = 1; i < 5; ++i) {
    // A layer that is called twice updates its statistics twice.
    Value parameter = i > 2 && isTraining ? node.stateOf(i) : node.input(i);
    if (!isSpatial && tensorType(parameter).getRank() != 1 &&
        tensorType(parameter).getNumElements() == type.getDimSize(1))
      parameter = reshapeTo(builder, node.loc, parameter, {type.getDimSize(1)});
    // Types of their own, since opset 15.
    if (tensorType(parameter).getElementType() != type.getElementType())
      parameter = castTo(builder, node.loc, parameter, computed);
    operands.push_back(parameter);
  }
  if (!isTraining) {
    FailureOr<Value> y = importOp<BatchNormInferenceOp>(node, builder, operands, {axis, epsilon});
    if (failed(y))
      return failure();
    Value mean = node.input(3), variance = node.input(4);
    return SmallVector<Value>{reshapeTo(builder, node.loc, *y, given.getShape()), mean, variance,
                              mean, variance};
  }

  FailureOr<Operation *> created =
      createChecked(node, builder, getOperationName(), operands, {axis, epsilon, momentum});
  if (failed(created))
    return failure();
  auto op = cast<BatchNormOp>(*created);
  SmallVector<Value> results{reshapeTo(builder, node.loc, op.getY(), given.getShape())};
  for (auto [i, result] :
       {std::pair(3, op.getNewRunningMean()), std::pair(4, op.getNewRunningVariance())}) {
    RankedTensorType type = tensorType(node.input(i));
    Value running = castTo(builder, node.loc, result, type.getElementType());
    running = reshapeTo(builder, node.loc, running, type.getShape());
    results.push_back(running);
    node.assignState(builder, i, running);
  }
  if (node.version < 14) { // of the input's type
    Type element = type.getElementType();
    results.push_back(castTo(builder, node.loc, op.getMean(), element));
    results.push_back({});
    if (node.hasOutput(4))
      results[4] =
          castTo(builder, node.loc, buildVariance(builder, node.loc, x, op.getMean(), 1), element);
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// Checks operands that have one element a channel.
static LogicalResult checkChannels(std::optional<Location> loc, RankedTensorType type, int64_t axis,
                                   ArrayRef<std::pair<StringRef, Value>> operands) {
  if (axis < 0 || axis >= type.getRank()) // batch_norm_c1
    return inferenceError(loc, "axis ", axis, " is out of range for ", type);
  for (auto [name, operand] : operands) {
    RankedTensorType given = tensorType(operand);
    if (given.getRank() != 1 || given.getDimSize(0) != type.getDimSize(axis)) // batch_norm_c2
      return inferenceError(loc, name, " is ", given, ", but should have one element for each of ",
                            type.getDimSize(axis), " channels of the input ", type);
    Type element = given.getElementType();
    if (element != type.getElementType() &&
        element != KernelBuilder::computeType(type.getElementType())) // batch_norm_c3
      return inferenceError(loc, "element types differ: ", type, " and ", name, " ", given);
  }
  return success();
}

LogicalResult BatchNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (failed(checkChannels(location, type, axis,
                           {{"scale", adaptor.getScale()},
                            {"bias", adaptor.getBias()},
                            {"running mean", adaptor.getRunningMean()},
                            {"running variance", adaptor.getRunningVariance()}})))
    return failure();
  RankedTensorType channels = channelType(type, axis);
  types.append({type, channels, channels, adaptor.getRunningMean().getType(),
                adaptor.getRunningVariance().getType()});
  return success();
}

LogicalResult BatchNormInferenceOp::inferReturnTypes(MLIRContext *,
                                                     std::optional<Location> location,
                                                     Adaptor adaptor,
                                                     SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  types.push_back(type);
  return checkChannels(location, type, adaptor.getAxis(),
                       {{"scale", adaptor.getScale()},
                        {"bias", adaptor.getBias()},
                        {"mean", adaptor.getMean()},
                        {"variance", adaptor.getVariance()}});
}

LogicalResult BatchNormGradOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (failed(checkChannels(location, type, axis,
                           {{"scale", adaptor.getScale()},
                            {"mean", adaptor.getMean()},
                            {"inverse standard deviation", adaptor.getInvStdDev()}})))
    return failure();
  if (adaptor.getGradient().getType() != type)
    return inferenceError(location, "the gradient must be ", type, ", but is ",
                          adaptor.getGradient().getType());
  RankedTensorType channels = channelType(type, axis);
  types.append(
      {adaptor.getWide() ? type.clone(channels.getElementType()) : type, channels, channels});
  return success();
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

/// `order` of what has the input's shape, the file's of what has one element a channel.
static SmallVector<int64_t> orderIf(bool isImage, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(isImage ? order : ArrayRef<int64_t>());
}

template <typename OpTy>
static void moveAxis(OpTy op, ArrayRef<int64_t> order) {
  op.setAxis(llvm::find(order, int64_t(op.getAxis())) - order.begin());
}

#define AMPC_LAYOUT_OF(OpTy)                                                                       \
  int64_t OpTy::getOrderedRank() { return getInput().getType().getRank(); }                        \
  SmallVector<int64_t> OpTy::getOperandOrder(unsigned index, ArrayRef<int64_t> order) {            \
    return orderIf(index < kInputs, order);                                                        \
  }                                                                                                \
  SmallVector<int64_t> OpTy::getResultOrder(unsigned index, ArrayRef<int64_t> order) {             \
    return orderIf(index == 0, order);                                                             \
  }                                                                                                \
  void OpTy::setOrder(ArrayRef<int64_t> order) { moveAxis(*this, order); }
AMPC_LAYOUT_OF(BatchNormOp)
AMPC_LAYOUT_OF(BatchNormInferenceOp)
AMPC_LAYOUT_OF(BatchNormGradOp)
#undef AMPC_LAYOUT_OF

//===----------------------------------------------------------------------===//
// Inference form
//===----------------------------------------------------------------------===//

SmallVector<Value> BatchNormOp::buildInference(OpBuilder &builder) {
  Value y = BatchNormInferenceOp::create(builder, getLoc(), getInput(), getScale(), getBias(),
                                         getRunningMean(), getRunningVariance(), getAxisAttr(),
                                         getEpsilonAttr());
  return {y, {}, {}, getRunningMean(), getRunningVariance()};
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// The channels of a tensor of type `type`. All is in the type that kernels compute in; what is of
/// a channel has the other dimensions as 1.
struct Channels {
  KernelBuilder &kernel;
  RankedTensorType type, channels;
  SmallVector<int64_t> axes;
  int64_t axis;
  double count = 1;

  Channels(KernelBuilder &kernel, RankedTensorType type, int64_t axis)
      : kernel(kernel), type(type),
        channels(RankedTensorType::get(channelShape(type, axis),
                                       channelType(type, axis).getElementType())),
        axes(batchAxes(type, axis)), axis(axis) {
    for (int64_t d : axes)
      count *= double(type.getDimSize(d));
  }

  Value each(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    return kernel.pointwise(inputs, type.clone(channels.getElementType()), fn);
  }
  Value ofChannel(ValueRange inputs, KernelBuilder::ScalarFn fn) {
    return kernel.pointwise(inputs, channels, fn);
  }
  Value sum(Value x) {
    return broadcastable(kernel.reduce(x, axes, Reduction::Sum, channels.getElementType()));
  }
  /// The first element of each channel of `x`.
  Value first(Value x) {
    SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1);
    return kernel.slice(x, starts, channels.getShape(), steps);
  }
  Value broadcastable(Value x) { return kernel.reshape(x, channels.getShape()); }
  SmallVector<Value> broadcastable(ValueRange values) {
    return llvm::map_to_vector(values, [&](Value x) { return broadcastable(x); });
  }
  /// Of rank 1.
  Value flat(Value x) { return kernel.reshape(x, {type.getDimSize(axis)}); }
};
} // namespace

SmallVector<Value> BatchNormOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Channels channels(kernel, getInput().getType(), getAxis());
  Value x = operands[0];
  SmallVector<Value> parameters = channels.broadcastable(operands.drop_front());
  double count = channels.count, epsilon = getEpsilon().convertToDouble();
  double momentum = getMomentum().convertToDouble();
  // Distances from an element of the channel are about as large as its standard deviation, so
  // that the difference of their mean square and squared mean keeps its digits.
  Value origin = count > 0 ? channels.first(x) : kernel.splat(channels.channels, 0);
  auto distance = [](ScalarBuilder &s, ValueRange in) { return s.sub(in[0], in[1]); };
  Value sum = channels.sum(channels.each({x, origin}, distance));
  Value squares = channels.sum(channels.each({x, origin}, [&](ScalarBuilder &s, ValueRange in) {
    Value d = distance(s, in);
    return s.mul(d, d);
  }));
  auto meanOf = [&](ScalarBuilder &s, Value sum) { return s.div(sum, s.constantLike(sum, count)); };
  auto varianceOf = [&](ScalarBuilder &s, Value sum, Value squares) {
    Value shift = meanOf(s, sum);
    Value variance = s.sub(meanOf(s, squares), s.mul(shift, shift));
    return s.maximum(variance, s.constantLike(variance, 0));
  };
  auto moveTo = [&](ScalarBuilder &s, Value running, Value now) {
    return s.add(s.mul(running, s.constantLike(running, momentum)),
                 s.mul(now, s.constantLike(now, 1 - momentum)));
  };
  auto mean = [&](ScalarBuilder &s, ValueRange in) { return s.add(in[0], meanOf(s, in[1])); };
  Value batchMean = channels.ofChannel({origin, sum}, mean);
  Value inverse = channels.ofChannel({sum, squares}, [&](ScalarBuilder &s, ValueRange in) {
    Value variance = varianceOf(s, in[0], in[1]);
    Value shifted = s.add(variance, s.constantLike(variance, epsilon));
    return s.div(s.constantLike(shifted, 1), s.sqrt(shifted));
  });
  auto runningType = [&](Value x) {
    return channels.channels.clone(tensorType(x).getElementType());
  };
  Value runningMean = kernel.pointwise(
      {origin, sum, parameters[2]}, runningType(operands[3]), [&](ScalarBuilder &s, ValueRange in) {
        return moveTo(s, s.convert(in[2], in[0].getType()), mean(s, in));
      });
  Value runningVariance = kernel.pointwise({sum, squares, parameters[3]}, runningType(operands[4]),
                                           [&](ScalarBuilder &s, ValueRange in) {
                                             return moveTo(s, in[2], varianceOf(s, in[0], in[1]));
                                           });
  Value y = kernel.pointwise({x, batchMean, inverse, parameters[0], parameters[1]},
                             getY().getType(), [](ScalarBuilder &s, ValueRange in) {
                               Value normalized = s.mul(s.sub(in[0], in[1]), in[2]);
                               return s.add(s.mul(normalized, in[3]), in[4]);
                             });
  return {y, channels.flat(batchMean), channels.flat(inverse), channels.flat(runningMean),
          channels.flat(runningVariance)};
}

SmallVector<Value> BatchNormInferenceOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Channels channels(kernel, getInput().getType(), getAxis());
  SmallVector<Value> inputs{operands[0]};
  llvm::append_range(inputs, channels.broadcastable(operands.drop_front()));
  double epsilon = getEpsilon().convertToDouble();
  return {kernel.pointwise(inputs, getType(), [&](ScalarBuilder &s, ValueRange in) {
    Value deviation = s.sqrt(s.add(in[4], s.constantLike(in[4], epsilon)));
    return s.add(s.mul(s.sub(in[0], in[3]), s.div(in[1], deviation)), in[2]);
  })};
}

SmallVector<Value> BatchNormGradOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  Channels channels(kernel, getInput().getType(), getAxis());
  Value g = operands[0], x = operands[1];
  SmallVector<Value> parameters = channels.broadcastable(operands.drop_front(2));
  Value scale = parameters[0], mean = parameters[1], inverse = parameters[2];
  auto normalize = [](ScalarBuilder &s, Value x, Value mean, Value inverse) {
    return s.mul(s.sub(x, mean), inverse);
  };
  Value sum = channels.sum(g);
  Value products =
      channels.sum(channels.each({g, x, mean, inverse}, [&](ScalarBuilder &s, ValueRange in) {
        return s.mul(in[0], normalize(s, in[1], in[2], in[3]));
      }));
  Value result =
      kernel.pointwise({g, x, mean, inverse, scale, sum, products}, getInputGradient().getType(),
                       [&](ScalarBuilder &s, ValueRange in) {
                         Value slope = s.mul(normalize(s, in[1], in[2], in[3]), in[6]);
                         Value common =
                             s.mul(s.add(in[5], slope), s.constantLike(in[5], 1 / channels.count));
                         return s.mul(s.mul(in[4], in[3]), s.sub(in[0], common));
                       });
  return {result, channels.flat(products), channels.flat(sum)};
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

bool BatchNormOp::isDifferentiable(unsigned index) { return index < 3; }

// As amp.batch_norm_grad says.
void BatchNormOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient(0);
  if (!g) // only statistics are used
    return;
  Type type = tensorType(getInput()).getElementType();
  auto op = BatchNormGradOp::create(
      gradient.builder, gradient.loc, g, getInput(), getScale(), getMean(), getInvStdDev(),
      getAxis(), /*wide=*/gradient.needs(0) && gradient.gradientElementType(0) != type);
  for (unsigned i = 0; i < 3; ++i)
    gradient.set(i, op->getResult(i));
}

bool BatchNormInferenceOp::isDifferentiable(unsigned index) { return index < 3; }

// dx = g * scale * r; d scale = sum(g * x'); d bias = sum(g)
void BatchNormInferenceOp::buildGradient(GradientBuilder &gradient) {
  Value g = widen(gradient, gradient.resultGradient());
  auto shape = channelShape(getInput().getType(), getAxis());
  auto ofChannel = [&](Value x) {
    return reshapeTo(gradient.builder, gradient.loc, widen(gradient, x), shape);
  };
  Value variance = ofChannel(getVariance());
  Value shifted = gradient.create<AddOp>(
      variance, gradient.splatLike(variance, getEpsilon().convertToDouble()));
  Value inverse = gradient.create<ReciprocalOp>(gradient.create<SqrtOp>(shifted));
  if (gradient.needs(0))
    gradient.set(0,
                 gradient.create<MulOp>(g, gradient.create<MulOp>(ofChannel(getScale()), inverse)));
  auto sumOfChannel = [&](Value x) {
    return gradient.create<ReduceSumOp>(x, batchAxes(getInput().getType(), getAxis()),
                                        /*keepdims=*/false, /*wide=*/false);
  };
  if (gradient.needs(1)) {
    Value distance = gradient.create<SubOp>(widen(gradient, getInput()), ofChannel(getMean()));
    Value normalized = gradient.create<MulOp>(distance, inverse);
    gradient.set(1, sumOfChannel(gradient.create<MulOp>(g, normalized)));
  }
  if (gradient.needs(2))
    gradient.set(2, sumOfChannel(g));
}
