//===- ScalarBuilder.cpp - Arithmetic on single elements ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/ScalarBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ampc {

static bool isFloat(Value x) { return isa<FloatType>(x.getType()); }
static bool isBool(Value x) { return x.getType().isInteger(1); }

/// `OpTy` on `operands`, in the builder's place.
template <typename OpTy, typename... Operands>
static Value build(ScalarBuilder &s, Operands... operands) {
  return OpTy::create(s.builder, s.loc, operands...);
}

/// FloatOp on floats, IntOp on integers.
template <typename FloatOp, typename IntOp>
static Value binary(ScalarBuilder &s, Value x, Value y) {
  return isFloat(x) ? build<FloatOp>(s, x, y) : build<IntOp>(s, x, y);
}

Value ScalarBuilder::constant(Type type, double value) {
  if (auto floatType = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(builder, loc, builder.getFloatAttr(floatType, value));
  if (type.isInteger(1))
    return constant(type, int64_t(value != 0));
  return constant(type, int64_t(value));
}

Value ScalarBuilder::constant(Type type, int64_t value) {
  if (isa<FloatType>(type))
    return constant(type, double(value));
  if (auto integer = dyn_cast<IntegerType>(type)) // wraps, as a conversion does
    return arith::ConstantOp::create(
        builder, loc,
        builder.getIntegerAttr(integer,
                               APInt(64, uint64_t(value)).sextOrTrunc(integer.getWidth())));
  return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(type, value));
}

Value ScalarBuilder::add(Value x, Value y) {
  return binary<arith::AddFOp, arith::AddIOp>(*this, x, y);
}
Value ScalarBuilder::sub(Value x, Value y) {
  return binary<arith::SubFOp, arith::SubIOp>(*this, x, y);
}
Value ScalarBuilder::mul(Value x, Value y) {
  return binary<arith::MulFOp, arith::MulIOp>(*this, x, y);
}
/// u64 is computed in i128, whose division is a call of a library that devices lack. Quotients
/// of numbers that u64 holds are those of 64 bits.
template <typename SignedOp, typename UnsignedOp>
static Value divide(ScalarBuilder &s, Value x, Value y) {
  if (!x.getType().isInteger(128))
    return build<SignedOp>(s, x, y);
  Type narrow = s.builder.getI64Type();
  x = build<arith::TruncIOp>(s, narrow, x);
  y = build<arith::TruncIOp>(s, narrow, y);
  return build<arith::ExtUIOp>(s, s.builder.getIntegerType(128), build<UnsignedOp>(s, x, y));
}

Value ScalarBuilder::div(Value x, Value y) {
  if (isFloat(x))
    return build<arith::DivFOp>(*this, x, y);
  return divide<arith::DivSIOp, arith::DivUIOp>(*this, x, y);
}
Value ScalarBuilder::remainder(Value x, Value y) {
  if (isFloat(x))
    return build<arith::RemFOp>(*this, x, y);
  return divide<arith::RemSIOp, arith::RemUIOp>(*this, x, y);
}

// A signed i1 has the values 0 and -1, so booleans take the logical forms.
Value ScalarBuilder::maximum(Value x, Value y) {
  if (isBool(x))
    return logicalOr(x, y);
  return binary<arith::MaximumFOp, arith::MaxSIOp>(*this, x, y);
}
Value ScalarBuilder::minimum(Value x, Value y) {
  if (isBool(x))
    return logicalAnd(x, y);
  return binary<arith::MinimumFOp, arith::MinSIOp>(*this, x, y);
}

Value ScalarBuilder::neg(Value x) {
  if (isFloat(x))
    return build<arith::NegFOp>(*this, x);
  return sub(constant(x.getType(), int64_t(0)), x);
}
Value ScalarBuilder::abs(Value x) {
  if (isFloat(x))
    return build<math::AbsFOp>(*this, x);
  if (isBool(x))
    return x;
  return maximum(x, neg(x)); // math.absi does not take index
}

Value ScalarBuilder::exp(Value x) { return build<math::ExpOp>(*this, x); }
Value ScalarBuilder::log(Value x) { return build<math::LogOp>(*this, x); }
Value ScalarBuilder::log1p(Value x) { return build<math::Log1pOp>(*this, x); }
Value ScalarBuilder::sqrt(Value x) { return build<math::SqrtOp>(*this, x); }
Value ScalarBuilder::tanh(Value x) { return build<math::TanhOp>(*this, x); }
Value ScalarBuilder::erf(Value x) { return build<math::ErfOp>(*this, x); }
Value ScalarBuilder::pow(Value x, Value y) { return build<math::PowFOp>(*this, x, y); }
Value ScalarBuilder::sin(Value x) { return build<math::SinOp>(*this, x); }
Value ScalarBuilder::cos(Value x) { return build<math::CosOp>(*this, x); }
Value ScalarBuilder::tan(Value x) { return build<math::TanOp>(*this, x); }
Value ScalarBuilder::asin(Value x) { return build<math::AsinOp>(*this, x); }
Value ScalarBuilder::acos(Value x) { return build<math::AcosOp>(*this, x); }
Value ScalarBuilder::atan(Value x) { return build<math::AtanOp>(*this, x); }
Value ScalarBuilder::sinh(Value x) { return build<math::SinhOp>(*this, x); }
Value ScalarBuilder::cosh(Value x) { return build<math::CoshOp>(*this, x); }
Value ScalarBuilder::asinh(Value x) { return build<math::AsinhOp>(*this, x); }
Value ScalarBuilder::acosh(Value x) { return build<math::AcoshOp>(*this, x); }
Value ScalarBuilder::atanh(Value x) { return build<math::AtanhOp>(*this, x); }
Value ScalarBuilder::floor(Value x) { return build<math::FloorOp>(*this, x); }
Value ScalarBuilder::ceil(Value x) { return build<math::CeilOp>(*this, x); }
Value ScalarBuilder::roundEven(Value x) { return build<math::RoundEvenOp>(*this, x); }

Value ScalarBuilder::sigmoid(Value x) {
  // With e = exp(-|x|) <= 1: 1 / (1 + e) where x >= 0, e / (1 + e) elsewhere.
  Value one = constantLike(x, 1.0), zero = constantLike(x, 0.0);
  Value e = exp(neg(abs(x)));
  Value numerator = select(greaterOrEqual(x, zero), one, e);
  return div(numerator, add(one, e));
}

Value ScalarBuilder::isFinite(Value x) {
  return less(abs(x), constantLike(x, std::numeric_limits<double>::infinity()));
}
Value ScalarBuilder::isNaN(Value x) {
  return build<arith::CmpFOp>(*this, arith::CmpFPredicate::UNO, x, x);
}

/// A comparison, by the predicates for floats, integers and booleans.
static Value compare(ScalarBuilder &s, Value x, Value y, arith::CmpFPredicate onFloats,
                     arith::CmpIPredicate onIntegers, arith::CmpIPredicate onBools) {
  if (isFloat(x))
    return build<arith::CmpFOp>(s, onFloats, x, y);
  return build<arith::CmpIOp>(s, isBool(x) ? onBools : onIntegers, x, y);
}

Value ScalarBuilder::equal(Value x, Value y) {
  return compare(*this, x, y, arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq,
                 arith::CmpIPredicate::eq);
}
Value ScalarBuilder::notEqual(Value x, Value y) {
  return compare(*this, x, y, arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne,
                 arith::CmpIPredicate::ne);
}
Value ScalarBuilder::less(Value x, Value y) {
  return compare(*this, x, y, arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt,
                 arith::CmpIPredicate::ult);
}
Value ScalarBuilder::lessOrEqual(Value x, Value y) {
  return compare(*this, x, y, arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle,
                 arith::CmpIPredicate::ule);
}
Value ScalarBuilder::greater(Value x, Value y) {
  return compare(*this, x, y, arith::CmpFPredicate::OGT, arith::CmpIPredicate::sgt,
                 arith::CmpIPredicate::ugt);
}
Value ScalarBuilder::greaterOrEqual(Value x, Value y) {
  return compare(*this, x, y, arith::CmpFPredicate::OGE, arith::CmpIPredicate::sge,
                 arith::CmpIPredicate::uge);
}

Value ScalarBuilder::logicalAnd(Value x, Value y) { return build<arith::AndIOp>(*this, x, y); }
Value ScalarBuilder::logicalOr(Value x, Value y) { return build<arith::OrIOp>(*this, x, y); }
Value ScalarBuilder::logicalXor(Value x, Value y) { return build<arith::XOrIOp>(*this, x, y); }
Value ScalarBuilder::logicalNot(Value x) {
  return logicalXor(x, constant(x.getType(), int64_t(-1)));
}

Value ScalarBuilder::shiftLeft(Value x, Value count) {
  return build<arith::ShLIOp>(*this, x, count);
}
Value ScalarBuilder::shiftRight(Value x, Value count) {
  return build<arith::ShRUIOp>(*this, x, count);
}

Value ScalarBuilder::select(Value condition, Value x, Value y) {
  return build<arith::SelectOp>(*this, condition, x, y);
}

/// Float to integer, truncating. What does not fit becomes the nearest value, NaN the
/// lowest: LLVM's own conversion is poison there.
static Value floatToInteger(ScalarBuilder &s, Value x, IntegerType type) {
  const llvm::fltSemantics &semantics = cast<FloatType>(x.getType()).getFloatSemantics();
  bool isUnsigned = type.isUnsigned();
  auto bound = [&](const APInt &limit) {
    APFloat value(semantics);
    if (value.convertFromAPInt(limit, !isUnsigned, APFloat::rmTowardZero) & APFloat::opOverflow)
      value = APFloat::getLargest(semantics, !isUnsigned && limit.isNegative());
    return build<arith::ConstantOp>(s, s.builder.getFloatAttr(x.getType(), value));
  };
  unsigned width = type.getWidth();
  Type signless = s.builder.getIntegerType(width);
  APInt lowest = isUnsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width);
  APInt highest = isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width);
  x = build<arith::MaxNumFOp>(s, x, bound(lowest));
  x = build<arith::MinNumFOp>(s, x, bound(highest));
  return isUnsigned ? build<arith::FPToUIOp>(s, signless, x)
                    : build<arith::FPToSIOp>(s, signless, x);
}

/// The same bits as a type of another signedness.
static Value withSign(ScalarBuilder &s, Value x, Type type) {
  return UnrealizedConversionCastOp::create(s.builder, s.loc, type, x).getResult(0);
}

/// An unsigned element in any other type that no unsigned one is.
static Value convertUnsigned(ScalarBuilder &s, Value x, Type type) {
  unsigned width = x.getType().getIntOrFloatBitWidth();
  x = withSign(s, x, s.builder.getIntegerType(width));
  if (isa<FloatType>(type))
    return build<arith::UIToFPOp>(s, type, x);
  if (isa<IndexType>(type))
    return build<arith::IndexCastUIOp>(s, type, x);
  unsigned target = type.getIntOrFloatBitWidth();
  if (target == 1)
    return s.notEqual(x, s.constant(x.getType(), int64_t(0)));
  if (target == width)
    return x;
  return target > width ? build<arith::ExtUIOp>(s, type, x) : build<arith::TruncIOp>(s, type, x);
}

Value ScalarBuilder::fold(Value from, Value to, Value initial,
                          llvm::function_ref<Value(ScalarBuilder &, Value, Value)> fn) {
  return fold(from, to, ValueRange(initial), [&](ScalarBuilder &s, Value i, ValueRange values) {
    return SmallVector<Value>{fn(s, i, values[0])};
  })[0];
}

SmallVector<Value>
ScalarBuilder::fold(Value from, Value to, ValueRange initial,
                    llvm::function_ref<SmallVector<Value>(ScalarBuilder &, Value, ValueRange)> fn) {
  Value step = constant(builder.getIndexType(), int64_t(1));
  auto loop = scf::ForOp::create(builder, loc, from, to, step, initial,
                                 [&](OpBuilder &nested, Location at, Value i, ValueRange values) {
                                   ScalarBuilder inner(nested, at);
                                   scf::YieldOp::create(nested, at, fn(inner, i, values));
                                 });
  return SmallVector<Value>(loop.getResults());
}

Value ScalarBuilder::convert(Value x, Type type) {
  Type from = x.getType();
  if (from == type)
    return x;
  if (from.isUnsignedInteger() && type.isUnsignedInteger())
    return convert(convertUnsigned(*this, x, builder.getIntegerType(type.getIntOrFloatBitWidth())),
                   type);
  if (from.isUnsignedInteger())
    return convertUnsigned(*this, x, type);
  if (type.isUnsignedInteger()) {
    Value bits = isFloat(x) ? floatToInteger(*this, x, cast<IntegerType>(type))
                            : convert(x, builder.getIntegerType(type.getIntOrFloatBitWidth()));
    return withSign(*this, bits, type);
  }
  if (type.isInteger(1)) // what is not zero is true, NaN too
    return notEqual(x, constant(from, int64_t(0)));
  if (isa<IndexType>(from)) {
    if (isa<IntegerType>(type))
      return build<arith::IndexCastOp>(*this, type, x);
    return convert(build<arith::IndexCastOp>(*this, builder.getI64Type(), x), type);
  }
  if (isa<IndexType>(type)) {
    if (isBool(x))
      return build<arith::IndexCastUIOp>(*this, type, x);
    if (isFloat(x))
      x = convert(x, builder.getI64Type());
    return build<arith::IndexCastOp>(*this, type, x);
  }
  if (auto floatType = dyn_cast<FloatType>(type)) {
    if (isBool(x))
      return build<arith::UIToFPOp>(*this, type, x);
    if (!isFloat(x))
      return build<arith::SIToFPOp>(*this, type, x);
    unsigned width = floatType.getWidth(), fromWidth = from.getIntOrFloatBitWidth();
    if (width == fromWidth) // f16 and bf16: exact in f32
      return build<arith::TruncFOp>(*this, type,
                                    build<arith::ExtFOp>(*this, builder.getF32Type(), x));
    return width > fromWidth ? build<arith::ExtFOp>(*this, type, x)
                             : build<arith::TruncFOp>(*this, type, x);
  }
  auto integer = cast<IntegerType>(type);
  if (isFloat(x))
    return floatToInteger(*this, x, integer);
  if (isBool(x))
    return build<arith::ExtUIOp>(*this, type, x);
  if (integer.getWidth() == from.getIntOrFloatBitWidth())
    return x;
  return integer.getWidth() > from.getIntOrFloatBitWidth() ? build<arith::ExtSIOp>(*this, type, x)
                                                           : build<arith::TruncIOp>(*this, type, x);
}

Value ScalarBuilder::bitCast(Value x, Type type) {
  Type signless = builder.getIntegerType(type.getIntOrFloatBitWidth());
  if (x.getType().isUnsignedInteger())
    x = convert(x, signless);
  if (isa<FloatType>(x.getType()) || isa<FloatType>(type))
    x = build<arith::BitcastOp>(*this, isa<FloatType>(type) ? type : signless, x);
  return convert(x, type);
}

} // namespace ampc
