//===- ExpandMatMul.cpp - Small products as tensor ops --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ampc;
using namespace ampc::plan;

static Value emptyLike(OpBuilder &b, Location loc, RankedTensorType type) {
  return tensor::EmptyOp::create(b, loc, type.getShape(), type.getElementType());
}
static Value constant(OpBuilder &b, Location loc, Type type, double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
}
static Value widen(OpBuilder &b, Location loc, Value x, Type type) {
  return x.getType() == type ? x : arith::ExtFOp::create(b, loc, type, x);
}

/// The sums of products, in the accumulator's type.
static Value multiply(OpBuilder &builder, MatMulOp product, RankedTensorType type) {
  Location loc = product.getLoc();
  MLIRContext *context = builder.getContext();
  AffineExpr m, n, k;
  bindDims(context, m, n, k);
  auto map = [&](AffineExpr row, AffineExpr column, bool transposed) {
    SmallVector<AffineExpr> exprs{row, column};
    if (transposed)
      std::swap(exprs[0], exprs[1]);
    return AffineMap::get(3, 0, exprs, context);
  };
  SmallVector<AffineMap> maps{map(m, k, product.getTransposeLhs()),
                              map(k, n, product.getTransposeRhs()), map(m, n, false)};
  SmallVector<utils::IteratorType> iterators{
      utils::IteratorType::parallel, utils::IteratorType::parallel, utils::IteratorType::reduction};
  Value zero = constant(builder, loc, type.getElementType(), 0.0);
  Value init =
      linalg::FillOp::create(builder, loc, zero, emptyLike(builder, loc, type)).getResult(0);
  return linalg::GenericOp::create(
             builder, loc, type, ValueRange{product.getLhs(), product.getRhs()}, init, maps,
             iterators,
             [&](OpBuilder &b, Location at, ValueRange x) {
               Value y = arith::MulFOp::create(b, at, widen(b, at, x[0], x[2].getType()),
                                               widen(b, at, x[1], x[2].getType()));
               linalg::YieldOp::create(b, at, arith::AddFOp::create(b, at, y, x[2]).getResult());
             })
      .getResult(0);
}

/// Whether a thread for each element is done before a launch would be. Each reads its row
/// and column from the cache, so the inner dimension must be short.
bool MatMulOp::isShorterThanLaunch() {
  auto lhs = cast<RankedTensorType>(getLhs().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (result.getRank() != 2 || result.getNumElements() == 0 || getSums())
    return false;
  int64_t inner = lhs.getDimSize(getTransposeLhs() ? 0 : 1);
  constexpr int64_t kLongestInner = 32, kMostProducts = 1 << 19;
  return inner != 0 && inner <= kLongestInner && result.getNumElements() <= kMostProducts / inner;
}

SmallVector<Value> MatMulOp::expand(OpBuilder &builder) {
  Location loc = getLoc();
  auto result = cast<RankedTensorType>(getResult().getType());
  Type accumulator = result.getElementType().isF64() ? builder.getF64Type() : builder.getF32Type();
  auto sums = RankedTensorType::get(result.getShape(), accumulator);
  Value sum = multiply(builder, *this, sums);

  // alpha * sum + bias, rounded once.
  SmallVector<Value> inputs{sum};
  AffineMap identity = builder.getMultiDimIdentityMap(2);
  SmallVector<AffineMap> maps{identity};
  if (getBias()) {
    inputs.push_back(getBias());
    maps.push_back(AffineMap::getMinorIdentityMap(2, 1, builder.getContext()));
  }
  maps.push_back(identity);
  SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
  auto finish = linalg::GenericOp::create(
      builder, loc, result, inputs, emptyLike(builder, loc, result), maps, iterators,
      [&](OpBuilder &b, Location at, ValueRange x) {
        Value y = x[0];
        if (!getAlpha().isExactlyValue(1.0))
          y = arith::MulFOp::create(b, at, y,
                                    constant(b, at, accumulator, getAlpha().convertToDouble()));
        if (getBias())
          y = arith::AddFOp::create(b, at, y, widen(b, at, x[1], accumulator));
        if (getEpilogue() == Epilogue::Relu)
          y = arith::MaximumFOp::create(b, at, y, constant(b, at, accumulator, 0.0));
        if (result.getElementType() != accumulator)
          y = arith::TruncFOp::create(b, at, result.getElementType(), y);
        linalg::YieldOp::create(b, at, y);
      });
  return {finish.getResult(0)};
}
