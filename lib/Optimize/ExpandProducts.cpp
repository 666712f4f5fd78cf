//===- ExpandProducts.cpp - Compute small products in kernels of ours ---===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Passes.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_EXPANDPRODUCTS
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct ExpandProducts : impl::ExpandProductsBase<ExpandProducts> {
  using ExpandProductsBase::ExpandProductsBase;

  void runOnOperation() override {
    // On the host a call costs next to nothing, and a library knows the caches.
    if (target == Target::Host)
      return;
    SmallVector<plan::MatMulOp> products;
    getOperation().walk([&](plan::MatMulOp product) {
      if (isShorterThanLaunch(product) && feedsOneElementwiseOp(product))
        products.push_back(product);
    });
    for (plan::MatMulOp product : products)
      expand(product);
  }

private:
  /// Whether a thread for each element is done before a launch would be. Each reads its row
  /// and column from the cache, so the inner dimension must be short.
  static bool isShorterThanLaunch(plan::MatMulOp product) {
    auto lhs = cast<RankedTensorType>(product.getLhs().getType());
    auto result = cast<RankedTensorType>(product.getResult().getType());
    if (result.getRank() != 2 || result.getNumElements() == 0)
      return false;
    int64_t inner = lhs.getDimSize(product.getTransposeLhs() ? 0 : 1);
    constexpr int64_t kLongestInner = 32, kMostProducts = 1 << 19;
    return inner != 0 && inner <= kLongestInner && result.getNumElements() <= kMostProducts / inner;
  }

  /// Whether the result goes into one elementwise op and nowhere else: the launch that a
  /// library would save is the one that is left over.
  static bool feedsOneElementwiseOp(plan::MatMulOp product) {
    if (!product->hasOneUse())
      return false;
    OpOperand &use = *product->use_begin();
    auto next = dyn_cast<linalg::GenericOp>(use.getOwner());
    return next && !next.isDpsInit(&use) && next.getNumParallelLoops() == next.getNumLoops() &&
           next.getMatchingIndexingMap(&use).isIdentity();
  }

  static void expand(plan::MatMulOp product) {
    IRRewriter rewriter(product);
    Location loc = product.getLoc();
    auto result = cast<RankedTensorType>(product.getResult().getType());
    Type accumulator =
        result.getElementType().isF64() ? rewriter.getF64Type() : rewriter.getF32Type();
    auto sums = RankedTensorType::get(result.getShape(), accumulator);
    Value sum = multiply(rewriter, product, sums);

    // alpha * sum + bias, rounded once.
    SmallVector<Value> inputs{sum};
    AffineMap identity = rewriter.getMultiDimIdentityMap(2);
    SmallVector<AffineMap> maps{identity};
    if (product.getBias()) {
      inputs.push_back(product.getBias());
      maps.push_back(AffineMap::getMinorIdentityMap(2, 1, rewriter.getContext()));
    }
    maps.push_back(identity);
    SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
    auto finish = linalg::GenericOp::create(
        rewriter, loc, result, inputs, emptyLike(rewriter, loc, result), maps, iterators,
        [&](OpBuilder &b, Location at, ValueRange x) {
          Value y = x[0];
          if (!product.getAlpha().isExactlyValue(1.0))
            y = arith::MulFOp::create(
                b, at, y, constant(b, at, accumulator, product.getAlpha().convertToDouble()));
          if (product.getBias())
            y = arith::AddFOp::create(b, at, y, widen(b, at, x[1], accumulator));
          if (product.getEpilogue() == plan::Epilogue::Relu)
            y = arith::MaximumFOp::create(b, at, y, constant(b, at, accumulator, 0.0));
          if (result.getElementType() != accumulator)
            y = arith::TruncFOp::create(b, at, result.getElementType(), y);
          linalg::YieldOp::create(b, at, y);
        });
    rewriter.replaceOp(product, finish.getResults());
  }

  /// The sums of products, in the accumulator's type.
  static Value multiply(OpBuilder &builder, plan::MatMulOp product, RankedTensorType type) {
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
    SmallVector<utils::IteratorType> iterators{utils::IteratorType::parallel,
                                               utils::IteratorType::parallel,
                                               utils::IteratorType::reduction};
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

  static Value emptyLike(OpBuilder &b, Location loc, RankedTensorType type) {
    return tensor::EmptyOp::create(b, loc, type.getShape(), type.getElementType());
  }
  static Value constant(OpBuilder &b, Location loc, Type type, double value) {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
  }
  static Value widen(OpBuilder &b, Location loc, Value x, Type type) {
    return x.getType() == type ? x : arith::ExtFOp::create(b, loc, type, x);
  }
};
} // namespace
} // namespace ampc
