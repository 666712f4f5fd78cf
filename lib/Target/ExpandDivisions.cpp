//===- ExpandDivisions.cpp - Divisions without an instruction -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "KernelBody.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_EXPANDDIVISIONS
#include "ampc/Target/Passes.h.inc"

namespace {

/// x / c as q = x * (1 / c), corrected by what q * c misses of x (P. Markstein, "Computation of
/// elementary functions on the IBM RISC System/6000 processor", 1990): rounded as the division
/// is, but where the quotient or what is missed underflows.
///
/// The difference is q * c - x and not x - q * c, which would lose the sign of a zero. Where q
/// is not finite, as for an infinite x, the difference has no value, and q is the answer.
struct ExpandDivisionByConstant : OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::DivFOp op, PatternRewriter &b) const final {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32())
      return b.notifyMatchFailure(op, "not f32");
    // Of both signs LLVM makes a product where the reciprocal is exact. The range keeps the
    // reciprocal far from what f32 cannot hold.
    APFloat divisor(0.0f);
    const APFloat least(0x1p-64f), most(0x1p64f);
    if (!matchPattern(op.getRhs(), m_ConstantFloat(&divisor)) || divisor < least ||
        divisor > most || divisor.getExactInverse(nullptr))
      return b.notifyMatchFailure(op, "not by a constant that has a rounded reciprocal");
    Location loc = op.getLoc();
    auto constant = [&](const APFloat &value) -> Value {
      TypedAttr attr = b.getFloatAttr(b.getF32Type(), value);
      if (auto shaped = dyn_cast<ShapedType>(type))
        attr = DenseElementsAttr::get(shaped, Attribute(attr));
      return arith::ConstantOp::create(b, loc, attr);
    };
    APFloat inverse(1.0f);
    inverse.divide(divisor, APFloat::rmNearestTiesToEven);
    Value reciprocal = constant(inverse);
    Value quotient = arith::MulFOp::create(b, loc, op.getLhs(), reciprocal);
    Value negated = arith::NegFOp::create(b, loc, op.getLhs());
    Value surplus = math::FmaOp::create(b, loc, quotient, op.getRhs(), negated);
    Value missing = arith::NegFOp::create(b, loc, surplus);
    Value corrected = math::FmaOp::create(b, loc, missing, reciprocal, quotient);
    Value isFinite = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT,
                                           math::AbsFOp::create(b, loc, quotient),
                                           constant(APFloat::getInf(APFloat::IEEEsingle())));
    b.replaceOpWithNewOp<arith::SelectOp>(op, isFinite, corrected, quotient);
    return success();
  }
};

struct ExpandDivisions : impl::ExpandDivisionsBase<ExpandDivisions> {
  using ExpandDivisionsBase::ExpandDivisionsBase;
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    if (byConstants)
      patterns.add<ExpandDivisionByConstant>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), kernelRewriteConfig())))
      signalPassFailure();
  }
};
} // namespace
} // namespace ampc
