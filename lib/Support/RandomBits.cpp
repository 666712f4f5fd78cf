//===- RandomBits.cpp - Random numbers that are functions -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/RandomBits.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ampc;

namespace {
/// 64-bit arithmetic on unsigned numbers.
struct Bits {
  ScalarBuilder &s;

  Value constant(uint64_t value) { return s.constant(s.builder.getI64Type(), int64_t(value)); }
  Value shiftRight(Value x, uint64_t count) {
    return arith::ShRUIOp::create(s.builder, s.loc, x, constant(count));
  }
  Value rotateHalf(Value x) {
    Value high = arith::ShLIOp::create(s.builder, s.loc, x, constant(32));
    return s.logicalOr(shiftRight(x, 32), high);
  }

  /// The finalizer of splitmix64: every bit of the result depends on every bit
  /// of `x`.
  Value mix(Value x) {
    x = s.add(x, constant(0x9e3779b97f4a7c15));
    x = s.mul(s.logicalXor(x, shiftRight(x, 30)), constant(0xbf58476d1ce4e5b9));
    x = s.mul(s.logicalXor(x, shiftRight(x, 27)), constant(0x94d049bb133111eb));
    return s.logicalXor(x, shiftRight(x, 31));
  }

  /// 32 random bits for `counter` under an odd `key`: "squares" with four
  /// rounds (Widynski, arXiv 2004.06278).
  Value squares(Value counter, Value key) {
    Value y = s.mul(counter, key), z = s.add(y, key);
    Value x = rotateHalf(s.add(s.mul(y, y), y));
    x = rotateHalf(s.add(s.mul(x, x), z));
    x = rotateHalf(s.add(s.mul(x, x), y));
    return shiftRight(s.add(s.mul(x, x), z), 32);
  }
};
} // namespace

Value ampc::buildRandomKey(ScalarBuilder &s, Value seed, Value attempt, uint64_t stream) {
  Bits bits{s};
  Value key = bits.mix(s.logicalXor(seed, bits.constant(stream)));
  key = bits.mix(s.add(key, attempt));
  return s.logicalOr(key, bits.constant(1));
}

Value ampc::drawRandomBits(ScalarBuilder &s, Value counter, Value key) {
  return Bits{s}.squares(counter, key);
}

Value ampc::drawKept(ScalarBuilder &s, Value counter, Value key, double ratio) {
  // Of 2^32 equally likely numbers, those below the threshold drop the element.
  uint64_t threshold = uint64_t(ratio * 4294967296.0 + 0.5);
  return s.greaterOrEqual(drawRandomBits(s, counter, key), Bits{s}.constant(threshold));
}
