//===- Reduction.cpp - Sums, means and extrema along axes -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas of gradients: x is the input, y the result, g the gradient of
// y; y and g are spread over the axes again where they meet x.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "Common.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// What all reductions share
//===----------------------------------------------------------------------===//

/// Axes are an attribute in models of an opset before `axesInputSince`; none
/// given means all, unless `noop_with_empty_axes` is set.
static FailureOr<SmallVector<Value>> importReduction(OnnxNode &node, OpBuilder &builder,
                                                     StringRef name, int64_t axesInputSince = 18) {
  bool hasInput = node.version >= axesInputSince;
  if (failed(node.expectInputs(1, hasInput ? 2 : 1)))
    return failure();
  FailureOr<std::optional<SmallVector<int64_t>>> given = intsOf(node, "axes", 1, axesInputSince);
  if (failed(given))
    return failure();
  if (hasInput)
    node.knowAttributes({"noop_with_empty_axes"});
  int64_t rank = tensorType(node.input(0)).getRank();
  SmallVector<int64_t> axes;
  if (*given && !(*given)->empty()) {
    FailureOr<SmallVector<int64_t>> wrapped = normalizeAxes(node, **given, rank);
    if (failed(wrapped))
      return failure();
    axes = *wrapped;
  } else if (!hasInput || !node.getInt("noop_with_empty_axes", 0)) {
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  }
  SmallVector<NamedAttribute> attributes{
      builder.getNamedAttr("axes", builder.getDenseI64ArrayAttr(axes))};
  if (node.getInt("keepdims", 1))
    attributes.push_back(builder.getNamedAttr("keepdims", builder.getUnitAttr()));
  return single(importOp(node, builder, name, node.input(0), attributes));
}

static LogicalResult inferReduction(std::optional<Location> loc, Value input,
                                    ArrayRef<int64_t> axes, bool keepdims, Type elementType,
                                    SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(input);
  int64_t previous = -1;
  for (int64_t axis : axes) {
    if (axis <= previous || axis >= type.getRank())
      return inferenceError(loc, "axes must be sorted, distinct and in [0, ", type.getRank(),
                            ") for ", type, ", but one is ", axis);
    previous = axis;
  }
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(type.getShape())) {
    if (!llvm::is_contained(axes, int64_t(i)))
      shape.push_back(extent);
    else if (keepdims)
      shape.push_back(1);
  }
  types.push_back(RankedTensorType::get(shape, elementType));
  return success();
}

/// Merges `x` along the op's axes in `elementType`; the result lacks them.
static Value reduceAxes(KernelBuilder &kernel, Value x, ArrayRef<int64_t> axes, Reduction kind,
                        Type elementType) {
  if (!axes.empty())
    return kernel.reduce(x, axes, kind, elementType);
  return kernel.pointwise(x, tensorType(x).clone(elementType),
                          [](ScalarBuilder &, ValueRange y) { return y[0]; });
}

namespace {
/// A kernel of three parts: a function of each element, a reduction, a function
/// of each result. What lies between them is in the type that kernels compute
/// in.
struct ReductionKernel {
  KernelBuilder &kernel;
  ArrayRef<int64_t> axes;
  RankedTensorType type;
  Type computed;

  ReductionKernel(KernelBuilder &kernel, Value input, ArrayRef<int64_t> axes, RankedTensorType type)
      : kernel(kernel), axes(axes), type(type),
        computed(KernelBuilder::storedComputeType(tensorType(input).getElementType())) {}

  Value before(Value x, KernelBuilder::ScalarFn fn) {
    return kernel.pointwise(x, tensorType(x).clone(computed), fn);
  }
  Value reduce(Value x, Reduction kind) { return reduceAxes(kernel, x, axes, kind, computed); }
  SmallVector<Value> after(ValueRange x, KernelBuilder::ScalarFn fn) {
    auto reduced = tensorType(x.front()).clone(type.getElementType());
    return {kernel.reshape(kernel.pointwise(x, reduced, fn), type.getShape())};
  }
  /// Only a reduction.
  SmallVector<Value> plain(Value x, Reduction kind) {
    Value result = reduceAxes(kernel, x, axes, kind, type.getElementType());
    return {kernel.reshape(result, type.getShape())};
  }
};
} // namespace

/// A result, or its gradient, with the reduced axes as 1 again.
static Value restoreAxes(GradientBuilder &gradient, Value y, Value input, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> shape = keepAxes(tensorType(input).getShape(), axes);
  if (tensorType(y).getShape() == ArrayRef(shape))
    return y;
  return gradient.create<ReshapeOp>(y, ArrayRef<int64_t>(shape));
}

static Value spread(GradientBuilder &gradient, Value x, Value like) {
  ArrayRef<int64_t> shape = tensorType(like).getShape();
  if (tensorType(x).getShape() == shape)
    return x;
  return gradient.create<BroadcastOp>(x, shape);
}

static int64_t countReduced(Value input, ArrayRef<int64_t> axes) {
  int64_t count = 1;
  for (int64_t axis : axes)
    count *= tensorType(input).getDimSize(axis);
  return count;
}

// Each op's importNode and inferReturnTypes differ only in names and opsets.
#define AMPC_REDUCTION(OP, AXES_INPUT_SINCE)                                                       \
  FailureOr<SmallVector<Value>> OP::importNode(OnnxNode &node, OpBuilder &builder) {               \
    return importReduction(node, builder, getOperationName(), AXES_INPUT_SINCE);                   \
  }                                                                                                \
  LogicalResult OP::inferReturnTypes(MLIRContext *, std::optional<Location> location,              \
                                     Adaptor adaptor, SmallVectorImpl<Type> &types) {              \
    return inferReduction(location, adaptor.getInput(), adaptor.getAxes(), adaptor.getKeepdims(),  \
                          tensorType(adaptor.getInput()).getElementType(), types);                 \
  }
AMPC_REDUCTION(ReduceMeanOp, 18)
AMPC_REDUCTION(ReduceMaxOp, 18)
AMPC_REDUCTION(ReduceMinOp, 18)
AMPC_REDUCTION(ReduceProdOp, 18)
AMPC_REDUCTION(ReduceL1Op, 18)
AMPC_REDUCTION(ReduceL2Op, 18)
AMPC_REDUCTION(ReduceSumSquareOp, 18)
AMPC_REDUCTION(ReduceLogSumOp, 18)
AMPC_REDUCTION(ReduceLogSumExpOp, 18)
#undef AMPC_REDUCTION

//===----------------------------------------------------------------------===//
// reduce_sum, reduce_mean
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ReduceSumOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importReduction(node, builder, getOperationName(), 13);
}

LogicalResult ReduceSumOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  Type elementType = tensorType(adaptor.getInput()).getElementType();
  if (adaptor.getWide())
    elementType = KernelBuilder::computeType(elementType);
  return inferReduction(location, adaptor.getInput(), adaptor.getAxes(), adaptor.getKeepdims(),
                        elementType, types);
}

/// Folds a reduction of a list of integers to one number.
static Attribute foldToScalar(Attribute input, ArrayRef<int64_t> axes, Type result, int64_t initial,
                              function_ref<uint64_t(uint64_t, uint64_t)> fn) {
  auto dense = dyn_cast_if_present<DenseElementsAttr>(input);
  auto type = cast<RankedTensorType>(result);
  if (!dense || !type.getElementType().isInteger(64) ||
      int64_t(axes.size()) != dense.getType().getRank())
    return nullptr;
  uint64_t value = initial;
  for (int64_t element : dense.getValues<int64_t>())
    value = fn(value, uint64_t(element));
  return DenseElementsAttr::get(type, int64_t(value));
}

OpFoldResult ReduceSumOp::fold(FoldAdaptor adaptor) {
  return foldToScalar(adaptor.getInput(), getAxes(), getType(), 0,
                      [](uint64_t x, uint64_t y) { return x + y; });
}

// dx = g
void ReduceSumOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.cast(gradient.resultGradient(), tensorType(getInput()).getElementType());
  gradient.set(0, spread(gradient, restoreAxes(gradient, g, getInput(), getAxes()), getInput()));
}

SmallVector<Value> ReduceSumOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return ReductionKernel(kernel, operands[0], getAxes(), getType())
      .plain(operands[0], Reduction::Sum);
}

// dx = g / n; n may exceed f16
void ReduceMeanOp::buildGradient(GradientBuilder &gradient) {
  Value g = widen(gradient, gradient.resultGradient());
  double count = double(countReduced(getInput(), getAxes()));
  g = gradient.create<DivOp>(g, gradient.splatLike(g, count));
  g = gradient.cast(g, tensorType(getInput()).getElementType());
  gradient.set(0, spread(gradient, restoreAxes(gradient, g, getInput(), getAxes()), getInput()));
}

SmallVector<Value> ReduceMeanOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ReductionKernel reduction(kernel, operands[0], getAxes(), getType());
  int64_t count = countReduced(getInput(), getAxes());
  return reduction.after(reduction.reduce(operands[0], Reduction::Sum),
                         [&](ScalarBuilder &s, ValueRange x) {
                           return s.div(x[0], s.constant(x[0].getType(), count));
                         });
}

//===----------------------------------------------------------------------===//
// reduce_max, reduce_min
//===----------------------------------------------------------------------===//

// dx = x == y ? g / (number of elements equal to y) : 0
static void buildExtremumGradient(GradientBuilder &gradient, Value input, Value result,
                                  ArrayRef<int64_t> axes) {
  Value y = restoreAxes(gradient, result, input, axes);
  Value isExtremum = gradient.create<EqualOp>(input, y);
  Value ones = castTo(gradient.builder, gradient.loc, isExtremum,
                      KernelBuilder::computeType(tensorType(input).getElementType()));
  Value count = gradient.create<ReduceSumOp>(ones, axes, /*keepdims=*/true);
  Value g = restoreAxes(gradient, widen(gradient, gradient.resultGradient()), input, axes);
  Value share = gradient.cast(gradient.create<DivOp>(g, count), tensorType(input).getElementType());
  gradient.set(0, gradient.create<WhereOp>(isExtremum, share, gradient.splatLike(share, 0)));
}

void ReduceMaxOp::buildGradient(GradientBuilder &gradient) {
  buildExtremumGradient(gradient, getInput(), getResult(), getAxes());
}

SmallVector<Value> ReduceMaxOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return ReductionKernel(kernel, operands[0], getAxes(), getType())
      .plain(operands[0], Reduction::Max);
}

void ReduceMinOp::buildGradient(GradientBuilder &gradient) {
  buildExtremumGradient(gradient, getInput(), getResult(), getAxes());
}

SmallVector<Value> ReduceMinOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return ReductionKernel(kernel, operands[0], getAxes(), getType())
      .plain(operands[0], Reduction::Min);
}

//===----------------------------------------------------------------------===//
// reduce_prod
//===----------------------------------------------------------------------===//

OpFoldResult ReduceProdOp::fold(FoldAdaptor adaptor) {
  return foldToScalar(adaptor.getInput(), getAxes(), getType(), 1,
                      [](uint64_t x, uint64_t y) { return x * y; });
}

// dx_i is g times the product of the other elements. With z_i = (x_i == 0), s_i
// = x_i or 1 where x_i is 0, and P the product of all s: that product is P /
// s_i where no other element is 0, that is where the number of zeros equals
// z_i, else 0.
void ReduceProdOp::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value g =
      restoreAxes(gradient, widen(gradient, gradient.resultGradient()), getInput(), getAxes());
  Value isZero = gradient.create<EqualOp>(x, gradient.splatLike(x, 0));
  Value safe = gradient.create<WhereOp>(isZero, gradient.splatLike(x, 1), x);
  Value all = gradient.create<ReduceProdOp>(safe, getAxes(), /*keepdims=*/true);
  Value ones = gradient.cast(isZero, tensorType(x).getElementType());
  Value zeros = gradient.create<ReduceSumOp>(ones, getAxes(), /*keepdims=*/true);
  Value others = gradient.create<DivOp>(all, safe);
  Value dx = gradient.create<MulOp>(g, others);
  gradient.set(0, gradient.create<WhereOp>(gradient.create<EqualOp>(ones, zeros), dx,
                                           gradient.splatLike(dx, 0)));
}

SmallVector<Value> ReduceProdOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return ReductionKernel(kernel, operands[0], getAxes(), getType())
      .plain(operands[0], Reduction::Product);
}

//===----------------------------------------------------------------------===//
// reduce_l1, reduce_l2, reduce_sum_square
//===----------------------------------------------------------------------===//

// dx = g * sign(x)
void ReduceL1Op::buildGradient(GradientBuilder &gradient) {
  Value g = restoreAxes(gradient, gradient.resultGradient(), getInput(), getAxes());
  gradient.set(0, gradient.create<MulOp>(gradient.create<SignOp>(getInput()), g));
}

SmallVector<Value> ReduceL1Op::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ReductionKernel reduction(kernel, operands[0], getAxes(), getType());
  Value sizes =
      reduction.before(operands[0], [](ScalarBuilder &s, ValueRange x) { return s.abs(x[0]); });
  return reduction.plain(sizes, Reduction::Sum);
}

// dx = y == 0 ? 0 : x * (g / y)
void ReduceL2Op::buildGradient(GradientBuilder &gradient) {
  Value x = widen(gradient, getInput());
  Value y = restoreAxes(gradient, widen(gradient, getResult()), getInput(), getAxes());
  Value g =
      restoreAxes(gradient, widen(gradient, gradient.resultGradient()), getInput(), getAxes());
  Value zero = gradient.splatLike(y, 0);
  Value factor = gradient.create<WhereOp>(gradient.create<EqualOp>(y, zero), zero,
                                          gradient.create<DivOp>(g, y));
  gradient.set(0, gradient.create<MulOp>(x, factor));
}

/// The squares of the elements, before they are summed.
static Value squares(ReductionKernel &reduction, Value x) {
  return reduction.before(x, [](ScalarBuilder &s, ValueRange y) { return s.mul(y[0], y[0]); });
}

SmallVector<Value> ReduceL2Op::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ReductionKernel reduction(kernel, operands[0], getAxes(), getType());
  Value sum = reduction.reduce(squares(reduction, operands[0]), Reduction::Sum);
  return reduction.after(sum, [](ScalarBuilder &s, ValueRange x) { return s.sqrt(x[0]); });
}

// dx = 2 * g * x
void ReduceSumSquareOp::buildGradient(GradientBuilder &gradient) {
  Value g =
      restoreAxes(gradient, widen(gradient, gradient.resultGradient()), getInput(), getAxes());
  gradient.set(0,
               gradient.create<MulOp>(widen(gradient, getInput()), gradient.create<AddOp>(g, g)));
}

SmallVector<Value> ReduceSumSquareOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ReductionKernel reduction(kernel, operands[0], getAxes(), getType());
  return reduction.plain(squares(reduction, operands[0]), Reduction::Sum);
}

//===----------------------------------------------------------------------===//
// reduce_log_sum, reduce_log_sum_exp
//===----------------------------------------------------------------------===//

// dx = g / (the sum)
void ReduceLogSumOp::buildGradient(GradientBuilder &gradient) {
  Value sum = gradient.create<ReduceSumOp>(widen(gradient, getInput()), getAxes(),
                                           /*keepdims=*/true);
  Value g =
      restoreAxes(gradient, widen(gradient, gradient.resultGradient()), getInput(), getAxes());
  gradient.set(0, spread(gradient, gradient.create<DivOp>(g, sum), getInput()));
}

SmallVector<Value> ReduceLogSumOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ReductionKernel reduction(kernel, operands[0], getAxes(), getType());
  return reduction.after(reduction.reduce(operands[0], Reduction::Sum),
                         [](ScalarBuilder &s, ValueRange x) { return s.log(x[0]); });
}

// dx = g * exp(x - y)
void ReduceLogSumExpOp::buildGradient(GradientBuilder &gradient) {
  Value y = restoreAxes(gradient, widen(gradient, getResult()), getInput(), getAxes());
  Value g =
      restoreAxes(gradient, widen(gradient, gradient.resultGradient()), getInput(), getAxes());
  Value share = gradient.create<ExpOp>(gradient.create<SubOp>(widen(gradient, getInput()), y));
  gradient.set(0, gradient.create<MulOp>(share, g));
}

SmallVector<Value> ReduceLogSumExpOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  ReductionKernel reduction(kernel, operands[0], getAxes(), getType());
  // The shift only guards against overflow: where it is infinite there is none
  // to do.
  Value largest = reduction.reduce(operands[0], Reduction::MaxNumber);
  Value shift = kernel.pointwise(largest, tensorType(largest), [](ScalarBuilder &s, ValueRange x) {
    return s.select(s.isFinite(x[0]), x[0], s.constantLike(x[0], 0));
  });
  SmallVector<int64_t> kept = keepAxes(tensorType(operands[0]).getShape(), getAxes());
  auto shifted = tensorType(operands[0]).clone(reduction.computed);
  Value powers =
      kernel.pointwise({operands[0], kernel.reshape(shift, kept)}, shifted,
                       [](ScalarBuilder &s, ValueRange x) { return s.exp(s.sub(x[0], x[1])); });
  Value sum = reduction.reduce(powers, Reduction::Sum);
  return reduction.after({sum, shift},
                         [](ScalarBuilder &s, ValueRange x) { return s.add(s.log(x[0]), x[1]); });
}

//===----------------------------------------------------------------------===//
// What becomes of samples
//===----------------------------------------------------------------------===//

/// `sums`, where the leading dimension is reduced.
static std::optional<bool> overLeading(ArrayRef<int64_t> axes, bool sums) {
  return llvm::is_contained(axes, 0) ? std::optional(sums) : std::nullopt;
}

std::optional<bool> ReduceSumOp::addsUpSamples() { return overLeading(getAxes(), true); }
std::optional<bool> ReduceL1Op::addsUpSamples() { return overLeading(getAxes(), true); }
std::optional<bool> ReduceSumSquareOp::addsUpSamples() { return overLeading(getAxes(), true); }
std::optional<bool> ReduceMeanOp::addsUpSamples() { return overLeading(getAxes(), false); }
