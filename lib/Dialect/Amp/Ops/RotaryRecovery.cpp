//===- RotaryRecovery.cpp - Rotations that files spell out ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A rotary embedding turns pairs of elements: (cos * x1 - sin * x2, sin * x1 + cos * x2), where a
// pair is the same place of two halves, or two neighbours. Files turn all elements at once:
// x * cos + turned * sin, where `turned` has -x2 in the place of x1 and x1 in that of x2.
//
//===----------------------------------------------------------------------===//

#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Sequence.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

static constexpr StringRef kKind = "rotary embedding";

namespace {
/// Every `step`th element of the last dimension, `half` of them.
struct Part {
  int64_t start = 0, step = 1;
};
} // namespace

/// Which part of `x` a value is.
static std::optional<Part> takePart(Spelling &spelling, Value value, Value x) {
  int64_t rank = tensorType(x).getRank();
  if (auto split = value.getDefiningOp<SplitOp>()) {
    if (split.getInput() != x || int64_t(split.getAxis()) != rank - 1)
      return std::nullopt;
    Part part;
    for (Value result : split.getResults()) {
      if (result == value)
        break;
      part.start += tensorType(result).getShape().back();
    }
    spelling.takeOp(split);
    return part;
  }
  auto slice = spelling.take<SliceOp>(value);
  if (!slice || slice.getInput() != x)
    return std::nullopt;
  for (int64_t d = 0; d < rank - 1; ++d)
    if (slice.getSizes()[d] != tensorType(x).getDimSize(d) || slice.getStarts()[d] != 0)
      return std::nullopt;
  return Part{slice.getStarts().back(), slice.getSteps().back()};
}

/// Whether `turned` is x with (-x2, x1) for (x1, x2); `step` is 1 for halves, 2 for neighbours.
static bool takeTurned(Spelling &spelling, Value turned, Value x, int64_t &step) {
  RankedTensorType type = tensorType(x);
  if (turned.getType() != type || type.getRank() == 0 || type.getShape().back() % 2 != 0)
    return false;
  auto reshape = spelling.take<ReshapeOp>(turned);
  auto concat = spelling.take<ConcatOp>(reshape ? reshape.getInput() : turned);
  if (!concat || concat.getInputs().size() != 2)
    return false;
  int64_t half = type.getShape().back() / 2;
  Value parts[] = {concat.getInputs()[0], concat.getInputs()[1]};
  step = 1;
  if (reshape) {
    // [.., half, 1] twice, and the pairs behind one another
    SmallVector<int64_t> pairs(type.getShape());
    pairs.back() = half;
    pairs.push_back(2);
    if (tensorType(concat).getShape() != ArrayRef(pairs) ||
        int64_t(concat.getAxis()) != type.getRank())
      return false;
    step = 2;
    for (Value &part : parts) {
      auto column = spelling.take<ReshapeOp>(part);
      if (!column)
        return false;
      part = column.getInput();
    }
  } else if (int64_t(concat.getAxis()) != type.getRank() - 1) {
    return false;
  }
  auto negated = spelling.take<NegOp>(parts[0]);
  if (!negated)
    return false;
  std::optional<Part> second = takePart(spelling, negated.getInput(), x);
  std::optional<Part> first = takePart(spelling, parts[1], x);
  return first && second && first->start == 0 && second->start == (step == 1 ? half : 1) &&
         first->step == step && second->step == step &&
         tensorType(parts[1]).getShape().back() == half;
}

static LogicalResult recoverRotary(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  auto sum = cast<AddOp>(last);
  RankedTensorType type = sum.getType();
  if (!isa<FloatType>(type.getElementType()) || type.getRank() == 0)
    return failure();
  auto left = sum.getLhs().getDefiningOp<MulOp>(), right = sum.getRhs().getDefiningOp<MulOp>();
  if (!left || !right)
    return failure();
  for (auto [first, second] : {std::pair(left, right), std::pair(right, left)})
    for (auto [turned, sine] :
         {std::pair(second.getLhs(), second.getRhs()), std::pair(second.getRhs(), second.getLhs())})
      for (auto [x, cosine] :
           {std::pair(first.getLhs(), first.getRhs()), std::pair(first.getRhs(), first.getLhs())}) {
        Spelling spelling(last);
        spelling.takeOp(first);
        spelling.takeOp(second);
        int64_t step = 1;
        if (x.getType() != type || !takeTurned(spelling, turned, x, step))
          continue;
        if (std::string why = spelling.whyNot(); !why.empty()) {
          log.miss(last, kKind, why);
          return failure();
        }
        Location loc = spelling.getLoc();
        rewriter.setInsertionPoint(last);
        // A part of an operand that may broadcast.
        int64_t half = type.getShape().back() / 2;
        auto partOf = [&](Value value, int64_t which) -> Value {
          RankedTensorType from = tensorType(value);
          if (from.getRank() == 0 || from.getShape().back() == 1)
            return value;
          SmallVector<int64_t> starts(from.getRank(), 0), sizes(from.getShape());
          SmallVector<int64_t> steps(from.getRank(), 1);
          starts.back() = step == 1 ? which * half : which;
          sizes.back() = half;
          steps.back() = step;
          return SliceOp::create(rewriter, loc, value, starts, sizes, steps);
        };
        Value x1 = partOf(x, 0), x2 = partOf(x, 1);
        auto multiply = [&](Value a, Value b) -> Value {
          return MulOp::create(rewriter, loc, a, b);
        };
        Value parts[] = {SubOp::create(rewriter, loc, multiply(partOf(cosine, 0), x1),
                                       multiply(partOf(sine, 0), x2)),
                         AddOp::create(rewriter, loc, multiply(partOf(sine, 1), x1),
                                       multiply(partOf(cosine, 1), x2))};
        if (step == 2) {
          SmallVector<int64_t> column(type.getShape());
          column.back() = half;
          column.push_back(1);
          for (Value &part : parts)
            part = reshapeTo(rewriter, loc, part, column);
        }
        auto joined = ConcatOp::create(rewriter, loc, ValueRange(parts),
                                       type.getRank() - (step == 1 ? 1 : 0));
        Value result = reshapeTo(rewriter, loc, joined, type.getShape());
        spelling.replace(rewriter, log, kKind, joined, result);
        return success();
      }
  return failure();
}

void ConcatOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<AddOp>(patterns, log, recoverRotary);
}
