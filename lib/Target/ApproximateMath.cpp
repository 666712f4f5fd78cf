//===- ApproximateMath.cpp - f32 math functions as polynomials ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Coefficients are minimax fits (Remez) of the function named beside them,
// rounded to f32; test/Target measures the error of every function over a dense
// sweep.
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "KernelBody.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_APPROXIMATEMATH
#include "ampc/Target/Passes.h.inc"

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Arithmetic on f32, on scalars or on vectors of one shape.
class F32 {
public:
  F32(OpBuilder &b, Location loc, Type like) : b(b), loc(loc), like(like) {}

  Value constant(float v) { return splat(b.getF32FloatAttr(v)); }
  Value word(int32_t v) { return splat(b.getI32IntegerAttr(v)); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, loc, x, y, z); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  Value copySign(Value x, Value sign) { return math::CopySignOp::create(b, loc, x, sign); }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
  Value less(Value x, Value y) { return compare(arith::CmpFPredicate::OLT, x, y); }
  Value equal(Value x, Value y) { return compare(arith::CmpFPredicate::OEQ, x, y); }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }

  Value bits(Value x) { return arith::BitcastOp::create(b, loc, typed(b.getI32Type()), x); }
  Value fromBits(Value x) { return arith::BitcastOp::create(b, loc, typed(b.getF32Type()), x); }
  Value addWord(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value subWord(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value shiftLeft(Value x, int n) { return arith::ShLIOp::create(b, loc, x, word(n)); }
  Value shiftRight(Value x, int n) { return arith::ShRSIOp::create(b, loc, x, word(n)); }
  Value isZeroWord(Value x) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, word(0));
  }
  Value toFloat(Value x) { return arith::SIToFPOp::create(b, loc, typed(b.getF32Type()), x); }

  /// x within [low, high]; NaN stays.
  Value clamp(Value x, float low, float high) {
    Value lowest = constant(low), highest = constant(high);
    x = select(less(x, lowest), lowest, x);
    return select(less(highest, x), highest, x);
  }
  /// c[0] + c[1] x + c[2] x^2 + ...
  Value polynomial(Value x, ArrayRef<float> c) {
    Value sum = constant(c.back());
    for (float a : llvm::reverse(c.drop_back()))
      sum = fma(sum, x, constant(a));
    return sum;
  }
  /// 2^n for n in [-126, 127].
  Value powerOfTwo(Value n) { return fromBits(shiftLeft(addWord(n, word(127)), 23)); }
  /// x 2^n for n in [-252, 254]; two steps, because 2^n need not be an f32.
  Value scale(Value x, Value n) {
    Value half = shiftRight(n, 1);
    return mul(mul(x, powerOfTwo(half)), powerOfTwo(subWord(n, half)));
  }

  /// x = n ln 2 + r with |r| <= ln(2) / 2.
  struct Reduced {
    Value n, r;
  };
  /// |x| < 2^22. The sum with 1.5 * 2^23 rounds to an integer, in its low bits.
  Reduced reduceByLn2(Value x) {
    Value magic = constant(kRounder);
    Value shifted = fma(x, constant(1.44269502f), magic), n = sub(shifted, magic);
    Value r = fma(n, constant(-0.693147182f), x);
    r = fma(n, constant(1.90465421e-09f), r);
    return {subWord(bits(shifted), bits(magic)), r};
  }
  /// e^r - 1 for |r| <= ln(2) / 2, as r + r^2 Q(r).
  Value expM1Reduced(Value r) {
    Value q = polynomial(r, {0.5f, 0.166665763f, 0.0416663736f, 0.00836323481f, 0.00139412179f});
    return fma(mul(r, r), q, r);
  }

  /// x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), and y = log(1 + f) -
  /// f.
  struct LogParts {
    Value e, f, y;
  };
  LogParts logParts(Value x) {
    Value tiny = less(x, constant(std::numeric_limits<float>::min()));
    Value b = bits(select(tiny, mul(x, constant(0x1p23f)), x));
    // Subtracting sqrt(1/2) makes the exponent's field count from there.
    Value e = shiftRight(subWord(b, word(0x3f3504f3)), 23);
    Value f = sub(fromBits(subWord(b, shiftLeft(e, 23))), constant(1));
    e = toFloat(select(tiny, subWord(e, word(23)), e));
    // log(1 + f) = f - f^2 / 2 + f^3 P(f)
    Value p = polynomial(f, {0.333333313f, -0.249999806f, 0.200006887f, -0.166691512f, 0.142511562f,
                             -0.123966999f, 0.116346613f, -0.116599336f, 0.0733253881f});
    Value f2 = mul(f, f);
    return {e, f, fma(f2, constant(-0.5f), mul(mul(p, f), f2))};
  }
  /// `y`, where x is positive and finite, else the logarithm's limits.
  Value withLogLimits(Value x, Value y) {
    Value zero = constant(0), infinity = constant(kInfinity);
    Value regular = both(less(zero, x), less(x, infinity));
    Value nan = constant(std::numeric_limits<float>::quiet_NaN());
    Value limit = select(less(x, zero), nan, x); // NaN and infinity are their own
    limit = select(equal(x, zero), constant(-kInfinity), limit);
    return select(regular, y, limit);
  }

  Value exp(Value x);
  Value exp2(Value x);
  Value expM1(Value x);
  Value log(Value x);
  Value log2(Value x);
  Value log10(Value x);
  Value log1p(Value x);
  Value tanh(Value x);
  Value erf(Value x);

private:
  static constexpr float kRounder = 0x1.8p23f;

  Type typed(Type element) {
    auto shaped = dyn_cast<ShapedType>(like);
    return shaped ? Type(shaped.clone(element)) : element;
  }
  Value splat(TypedAttr value) {
    if (auto shaped = dyn_cast<ShapedType>(typed(value.getType())))
      value = DenseElementsAttr::get(shaped, Attribute(value));
    return arith::ConstantOp::create(b, loc, value);
  }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }

  OpBuilder &b;
  Location loc;
  Type like;
};

Value F32::exp(Value x) {
  // Beyond these the result is 0 or infinity.
  auto [n, r] = reduceByLn2(clamp(x, -104.0f, 89.0f));
  return scale(add(expM1Reduced(r), constant(1)), n);
}

Value F32::exp2(Value x) {
  x = clamp(x, -151.0f, 129.0f);
  Value magic = constant(kRounder), shifted = add(x, magic);
  Value r = mul(sub(x, sub(shifted, magic)), constant(0.693147182f));
  return scale(add(expM1Reduced(r), constant(1)), subWord(bits(shifted), bits(magic)));
}

Value F32::expM1(Value x) {
  // Below -20 the result rounds to -1.
  auto [n, r] = reduceByLn2(clamp(x, -20.0f, 89.0f));
  Value p = expM1Reduced(r);
  // 2^n p + 2^n - 1, halved on the way: 2^128 is no f32.
  Value half = powerOfTwo(subWord(n, word(1)));
  Value sum = fma(half, p, sub(half, constant(0.5f)));
  // Halving would cost a subnormal result its last bit.
  return copySign(select(isZeroWord(n), p, add(sum, sum)), x);
}

Value F32::log(Value x) {
  auto [e, f, y] = logParts(x);
  // ln 2 in two parts; the product with the first one is exact.
  y = fma(e, constant(-0.000212194442f), y);
  return withLogLimits(x, fma(e, constant(0.693359375f), add(f, y)));
}

Value F32::log2(Value x) {
  auto [e, f, y] = logParts(x);
  Value ln = add(f, y);
  Value scaled = fma(ln, constant(1.44269502f), mul(ln, constant(1.92596303e-08f)));
  return withLogLimits(x, add(e, scaled));
}

Value F32::log10(Value x) {
  auto [e, f, y] = logParts(x);
  Value ln = add(f, y);
  Value scaled = fma(ln, constant(0.434294492f), mul(ln, constant(-1.010305e-08f)));
  // log10(2) in two parts, as ln 2 above.
  scaled = fma(e, constant(4.60503907e-06f), scaled);
  return withLogLimits(x, fma(e, constant(0.301025391f), scaled));
}

Value F32::log1p(Value x) {
  Value one = constant(1), u = add(x, one);
  // What the sum lost, over u: the derivative of the logarithm.
  Value lost = div(sub(x, sub(u, one)), u);
  Value inside = both(less(constant(0), u), less(u, constant(kInfinity)));
  Value sum = add(log(u), select(inside, lost, constant(0)));
  return copySign(sum, x);
}

Value F32::tanh(Value x) {
  // From 10 on the result rounds to 1.
  Value size = clamp(abs(x), 0.0f, 10.0f);
  Value t = expM1(add(size, size));
  return copySign(div(t, add(t, constant(2))), x);
}

Value F32::erf(Value x) {
  // Small: x + x P(x^2). Large: 1 - e^-(t + t Q(t)); from 4 on it rounds to 1.
  Value square = mul(x, x);
  Value p = polynomial(square, {0.128379166f, -0.376126319f, 0.112836875f, -0.0268589407f,
                                0.00519990688f, -0.000813001301f, 8.31677535e-05f});
  Value small = fma(p, x, x);
  Value t = clamp(abs(x), 0.0f, 4.0f);
  Value q = polynomial(t, {0.128648892f, 0.635149717f, 0.106239572f, -0.023764383f, 0.00364355696f,
                           -0.000323074084f, 1.12583193e-05f});
  Value exponent = fma(q, t, t);
  auto [n, r] = reduceByLn2(sub(constant(0), exponent));
  Value power = powerOfTwo(n); // n >= -26
  Value large = sub(constant(1), fma(expM1Reduced(r), power, power));
  return select(less(t, constant(0.93f)), small, copySign(large, x));
}

template <typename OpTy, Value (F32::*function)(Value)>
struct Approximate : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &b) const final {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32())
      return b.notifyMatchFailure(op, "not f32");
    F32 f32(b, op.getLoc(), type);
    b.replaceOp(op, (f32.*function)(op.getOperand()));
    return success();
  }
};

struct ApproximateMath : impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    populateMathF32ExpansionPatterns(patterns, [](StringRef) { return true; });
    patterns.add<Approximate<math::ExpOp, &F32::exp>, Approximate<math::Exp2Op, &F32::exp2>,
                 Approximate<math::ExpM1Op, &F32::expM1>, Approximate<math::LogOp, &F32::log>,
                 Approximate<math::Log2Op, &F32::log2>, Approximate<math::Log10Op, &F32::log10>,
                 Approximate<math::Log1pOp, &F32::log1p>, Approximate<math::TanhOp, &F32::tanh>,
                 Approximate<math::ErfOp, &F32::erf>>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), kernelRewriteConfig())))
      signalPassFailure();
  }
};

} // namespace
} // namespace ampc
