//===- NormAffineRecovery.cpp - Scales and biases that follow a norm ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Before opset 18 files write a group norm as a norm of instances, the groups, with a scale of 1,
// in other dimensions than the image's, in which scale and bias of the channels follow. The norm
// takes them where it is over the rows of a shape that has both: [N, groups, channels / groups,
// ..].
//
//===----------------------------------------------------------------------===//

#include "NormRows.h"
#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Normalization.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"

using namespace mlir;
using namespace ampc;

namespace {
/// A shape of which two others are shorter forms, without dimensions of 1.
struct FinerShape {
  SmallVector<int64_t> shape;
  SmallVector<int64_t> first, second; ///< which of their dimensions each one is a part of
};
} // namespace

static std::optional<FinerShape> refine(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  FinerShape finer;
  size_t i = 0, j = 0;
  int64_t left = 1, right = 1; // what is to come of dimensions i - 1 and j - 1
  while (true) {
    while (left == 1 && i < a.size())
      left = a[i++];
    while (right == 1 && j < b.size())
      right = b[j++];
    if (left == 1 && right == 1)
      return finer;
    int64_t extent = std::min(left, right);
    if (extent <= 1 || left % extent != 0 || right % extent != 0)
      return std::nullopt;
    finer.shape.push_back(extent);
    finer.first.push_back(int64_t(i) - 1);
    finer.second.push_back(int64_t(j) - 1);
    left /= extent;
    right /= extent;
  }
}

/// `last` multiplies a norm by a scale, or adds a bias to it.
static LogicalResult recoverAffine(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  bool isScale = isa<MulOp>(last);
  for (unsigned i = 0; i < 2; ++i) {
    Value y = last->getOperand(i), parameter = last->getOperand(1 - i);
    if (y.getType() != last->getResult(0).getType())
      continue;
    Spelling spelling(last);
    auto reshape = spelling.take<ReshapeOp>(y);
    auto norm = spelling.take<LayerNormOp>(reshape ? reshape.getInput() : y);
    if (!norm || (reshape ? reshape.getInput() : y) != norm.getY())
      continue;
    bool isUnit = knownNumber(norm.getScale()) == 1.0;
    bool isCentered = !norm.getBias() || knownNumber(norm.getBias()) == 0.0;
    if (!isCentered || (isScale && !isUnit))
      continue;
    // One number for each channel: along one dimension, but not that of the samples.
    ArrayRef<int64_t> shape = tensorType(y).getShape();
    ArrayRef<int64_t> given = tensorType(parameter).getShape();
    int64_t missing = int64_t(shape.size() - given.size()), channel = -1, count = 0;
    for (auto [d, extent] : llvm::enumerate(given))
      if (extent != 1) {
        channel = missing + int64_t(d);
        ++count;
      }
    RankedTensorType type = tensorType(norm.getInput());
    int64_t axis = norm.getAxis();
    if (count != 1 || channel == 0)
      continue;
    SmallVector<int64_t> rows(type.getShape().take_front(axis));
    rows.push_back(int64_t(countRow(type, axis)));
    std::optional<FinerShape> finer = refine(shape, rows);
    if (!finer)
      continue;
    // Where the rows begin; they need a dimension of their own.
    int64_t rank = int64_t(finer->shape.size());
    int64_t start = llvm::count_if(finer->second, [&](int64_t d) { return d < axis; });
    if (start == rank || (!isUnit && type.getShape() != ArrayRef(finer->shape)))
      continue;
    bool isOfRows = llvm::is_contained(ArrayRef(finer->first).drop_front(start), channel);
    if ((!reshape && !isOfRows) || !spelling.whyNot().empty())
      continue;
    SmallVector<int64_t> parameterShape;
    for (int64_t d = 0; d < rank; ++d) {
      bool isChannel = finer->first[d] == channel;
      if (isChannel || !parameterShape.empty())
        parameterShape.push_back(isChannel ? finer->shape[d] : 1);
    }
    Location loc = spelling.getLoc();
    rewriter.setInsertionPoint(last);
    parameter = reshapeTo(rewriter, loc, parameter, parameterShape);
    Value input = reshapeTo(rewriter, loc, norm.getInput(), finer->shape);
    Value scale = isScale ? parameter : norm.getScale();
    if (!isScale && isUnit)
      scale = splat(rewriter, loc, RankedTensorType::get({}, type.getElementType()), 1);
    auto op = LayerNormOp::create(rewriter, loc, input, scale, isScale ? Value() : parameter,
                                  rewriter.getI64IntegerAttr(start), norm.getEpsilonAttr());
    bool isGroups = llvm::count(finer->first, channel) > 1 || !isOfRows;
    spelling.replace(rewriter, log, isGroups ? "group norm" : "layer norm", op,
                     reshapeTo(rewriter, loc, op.getY(), shape));
    return success();
  }
  return failure();
}

void ampc::addAffineRecovery(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<MulOp, AddOp>(patterns, log, recoverAffine);
}
