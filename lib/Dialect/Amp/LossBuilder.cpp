//===- LossBuilder.cpp - Losses that a flag attaches ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/LossBuilder.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Loss.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ampc;

namespace {
/// `value` with the classes along axis 1.
Value moveClasses(OpBuilder &b, Location loc, Value value, int64_t axis) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  if (axis < 0)
    axis += rank;
  if (axis == 1)
    return value;
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  permutation.erase(permutation.begin() + axis);
  permutation.insert(permutation.begin() + 1, axis);
  return TransposeOp::create(b, loc, value, permutation);
}

/// Elementwise losses, on operands of one type; their mean is the loss.
Value elementwise(OpBuilder &b, Location loc, StringRef name, Value x, Value t) {
  if (name == "bce_with_logits") {
    // -(t log s(x) + (1 - t) log(1 - s(x))) = softplus(x) - t x, without overflow.
    Value product = buildProduct(b, loc, x, t);
    return buildDifference(b, loc, SoftplusOp::create(b, loc, x), product);
  }
  Value difference = buildDifference(b, loc, x, t);
  if (name == "l1")
    return AbsOp::create(b, loc, difference);
  return buildProduct(b, loc, difference, difference);
}
} // namespace

ArrayRef<StringRef> ampc::getLossNames() {
  static const StringRef names[] = {"cross_entropy", "nll", "mse", "l1", "bce_with_logits"};
  return names;
}

bool ampc::takesLabels(StringRef name) { return name == "cross_entropy" || name == "nll"; }

FailureOr<RankedTensorType> ampc::getTargetType(StringRef name, RankedTensorType prediction,
                                                int64_t classAxis, std::string &why) {
  llvm::raw_string_ostream os(why);
  if (!llvm::is_contained(getLossNames(), name)) {
    os << "no such loss; there are " << llvm::join(getLossNames(), ", ");
    return failure();
  }
  if (!isa<FloatType>(prediction.getElementType())) {
    os << "the first output is " << prediction << ", not a float tensor";
    return failure();
  }
  if (!takesLabels(name))
    return prediction;
  if (prediction.getRank() < 2) {
    os << "takes class scores [batch, classes, ..] as the graph's first output, which is "
       << prediction;
    return failure();
  }
  int64_t rank = prediction.getRank(), axis = classAxis < 0 ? classAxis + rank : classAxis;
  if (axis < 1 || axis >= rank) {
    os << "the classes cannot lie along axis " << classAxis << " of the graph's first output, "
       << prediction << ": --class-axis is 1 to " << rank - 1 << ", or -1 to " << 1 - rank;
    return failure();
  }
  SmallVector<int64_t> shape(prediction.getShape());
  shape.erase(shape.begin() + axis);
  return RankedTensorType::get(shape, IntegerType::get(prediction.getContext(), 64));
}

Value ampc::buildLoss(OpBuilder &b, Location loc, StringRef name, Value prediction, Value target,
                      int64_t classAxis, int64_t ignoreIndex) {
  // In a model of 16 bits too: the gradient begins with the loss scale, which f16 cannot hold.
  auto widen = [&](Value x) {
    auto type = dyn_cast<FloatType>(getElementTypeOrSelf(x.getType()));
    return type && type.getWidth() < 32 ? castTo(b, loc, x, b.getF32Type()) : x;
  };
  prediction = widen(prediction);
  target = widen(target);
  if (takesLabels(name))
    prediction = moveClasses(b, loc, prediction, classAxis);
  IntegerAttr ignored = b.getI64IntegerAttr(ignoreIndex);
  if (name == "cross_entropy")
    return SoftmaxCrossEntropyOp::create(b, loc, prediction, target, Value(), LossReduction::Mean,
                                         ignored);
  if (name == "nll")
    return NllLossOp::create(b, loc, prediction, target, Value(), LossReduction::Mean, ignored);
  Value losses = elementwise(b, loc, name, prediction, target);
  int64_t rank = cast<RankedTensorType>(losses.getType()).getRank();
  if (rank == 0)
    return losses;
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  return ReduceMeanOp::create(b, loc, losses, axes, /*keepdims=*/false);
}
