//===- ExpandNarrowFloats.cpp - f16 and bf16 through f32 ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "KernelBody.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_EXPANDNARROWFLOATS
#include "ampc/Target/Passes.h.inc"

namespace {

bool isNarrow(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16();
}

/// Integer arithmetic on scalars or on vectors of the shape of `like`.
class Words {
public:
  Words(OpBuilder &b, Location loc, Type like) : b(b), loc(loc), like(like) {}

  Type typed(Type element) {
    auto shaped = dyn_cast<ShapedType>(like);
    return shaped ? Type(shaped.clone(element)) : element;
  }
  Value constant(uint32_t v) {
    TypedAttr attr = b.getI32IntegerAttr(int32_t(v));
    if (auto shaped = dyn_cast<ShapedType>(typed(attr.getType())))
      attr = DenseElementsAttr::get(shaped, Attribute(attr));
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value bits(Value x) { return arith::BitcastOp::create(b, loc, typed(b.getI32Type()), x); }
  Value fromBits(Value x, Type element) {
    return arith::BitcastOp::create(b, loc, typed(element), x);
  }
  template <typename OpTy>
  Value op(Value x, uint32_t c) {
    return OpTy::create(b, loc, x, constant(c));
  }
  template <typename OpTy>
  Value op(Value x, Value y) {
    return OpTy::create(b, loc, x, y);
  }
  Value compare(arith::CmpIPredicate predicate, Value x, uint32_t c) {
    return arith::CmpIOp::create(b, loc, predicate, x, constant(c));
  }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
  Value truncate(Value x, Type element) {
    return arith::TruncIOp::create(b, loc, typed(element), x);
  }
  Value extend(Value x) { return arith::ExtUIOp::create(b, loc, typed(b.getI32Type()), x); }

  OpBuilder &b;
  Location loc;
  Type like;
};

/// f32 to bf16, to nearest even. Stays in i32 to the end: a comparison of
/// floats with a choice among i16, as upstream expands it, LLVM takes apart
/// into scalars on x86.
Value roundToBf16(Words &w, Value x) {
  Value bits = w.bits(x);
  Value odd = w.op<arith::AndIOp>(w.op<arith::ShRUIOp>(bits, 16), 1);
  Value rounded = w.op<arith::AddIOp>(bits, w.op<arith::AddIOp>(odd, 0x7fff));
  Value size = w.op<arith::AndIOp>(bits, 0x7fffffff);
  Value isNan = w.compare(arith::CmpIPredicate::sgt, size, 0x7f800000);
  Value quiet = w.op<arith::OrIOp>(bits, 0x400000);
  Value word = w.op<arith::ShRUIOp>(w.select(isNan, quiet, rounded), 16);
  return w.fromBits(w.truncate(word, w.b.getI16Type()), w.b.getBF16Type());
}

Value addFloats(Words &w, Value x, uint32_t bits) {
  Value addend = w.fromBits(w.constant(bits), w.b.getF32Type());
  return w.bits(arith::AddFOp::create(w.b, w.loc, w.fromBits(x, w.b.getF32Type()), addend));
}

/// f32 to f16, to nearest even, for processors without an instruction for it.
Value roundToF16(Words &w, Value x) {
  Value bits = w.bits(x);
  Value size = w.op<arith::AndIOp>(bits, 0x7fffffff);
  // Normal: the exponent's bias changes by 112; a carry of the mantissa, up to
  // infinity, runs into the exponent.
  Value odd = w.op<arith::AndIOp>(w.op<arith::ShRUIOp>(size, 13), 1);
  Value normal = w.op<arith::AddIOp>(size, uint32_t(-(112 << 23)) + 0xfff);
  normal = w.op<arith::ShRUIOp>(w.op<arith::AddIOp>(normal, odd), 13);
  // Below 2^-14: added to 1/2, whose last bit is worth what that of a subnormal
  // f16 is, the sum rounds as it should.
  Value small = w.op<arith::SubIOp>(addFloats(w, size, 0x3f000000), 0x3f000000);
  // From 2^16 on, infinity; a NaN becomes quiet and keeps its upper bits.
  Value payload = w.op<arith::AndIOp>(w.op<arith::ShRUIOp>(size, 13), 0x3ff);
  Value nan = w.op<arith::OrIOp>(payload, 0x7e00);
  Value isNan = w.compare(arith::CmpIPredicate::sgt, size, 0x7f800000);
  Value large = w.select(isNan, nan, w.constant(0x7c00));
  Value isSmall = w.compare(arith::CmpIPredicate::slt, size, 113 << 23);
  Value isLarge = w.compare(arith::CmpIPredicate::sge, size, 143 << 23);
  Value word = w.select(isLarge, large, w.select(isSmall, small, normal));
  Value sign = w.op<arith::AndIOp>(w.op<arith::ShRUIOp>(bits, 16), 0x8000);
  word = w.op<arith::OrIOp>(word, sign);
  return w.fromBits(w.truncate(word, w.b.getI16Type()), w.b.getF16Type());
}

/// f16 to f32, exactly.
Value extendF16(Words &w, Value x) {
  Value half = w.extend(w.fromBits(x, w.b.getI16Type()));
  Value size = w.op<arith::ShLIOp>(w.op<arith::AndIOp>(half, 0x7fff), 13);
  Value normal = w.op<arith::AddIOp>(size, 112 << 23);
  // Infinity and NaN, which becomes quiet.
  Value isNan = w.compare(arith::CmpIPredicate::sgt, size, 0x7c00 << 13);
  Value special = w.op<arith::OrIOp>(size, 0x7f800000);
  special = w.select(isNan, w.op<arith::OrIOp>(special, 0x400000), special);
  // A subnormal is its mantissa times 2^-24: what 2^-14 is larger by.
  Value small = addFloats(w, w.op<arith::AddIOp>(size, 113 << 23), 0xb8800000);
  Value isSpecial = w.compare(arith::CmpIPredicate::sge, size, 0x7c00 << 13);
  Value isSmall = w.compare(arith::CmpIPredicate::slt, size, 0x400 << 13);
  Value bits = w.select(isSpecial, special, w.select(isSmall, small, normal));
  Value sign = w.op<arith::ShLIOp>(w.op<arith::AndIOp>(half, 0x8000), 16);
  return w.fromBits(w.op<arith::OrIOp>(bits, sign), w.b.getF32Type());
}

/// f64 to f32, to odd: the neighbour towards zero, with the last bit set where
/// something was lost. Rounding that to a format with fewer bits gives what one
/// rounding of the f64 gives, where two roundings to nearest may differ.
Value roundToOdd(Words &w, Value x) {
  OpBuilder &b = w.b;
  Value near = arith::TruncFOp::create(b, w.loc, w.typed(b.getF32Type()), x);
  Value back = arith::ExtFOp::create(b, w.loc, x.getType(), near);
  // Absolute values as integers, so that an infinite `near` counts as too
  // large.
  Type i64 = w.typed(b.getI64Type());
  auto magnitude = [&](Value v) -> Value {
    TypedAttr mask = b.getI64IntegerAttr(std::numeric_limits<int64_t>::max());
    if (auto shaped = dyn_cast<ShapedType>(i64))
      mask = DenseElementsAttr::get(shaped, Attribute(mask));
    Value bits = arith::BitcastOp::create(b, w.loc, i64, v);
    return arith::AndIOp::create(b, w.loc, bits, arith::ConstantOp::create(b, w.loc, mask));
  };
  Value exact = magnitude(x), got = magnitude(back);
  Value tooLarge = arith::CmpIOp::create(b, w.loc, arith::CmpIPredicate::ugt, got, exact);
  // Ordered and different: a NaN is left alone.
  Value inexact = arith::CmpFOp::create(b, w.loc, arith::CmpFPredicate::ONE, back, x);
  Value bits = w.bits(near);
  Value truncated = w.select(tooLarge, w.op<arith::SubIOp>(bits, 1), bits);
  return w.fromBits(w.select(inexact, w.op<arith::OrIOp>(truncated, 1), bits), b.getF32Type());
}

struct ExpandTrunc : OpRewritePattern<arith::TruncFOp> {
  ExpandTrunc(MLIRContext *context, bool hasF16) : OpRewritePattern(context), hasF16(hasF16) {}
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &b) const final {
    Value x = op.getIn();
    Type from = getElementTypeOrSelf(x.getType()), to = getElementTypeOrSelf(op.getType());
    Words w(b, op.getLoc(), x.getType());
    if (from.isF64() && isNarrow(to)) {
      b.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), roundToOdd(w, x));
      return success();
    }
    if (from.isF32() && to.isBF16()) {
      b.replaceOp(op, roundToBf16(w, x));
      return success();
    }
    if (from.isF32() && to.isF16() && !hasF16) {
      b.replaceOp(op, roundToF16(w, x));
      return success();
    }
    return b.notifyMatchFailure(op, "native");
  }

  bool hasF16;
};

struct ExpandExt : OpRewritePattern<arith::ExtFOp> {
  ExpandExt(MLIRContext *context, bool hasF16) : OpRewritePattern(context), hasF16(hasF16) {}
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &b) const final {
    Value x = op.getIn();
    Type from = getElementTypeOrSelf(x.getType()), to = getElementTypeOrSelf(op.getType());
    Words w(b, op.getLoc(), x.getType());
    if (to.isF64() && isNarrow(from)) {
      Value middle = arith::ExtFOp::create(b, op.getLoc(), w.typed(b.getF32Type()), x);
      b.replaceOpWithNewOp<arith::ExtFOp>(op, op.getType(), middle);
      return success();
    }
    if (from.isF16() && to.isF32() && !hasF16) {
      b.replaceOp(op, extendF16(w, x));
      return success();
    }
    if (!from.isBF16() || !to.isF32())
      return b.notifyMatchFailure(op, "native");
    Value half = arith::BitcastOp::create(b, op.getLoc(), w.typed(b.getI16Type()), x);
    Value bits = w.op<arith::ShLIOp>(w.extend(half), 16);
    b.replaceOp(op, w.fromBits(bits, b.getF32Type()));
    return success();
  }

  bool hasF16;
};

/// Integers to a narrow type: by way of a type that holds them exactly, up to
/// 53 bits.
template <typename OpTy>
struct ExpandFromInteger : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &b) const final {
    if (!isNarrow(op.getType()))
      return b.notifyMatchFailure(op, "native");
    Words w(b, op.getLoc(), op.getType());
    unsigned bits = getElementTypeOrSelf(op.getIn().getType()).getIntOrFloatBitWidth();
    Type wide = w.typed(bits <= 24 ? Type(b.getF32Type()) : Type(b.getF64Type()));
    Value middle = OpTy::create(b, op.getLoc(), wide, op.getIn());
    b.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), middle);
    return success();
  }
};

template <typename OpTy>
struct ExpandToInteger : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &b) const final {
    if (!isNarrow(op.getIn().getType()))
      return b.notifyMatchFailure(op, "native");
    Words w(b, op.getLoc(), op.getIn().getType());
    Value wide = arith::ExtFOp::create(b, op.getLoc(), w.typed(b.getF32Type()), op.getIn());
    b.replaceOpWithNewOp<OpTy>(op, op.getType(), wide);
    return success();
  }
};

/// Whether `op` computes in a narrow type, rather than moving or converting it.
bool computesNarrow(Operation *op) {
  if (isa<arith::BitcastOp, arith::ConstantOp, arith::ExtFOp, arith::SelectOp, arith::TruncFOp,
          arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp, arith::FPToUIOp>(op))
    return false;
  if (!isa<arith::ArithDialect>(op->getDialect()) && !isa<vector::ReductionOp, vector::FMAOp>(op))
    return false;
  return llvm::any_of(op->getOperandTypes(), isNarrow);
}

/// Has upstream's conversion compute in f32 what computes in a narrow type.
LogicalResult widenArithmetic(Operation *root) {
  MLIRContext *context = root->getContext();
  TypeConverter converter;
  Type narrow[] = {Float16Type::get(context), BFloat16Type::get(context)};
  arith::populateEmulateUnsupportedFloatsConversions(converter, narrow, Float32Type::get(context));
  RewritePatternSet patterns(context);
  arith::populateEmulateUnsupportedFloatsPatterns(patterns, converter);
  ConversionTarget target(*context);
  arith::populateEmulateUnsupportedFloatsLegality(target, converter);
  return applyPartialConversion(root, target, std::move(patterns));
}

struct ExpandNarrowFloats : impl::ExpandNarrowFloatsBase<ExpandNarrowFloats> {
  using ExpandNarrowFloatsBase::ExpandNarrowFloatsBase;

  void runOnOperation() final {
    Operation *root = getOperation();
    // Kernels compute in f32 as a rule, and are spared the conversion.
    WalkResult computes = root->walk([](Operation *op) {
      return computesNarrow(op) ? WalkResult::interrupt() : WalkResult::advance();
    });
    // The conversion would take integers through f32: expanded first.
    if (failed(expand(root)) ||
        (computes.wasInterrupted() && (failed(widenArithmetic(root)) || failed(expand(root)))))
      signalPassFailure();
  }

  LogicalResult expand(Operation *root) {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandTrunc, ExpandExt>(&getContext(), hasF16);
    patterns.add<ExpandFromInteger<arith::SIToFPOp>, ExpandFromInteger<arith::UIToFPOp>,
                 ExpandToInteger<arith::FPToSIOp>, ExpandToInteger<arith::FPToUIOp>>(&getContext());
    return applyPatternsGreedily(root, std::move(patterns), kernelRewriteConfig());
  }
};

} // namespace
} // namespace ampc
