//===- GroupSums.cpp - Sums over groups of rows ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GroupSums.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

namespace ampc {

static bool isReductionLoop(linalg::GenericOp op, unsigned loop) {
  return op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction;
}

std::optional<Division> findDivision(linalg::GenericOp op, int64_t groups) {
  for (auto [loop, extent] : llvm::enumerate(op.getStaticLoopRanges())) {
    if (!isReductionLoop(op, loop))
      continue;
    if (groups != 1 && groups % extent == 0)
      groups /= extent;
    else if (extent > groups && extent % groups == 0)
      return Division{unsigned(loop), groups};
    else
      return std::nullopt;
  }
  return std::nullopt;
}

Operation *getSum(linalg::GenericOp op, unsigned result) {
  SmallVector<Operation *> combiners;
  if (!matchReduction(op.getRegionOutputArgs(), result, combiners) || combiners.size() != 1 ||
      !isa<arith::AddFOp, arith::AddIOp>(combiners[0]))
    return nullptr;
  OpFoldResult start = plan::getUniformValue(op.getDpsInits()[result]);
  bool isZero = isa_and_nonnull<Attribute>(start)
                    ? matchPattern(cast<Attribute>(start), m_AnyZeroFloat()) ||
                          matchPattern(cast<Attribute>(start), m_Zero())
                    : start && (matchPattern(cast<Value>(start), m_AnyZeroFloat()) ||
                                matchPattern(cast<Value>(start), m_Zero()));
  bool isPlain = llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) {
    return map.isProjectedPermutation(/*allowZeroInResults=*/true);
  });
  WalkResult indexed = op.getBody()->walk([](Operation *nested) {
    return isa<linalg::IndexOp, tensor::ExtractOp>(nested) ? WalkResult::interrupt()
                                                           : WalkResult::advance();
  });
  return isZero && isPlain && !indexed.wasInterrupted() ? combiners[0] : nullptr;
}

static Value zeros(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, Type elementType) {
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(elementType));
  Value empty = tensor::EmptyOp::create(b, loc, shape, elementType);
  return linalg::FillOp::create(b, loc, zero, empty).getResult(0);
}

/// Makes two dimensions of the one that `expr` of `map` reads, which is loop `loop`.
static Value expandOperand(OpBuilder &b, Location loc, Value tensor, AffineMap map, unsigned loop,
                           int64_t factor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<int64_t> shape;
  SmallVector<ReassociationIndices> groups;
  for (auto [size, expr] : llvm::zip(type.getShape(), map.getResults())) {
    int64_t extent = size;
    auto dim = dyn_cast<AffineDimExpr>(expr);
    ReassociationIndices &group = groups.emplace_back();
    if (dim && dim.getPosition() == loop) {
      group.push_back(shape.size());
      shape.push_back(factor);
      extent /= factor;
    }
    group.push_back(shape.size());
    shape.push_back(extent);
  }
  if (shape.size() == groups.size())
    return tensor;
  return tensor::ExpandShapeOp::create(b, loc, type.clone(shape), tensor, groups);
}

linalg::GenericOp addGroupsUp(OpBuilder &b, linalg::GenericOp op, ValueRange operands,
                                     Division division) {
  Location loc = op.getLoc();
  const bool divides = division.factor != 1;
  SmallVector<utils::IteratorType> kinds;
  SmallVector<int64_t> extents;
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray())) {
    int64_t extent = op.getStaticLoopRanges()[loop];
    if (divides && loop == division.loop) {
      kinds.push_back(utils::IteratorType::parallel);
      extents.push_back(division.factor);
      extent /= division.factor;
    }
    kinds.push_back(loop < division.loop ? utils::IteratorType::parallel : kind);
    extents.push_back(extent);
  }
  auto place = [&](unsigned loop) { return loop + (divides && loop >= division.loop); };
  auto exprsOf = [&](AffineMap map) {
    SmallVector<AffineExpr> exprs;
    for (AffineExpr expr : map.getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim) {
        exprs.push_back(expr);
        continue;
      }
      if (divides && dim.getPosition() == division.loop)
        exprs.push_back(b.getAffineDimExpr(division.loop));
      exprs.push_back(b.getAffineDimExpr(place(dim.getPosition())));
    }
    return exprs;
  };
  SmallVector<AffineExpr> groupExprs;
  SmallVector<int64_t> groupShape;
  for (unsigned loop = 0; loop <= division.loop; ++loop)
    if (isReductionLoop(op, loop) && (loop < division.loop || divides)) {
      groupExprs.push_back(b.getAffineDimExpr(loop));
      groupShape.push_back(extents[loop]);
    }
  SmallVector<AffineMap> maps;
  auto addMap = [&](ArrayRef<AffineExpr> exprs) {
    maps.push_back(AffineMap::get(extents.size(), 0, exprs, b.getContext()));
  };
  SmallVector<Value> inputs, inits;
  for (auto [operand, value] : llvm::zip(op.getDpsInputOperands(), operands)) {
    AffineMap map = op.getMatchingIndexingMap(operand);
    inputs.push_back(divides ? expandOperand(b, loc, value, map, division.loop, division.factor)
                             : value);
    addMap(exprsOf(map));
  }
  SmallVector<Type> types;
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<int64_t> shape(groupShape);
    llvm::append_range(shape, type.getShape());
    SmallVector<AffineExpr> exprs(groupExprs);
    llvm::append_range(exprs, exprsOf(op.getMatchingIndexingMap(op.getDpsInitOperand(i))));
    inits.push_back(zeros(b, loc, shape, type.getElementType()));
    types.push_back(inits.back().getType());
    addMap(exprs);
  }
  auto divided = linalg::GenericOp::create(b, loc, types, inputs, inits, maps, kinds);
  IRMapping inside;
  op.getRegion().cloneInto(&divided.getRegion(), inside);
  return divided;
}

Value addUp(OpBuilder &b, OpResult sum, Value groupSums) {
  auto op = cast<linalg::GenericOp>(sum.getOwner());
  Operation *combiner = getSum(op, sum.getResultNumber());
  auto type = cast<RankedTensorType>(sum.getType());
  int64_t loops = type.getRank() + 1;
  AffineMap all = b.getMultiDimIdentityMap(loops);
  SmallVector<utils::IteratorType> kinds(loops, utils::IteratorType::parallel);
  kinds[0] = utils::IteratorType::reduction;
  Value init = zeros(b, op.getLoc(), type.getShape(), type.getElementType());
  return linalg::GenericOp::create(
             b, op.getLoc(), type, groupSums, init, {all, all.dropResult(0)}, kinds,
             [&](OpBuilder &nested, Location loc, ValueRange arguments) {
               IRMapping map;
               map.map(combiner->getOperands(), arguments);
               linalg::YieldOp::create(nested, loc, nested.clone(*combiner, map)->getResults());
             })
      .getResult(0);
}

} // namespace ampc
