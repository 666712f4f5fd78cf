//===- LossBuilder.cpp - Losses that a flag attaches ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/LossBuilder.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Loss.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ampc;

namespace {
RankedTensorType typeOf(Value x) { return cast<RankedTensorType>(x.getType()); }

/// `value` with the classes along axis 1.
Value moveClasses(OpBuilder &b, Location loc, Value value, int64_t axis) {
  int64_t rank = typeOf(value).getRank();
  if (axis < 0)
    axis += rank;
  if (axis == 1)
    return value;
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  permutation.erase(permutation.begin() + axis);
  permutation.insert(permutation.begin() + 1, axis);
  return TransposeOp::create(b, loc, value, permutation);
}

/// Builds with one location, and numbers like a value.
struct LossOps {
  OpBuilder &b;
  Location loc;

  template <typename OpTy, typename... Args>
  Value create(Args &&...args) {
    return OpTy::create(b, loc, std::forward<Args>(args)...)->getResult(0);
  }
  Value like(Value x, double number) { return splat(b, loc, typeOf(x), number); }
  Value scale(Value x, double factor) {
    return factor == 1 ? x : buildProduct(b, loc, x, like(x, factor));
  }
  Value sum(Value x, ArrayRef<int64_t> axes) {
    return create<ReduceSumOp>(x, axes, /*keepdims=*/false, /*wide=*/false);
  }
};

/// Of |x - t|: square / 2 below `delta`, from there on a line with the same slope.
Value quadraticThenLinear(LossOps &ops, Value difference, double delta) {
  Value distance = ops.create<AbsOp>(difference);
  Value square = ops.scale(ops.create<MulOp>(difference, difference), 0.5);
  Value line = ops.scale(ops.create<SubOp>(distance, ops.like(distance, delta / 2)), delta);
  Value isSmall = ops.create<LessOp>(distance, ops.like(distance, delta));
  return ops.create<WhereOp>(isSmall, square, line);
}

/// Elementwise losses, on operands of one type; their mean is the loss.
Value elementwise(LossOps &ops, const LossOptions &options, Value x, Value t) {
  StringRef name = options.name;
  if (name == "bce")
    return ops.create<BinaryCrossEntropyOp>(x, t);
  if (name == "bce_with_logits") {
    // -(t log s(x) + (1 - t) log(1 - s(x))) = softplus(x) - t x, without overflow.
    Value product = ops.create<MulOp>(x, t);
    return ops.create<SubOp>(ops.create<SoftplusOp>(x), product);
  }
  if (name == "kl_div") {
    // t (log t - x), and 0 log 0 = 0.
    Value isNone = ops.create<EqualOp>(t, ops.like(t, 0));
    Value entropy = ops.create<MulOp>(t, ops.create<LogOp>(t));
    entropy = ops.create<WhereOp>(isNone, ops.like(t, 0), entropy);
    return ops.create<SubOp>(entropy, ops.create<MulOp>(t, x));
  }
  if (name == "hinge") // Rosasco et al. 2004, section 2; targets are -1 and 1
    return ops.create<ReluOp>(ops.create<SubOp>(ops.like(x, 1), ops.create<MulOp>(x, t)));
  Value difference = ops.create<SubOp>(x, t);
  if (name == "huber")
    return quadraticThenLinear(ops, difference, options.huberDelta);
  if (name == "smooth_l1" && options.smoothL1Beta > 0)
    return ops.scale(quadraticThenLinear(ops, difference, options.smoothL1Beta),
                     1 / options.smoothL1Beta);
  if (name == "l1" || name == "smooth_l1")
    return ops.create<AbsOp>(difference);
  return ops.create<MulOp>(difference, difference);
}

/// The weights of the classes of `logits`; null for 1 each.
Value buildClassWeights(LossOps &ops, const LossOptions &options, Value logits) {
  if (options.classWeights.empty())
    return Value();
  auto element = cast<FloatType>(typeOf(logits).getElementType());
  auto numbers = llvm::map_to_vector(
      options.classWeights, [&](double w) -> Attribute { return FloatAttr::get(element, w); });
  auto type = RankedTensorType::get(int64_t(numbers.size()), element);
  return buildConstant(ops.b, ops.loc, DenseElementsAttr::get(type, numbers));
}

/// The weights of the classes along axis 1 of a tensor of `rank` dimensions.
Value alongClasses(LossOps &ops, Value weights, int64_t rank) {
  SmallVector<int64_t> shape(rank, 1);
  shape[1] = typeOf(weights).getNumElements();
  return ops.create<ReshapeOp>(weights, shape);
}

/// Cross entropy with a probability of each class, over the number of samples: as PyTorch defines
/// it, which does not divide by weights here.
Value softCrossEntropy(LossOps &ops, const LossOptions &options, Value logits, Value target) {
  RankedTensorType type = typeOf(logits);
  int64_t classes = type.getDimSize(1);
  double smoothing = options.labelSmoothing;
  if (smoothing > 0)
    target = buildSum(ops.b, ops.loc, ops.scale(target, 1 - smoothing),
                      ops.like(target, smoothing / double(classes)));
  Value losses = ops.create<MulOp>(target, ops.create<LogSoftmaxOp>(logits, 1));
  if (Value weights = buildClassWeights(ops, options, logits))
    losses = ops.create<MulOp>(losses, alongClasses(ops, weights, type.getRank()));
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  return ops.scale(ops.sum(losses, axes), -double(classes) / double(type.getNumElements()));
}

/// Cross entropy with labels of which a share is spread over all classes. As PyTorch defines it
/// with weights: the spread part is the sum of weights times logarithms too, over what the other
/// part is divided by.
Value smoothedCrossEntropy(LossOps &ops, const LossOptions &options, Value logits, Value labels,
                           Value weights) {
  RankedTensorType type = typeOf(logits);
  int64_t classes = type.getDimSize(1);
  IntegerAttr ignored = ops.b.getI64IntegerAttr(options.ignoreIndex);
  Value logs = ops.create<LogSoftmaxOp>(logits, 1);
  auto nll = [&](Value of, LossReduction reduction) {
    return ops.create<NllLossOp>(of, labels, weights, reduction, ignored);
  };
  Value weighted = logs;
  if (weights)
    weighted = ops.create<MulOp>(logs, alongClasses(ops, weights, type.getRank()));
  Value spread = ops.sum(weighted, {1}); // of each sample
  // The loss of -1 everywhere is what each sample counts: 0 where it is ignored.
  Value minusOne = ops.like(logs, -1);
  Value counts = nll(minusOne, LossReduction::None);
  auto scalar = RankedTensorType::get({}, typeOf(labels).getElementType());
  Value mark = buildConstant(
      ops.b, ops.loc,
      DenseElementsAttr::get(scalar, ops.b.getI64IntegerAttr(options.ignoreIndex).getValue()));
  Value isIgnored = ops.create<EqualOp>(labels, mark);
  spread = ops.create<WhereOp>(isIgnored, ops.like(spread, 0), spread);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, typeOf(spread).getRank()));
  Value shared = ops.create<DivOp>(ops.sum(spread, axes), ops.sum(counts, axes));
  return ops.create<SubOp>(ops.scale(nll(logs, LossReduction::Mean), 1 - options.labelSmoothing),
                           ops.scale(shared, options.labelSmoothing / double(classes)));
}
} // namespace

ArrayRef<StringRef> ampc::getLossNames() {
  static const StringRef names[] = {"cross_entropy",   "nll",    "mse",   "l1",        "bce",
                                    "bce_with_logits", "kl_div", "huber", "smooth_l1", "hinge"};
  return names;
}

bool ampc::hasClasses(StringRef name) { return name == "cross_entropy" || name == "nll"; }

bool ampc::takesLabels(const LossOptions &options) {
  return hasClasses(options.name) && !options.softLabels;
}

FailureOr<RankedTensorType> ampc::getTargetType(const LossOptions &options,
                                                RankedTensorType prediction, std::string &why) {
  llvm::raw_string_ostream os(why);
  StringRef name = options.name;
  if (!llvm::is_contained(getLossNames(), name)) {
    os << "no such loss; there are " << llvm::join(getLossNames(), ", ");
    return failure();
  }
  if (!isa<FloatType>(prediction.getElementType())) {
    os << "the first output is " << prediction << ", not a float tensor";
    return failure();
  }
  if (!hasClasses(name))
    return prediction;
  if (prediction.getRank() < 2) {
    os << "takes class scores [batch, classes, ..] as the graph's first output, which is "
       << prediction;
    return failure();
  }
  int64_t rank = prediction.getRank(), axis = options.classAxis;
  axis += axis < 0 ? rank : 0;
  if (axis < 1 || axis >= rank) {
    os << "the classes cannot lie along axis " << options.classAxis
       << " of the graph's first output, " << prediction << ": --class-axis is 1 to " << rank - 1
       << ", or -1 to " << 1 - rank;
    return failure();
  }
  size_t weights = options.classWeights.size(), classes = prediction.getDimSize(axis);
  if (weights != 0 && weights != classes) {
    os << "--class-weights has " << weights << " numbers for " << classes
       << " classes, those along axis " << axis << " of the graph's first output, " << prediction;
    return failure();
  }
  if (!takesLabels(options))
    return prediction;
  SmallVector<int64_t> shape(prediction.getShape());
  shape.erase(shape.begin() + axis);
  return RankedTensorType::get(shape, IntegerType::get(prediction.getContext(), 64));
}

Value ampc::buildLoss(OpBuilder &b, Location loc, const LossOptions &options, Value prediction,
                      Value target) {
  // In a model of 16 bits too: the gradient begins with the loss scale, which f16 cannot hold.
  auto widen = [&](Value x) {
    auto type = dyn_cast<FloatType>(getElementTypeOrSelf(x.getType()));
    return type && type.getWidth() < 32 ? castTo(b, loc, x, b.getF32Type()) : x;
  };
  prediction = widen(prediction);
  target = widen(target);
  LossOps ops{b, loc};
  if (hasClasses(options.name)) {
    if (options.fromProbabilities)
      prediction = ops.create<LogOp>(prediction);
    prediction = moveClasses(b, loc, prediction, options.classAxis);
    if (options.softLabels)
      return softCrossEntropy(ops, options, prediction,
                              moveClasses(b, loc, target, options.classAxis));
    Value weights = buildClassWeights(ops, options, prediction);
    IntegerAttr ignored = b.getI64IntegerAttr(options.ignoreIndex);
    if (options.name == "nll")
      return ops.create<NllLossOp>(prediction, target, weights, LossReduction::Mean, ignored);
    if (options.labelSmoothing > 0)
      return smoothedCrossEntropy(ops, options, prediction, target, weights);
    return ops.create<SoftmaxCrossEntropyOp>(prediction, target, weights, LossReduction::Mean,
                                             ignored);
  }
  Value losses = elementwise(ops, options, prediction, target);
  int64_t rank = typeOf(losses).getRank();
  if (rank == 0)
    return losses;
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  return ops.create<ReduceMeanOp>(losses, axes, /*keepdims=*/false);
}
