//===- StoredCast.cpp - Casts of types that are only stored ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StoredCast.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ampc;

using Kind = StoredType::Kind;
using Special = StoredType::Special;

namespace {
constexpr unsigned kF32Mantissa = 23;
constexpr int kF32Bias = 127;
constexpr int64_t kF32Infinity = 0x7f800000;
constexpr int64_t kF32NaN = 0x7fc00000;

/// Arithmetic on words of 32 bits.
struct Words {
  Value number(int64_t value) {
    return s.constant(s.builder.getI32Type(), int64_t(int32_t(value)));
  }
  Value add(Value x, int64_t y) { return s.add(x, number(y)); }
  Value mask(Value x, int64_t y) { return s.logicalAnd(x, number(y)); }
  Value left(Value x, int64_t y) { return s.shiftLeft(x, number(y)); }
  Value right(Value x, int64_t y) { return s.shiftRight(x, number(y)); }
  Value isBelow(Value x, int64_t y) { return s.less(x, number(y)); }
  Value isAbove(Value x, int64_t y) { return s.greater(x, number(y)); }
  Value select(Value condition, int64_t x, Value y) { return s.select(condition, number(x), y); }
  Value bits(Value x) { return s.bitCast(x, s.builder.getI32Type()); }
  Value asFloat(Value bits) { return s.bitCast(bits, s.builder.getF32Type()); }

  ScalarBuilder &s;
};

/// The bits of the f32 whose last one is worth what the last one of a subnormal `type` is.
int64_t subnormalUnit(const StoredType &type) {
  int exponent = 1 - type.bias - int(type.mantissaWidth) + int(kF32Mantissa);
  return int64_t(exponent + kF32Bias) << kF32Mantissa;
}

/// The magnitude of the largest finite value, as its bits.
int64_t largestOf(const StoredType &type) {
  int64_t ones = (int64_t(1) << (type.width - 1)) - 1;
  switch (type.special) {
  case Special::AllOnes:
    return ones - 1;
  case Special::Ieee:
    return ones - (int64_t(1) << type.mantissaWidth);
  case Special::None:
  case Special::NegativeZero:
    return ones;
  }
  llvm_unreachable("unknown special values");
}

Value decodeFloat(Words &w, const StoredType &type, Value bits) {
  int64_t signBit = int64_t(1) << (type.width - 1);
  Value magnitude = w.mask(bits, signBit - 1);
  Value sign = w.left(w.mask(bits, signBit), 32 - type.width);
  Value normal = w.add(w.left(magnitude, kF32Mantissa - type.mantissaWidth),
                       int64_t(kF32Bias - type.bias) << kF32Mantissa);
  // A subnormal number is its mantissa times the unit: beside 1 unit * 2^23, without that.
  Value unit = w.number(subnormalUnit(type));
  Value small = w.bits(w.s.sub(w.asFloat(w.s.logicalOr(unit, magnitude)), w.asFloat(unit)));
  Value word = w.s.select(w.isBelow(magnitude, int64_t(1) << type.mantissaWidth), small, normal);
  int64_t largest = largestOf(type);
  if (type.special == Special::AllOnes)
    word = w.select(w.isAbove(magnitude, largest), kF32NaN, word);
  if (type.special == Special::Ieee) {
    word = w.select(w.isAbove(magnitude, largest), kF32Infinity, word);
    word = w.select(w.isAbove(magnitude, largest + 1), kF32NaN, word);
  }
  word = w.s.logicalOr(word, sign);
  if (type.special == Special::NegativeZero)
    word = w.select(w.s.equal(bits, w.number(signBit)), kF32NaN, word);
  return w.asFloat(word);
}

Value encodeFloat(Words &w, const StoredType &type, Value x, bool saturating) {
  Value bits = w.bits(x);
  Value magnitude = w.mask(bits, 0x7fffffff);
  Value sign = w.right(w.mask(bits, int64_t(1) << 31), 32 - type.width);
  // Normal: the exponent gets another bias, and a carry of the mantissa runs into it.
  unsigned dropped = kF32Mantissa - type.mantissaWidth;
  Value odd = w.mask(w.right(magnitude, dropped), 1);
  Value rounded = w.s.add(w.add(magnitude, (int64_t(1) << (dropped - 1)) - 1), odd);
  Value normal =
      w.add(w.right(rounded, dropped), -(int64_t(kF32Bias - type.bias) << type.mantissaWidth));
  // Subnormal: the sum with a number whose last bit is the unit rounds as it should.
  Value unit = w.number(subnormalUnit(type));
  Value small = w.s.sub(w.bits(w.s.add(w.asFloat(magnitude), w.asFloat(unit))), unit);
  int64_t leastNormal = int64_t(1 - type.bias + kF32Bias) << kF32Mantissa;
  Value code = w.s.select(w.isBelow(magnitude, leastNormal), small, normal);

  int64_t largest = largestOf(type), signBit = int64_t(1) << (type.width - 1);
  bool isUnsignedNaN = type.special == Special::NegativeZero;
  Value isNaN = w.isAbove(magnitude, kF32Infinity);
  Value isBeyond = w.isAbove(code, largest);
  if (saturating || type.special == Special::None)
    code = w.select(isBeyond, largest, code);
  else if (!isUnsignedNaN)
    code = w.select(isBeyond, largest + 1, code); // infinity, or the NaN of "FN"
  if (type.special == Special::AllOnes)
    code = w.select(isNaN, largest + 1, code);
  if (type.special == Special::Ieee)
    code = w.select(isNaN, signBit - 2, code); // the quiet one
  if (type.special == Special::None)           // ONNX says nothing of NaN; its reference gives -0
    code = w.select(isNaN, signBit, code);
  if (!isUnsignedNaN)
    return type.special == Special::None ? w.s.logicalXor(code, sign) : w.s.logicalOr(code, sign);
  // There is no -0: its bits are NaN.
  Value isZero = w.s.equal(code, w.number(0));
  Value word = w.select(isZero, 0, w.s.logicalOr(code, sign));
  if (!saturating)
    word = w.select(isBeyond, signBit, word);
  return w.select(isNaN, signBit, word);
}

Value decodeExponent(Words &w, Value bits) {
  Value word = w.left(bits, kF32Mantissa);
  word = w.select(w.s.equal(bits, w.number(0)), 0x00400000, word); // 2^-127, subnormal
  return w.asFloat(w.select(w.s.equal(bits, w.number(0xff)), kF32NaN, word));
}

/// The sign does not count, which ONNX leaves open.
Value encodeExponent(Words &w, Value x, StoredRounding rounding) {
  constexpr int64_t lowest = 0x00400000, highest = 0x7f000000; // 2^-127 and 2^127
  Value magnitude = w.mask(w.bits(x), 0x7fffffff);
  Value isInvalid = w.isAbove(magnitude, kF32Infinity);
  if (!rounding.saturating)
    isInvalid = w.s.logicalOr(
        isInvalid, w.s.logicalOr(w.isBelow(magnitude, lowest), w.isAbove(magnitude, highest)));
  Value within = w.select(w.isBelow(magnitude, lowest), lowest, magnitude);
  within = w.select(w.isAbove(within, highest), highest, within);
  int64_t added = rounding.mode == "up" ? 0x7fffff : rounding.mode == "nearest" ? 0x400000 : 0;
  // Of a subnormal number twice is as a normal one, of the exponent below.
  Value isSmall = w.isBelow(within, 0x00800000);
  Value scaled = w.s.select(isSmall, w.left(within, 1), within);
  Value code = w.right(w.add(scaled, added), kF32Mantissa);
  code = w.s.select(isSmall, w.add(code, -1), code);
  return w.select(isInvalid, 0xff, code);
}

/// An f64 as f32, to odd: the neighbour towards zero with the last bit set where something was
/// lost. Rounding that gives what rounding the f64 once gives.
Value roundToOdd(Words &w, Value x) {
  ScalarBuilder &s = w.s;
  Value near = s.convert(x, s.builder.getF32Type());
  Value back = s.convert(near, x.getType());
  Value isTooLarge = s.greater(s.abs(back), s.abs(x));
  Value bits = w.bits(near);
  Value odd = s.logicalOr(s.select(isTooLarge, w.add(bits, -1), bits), w.number(1));
  Value isInexact = s.logicalOr(isTooLarge, s.less(s.abs(back), s.abs(x)));
  return w.asFloat(s.select(isInexact, odd, bits));
}

/// An integer of 64 bits that f64 holds exactly and that rounds to fewer bits as `x` does: of one
/// that `isLarge`, beyond 2^53, the last 11 bits, which f64 may lack, leave a 1 before them.
Value withoutLastBits(Words &w, Value x, Value isLarge) {
  ScalarBuilder &s = w.s;
  auto number = [&](int64_t n) { return s.constant(x.getType(), n); };
  Value isExact = s.equal(s.logicalAnd(x, number(0x7ff)), number(0));
  Value rest = s.select(isExact, number(0), number(0x800));
  Value kept = s.logicalOr(s.logicalAnd(x, number(~int64_t(0x7ff))), rest);
  return s.select(isLarge, kept, x);
}

/// `x` as an f32 that rounds to fewer bits as `x` does.
Value toFloat(Words &w, Value x) {
  ScalarBuilder &s = w.s;
  Type type = x.getType(), f64 = s.builder.getF64Type();
  if (type.isF64())
    return roundToOdd(w, x);
  if (isa<FloatType>(type) || type.getIntOrFloatBitWidth() <= 16)
    return s.convert(x, s.builder.getF32Type());
  Type i64 = s.builder.getI64Type();
  constexpr int64_t kExact = int64_t(1) << 53;
  if (type.isInteger(128)) { // of u64: there is no conversion of 128 bits on devices
    x = s.convert(x, i64);
    Value high = s.logicalAnd(x, s.constant(i64, -kExact));
    x = withoutLastBits(w, x, s.notEqual(high, s.constant(i64, int64_t(0))));
    return roundToOdd(w, arith::UIToFPOp::create(s.builder, s.loc, f64, x));
  }
  if (type.isInteger(64))
    x = withoutLastBits(
        w, x,
        s.logicalOr(s.less(x, s.constant(i64, -kExact)), s.greater(x, s.constant(i64, kExact))));
  return roundToOdd(w, s.convert(x, f64));
}
} // namespace

Value ampc::decodeStored(ScalarBuilder &s, const StoredType &type, Value bits) {
  Words w{s};
  int64_t all = (int64_t(1) << type.width) - 1;
  Value word = w.mask(s.convert(bits, s.builder.getI32Type()), all);
  switch (type.kind) {
  case Kind::Float:
    return decodeFloat(w, type, word);
  case Kind::Exponent:
    return decodeExponent(w, word);
  case Kind::Unsigned:
    return word;
  case Kind::Signed: { // the sign bit is worth its negative
    int64_t signBit = int64_t(1) << (type.width - 1);
    return w.add(s.logicalXor(word, w.number(signBit)), -signBit);
  }
  }
  llvm_unreachable("unknown kind");
}

Value ampc::encodeStored(ScalarBuilder &s, const StoredType &type, Value x,
                         StoredRounding rounding) {
  Words w{s};
  if (type.kind == Kind::Float)
    return encodeFloat(w, type, toFloat(w, x), rounding.saturating);
  if (type.kind == Kind::Exponent)
    return encodeExponent(w, toFloat(w, x), rounding);
  return w.mask(s.convert(x, s.builder.getI32Type()), (int64_t(1) << type.width) - 1);
}
