//===- FloatRange.cpp - What constants make of a range --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/FloatRange.h"
#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

using namespace ampc;

namespace {
constexpr double kOrdinaryFactor = 256;

bool isOrdinaryFactor(double magnitude) {
  return magnitude >= 1 / kOrdinaryFactor && magnitude <= kOrdinaryFactor;
}

double overflow(double value, const llvm::fltSemantics &type) {
  llvm::APFloat number(value);
  bool inexact = false;
  number.convert(type, llvm::APFloat::rmNearestTiesToEven, &inexact);
  return number.isInfinity() ? value : 0;
}
} // namespace

FloatRange FloatRange::of(double lowest, double highest) {
  FloatRange range;
  range.lowest = lowest;
  range.highest = highest;
  if (double magnitude = range.magnitude(); magnitude != 0)
    range.smallest = magnitude;
  return range;
}

FloatRange FloatRange::of(size_t count, llvm::function_ref<double(size_t)> element) {
  const double infinity = std::numeric_limits<double>::infinity();
  double lowest = infinity, highest = -infinity;
  for (size_t i = 0; i < count; ++i) {
    double value = element(i);
    if (!std::isfinite(value))
      continue;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  return lowest <= highest ? of(lowest, highest) : of(0);
}

FloatRange FloatRange::ofFloats(llvm::ArrayRef<char> bytes) {
  // Integers in the order of the numbers: their least and greatest vectorise.
  auto keyOf = [](int32_t bits) { return bits < 0 ? bits ^ 0x7fffffff : bits; };
  int32_t lowest = INT32_MAX, highest = INT32_MIN;
  for (const char *at = bytes.begin(); at + sizeof(float) <= bytes.end(); at += sizeof(float)) {
    int32_t bits;
    std::memcpy(&bits, at, sizeof(bits));
    int32_t key = keyOf(bits);
    bool isFinite = (bits & 0x7f800000) != 0x7f800000;
    lowest = std::min(lowest, isFinite ? key : INT32_MAX);
    highest = std::max(highest, isFinite ? key : INT32_MIN);
  }
  if (lowest > highest)
    return of(0);
  auto valueOf = [&](int32_t key) { return double(llvm::bit_cast<float>(keyOf(key))); };
  return of(valueOf(lowest), valueOf(highest));
}

double FloatRange::magnitude() const { return std::max(std::abs(lowest), std::abs(highest)); }

bool FloatRange::isOrdinary() const {
  return magnitude() <= kOrdinaryFactor && isOrdinaryFactor(smallest) && offset <= kOrdinaryFactor;
}

FloatRange FloatRange::join(const FloatRange &other) const {
  return {std::min(lowest, other.lowest), std::max(highest, other.highest),
          std::min(smallest, other.smallest), std::max(offset, other.offset)};
}

FloatRange FloatRange::negate() const { return {-highest, -lowest, smallest, offset}; }

FloatRange FloatRange::add(const FloatRange &other) const {
  FloatRange sum = join(other);
  // Two masks add up; sums of ordinary values are ordinary.
  if (lowest < -1 && other.lowest < -1)
    sum.lowest = lowest + other.lowest;
  if (highest > 1 && other.highest > 1)
    sum.highest = highest + other.highest;
  sum.offset = std::max({sum.offset, magnitude(), other.magnitude()});
  return sum;
}

FloatRange FloatRange::multiply(const FloatRange &other) const {
  auto factor = [](const FloatRange &range) {
    FloatRange result = range;
    if (isOrdinaryFactor(range.magnitude()))
      result.lowest = -1, result.highest = 1;
    if (isOrdinaryFactor(range.smallest))
      result.smallest = 1;
    return result;
  };
  FloatRange a = factor(*this), b = factor(other);
  auto [low, high] = std::minmax(
      {a.lowest * b.lowest, a.lowest * b.highest, a.highest * b.lowest, a.highest * b.highest});
  // Far beyond every type, and finite, so that zero times it is zero.
  constexpr double limit = 1e150;
  return {std::max(low, -limit), std::min(high, limit), a.smallest * b.smallest,
          std::max(offset, other.offset)};
}

FloatRange FloatRange::divide(const FloatRange &divisor) const {
  FloatRange inverse;
  if (double magnitude = divisor.magnitude(); magnitude != 0)
    inverse = of(1 / magnitude);
  inverse.lowest = -inverse.highest;
  return multiply(inverse);
}

FloatRange FloatRange::max(const FloatRange &other) const {
  FloatRange result = join(other);
  result.lowest = std::max(lowest, other.lowest);
  return result;
}

FloatRange FloatRange::min(const FloatRange &other) const {
  return negate().max(other.negate()).negate();
}

FloatRange FloatRange::sqrt() const {
  return {0, std::sqrt(std::max(highest, 0.0)), std::sqrt(smallest), std::sqrt(offset)};
}

FloatRange FloatRange::roundTo(const llvm::fltSemantics &type) const {
  FloatRange result = *this;
  if (overflow(lowest, type))
    result.lowest = -1;
  if (overflow(highest, type))
    result.highest = 1;
  if (findUnderflow(type))
    result.smallest = 1;
  if (findLostDigits(type))
    result.offset = 1;
  return result;
}

double FloatRange::findOverflow(const llvm::fltSemantics &type) const {
  if (double value = overflow(lowest, type))
    return value;
  return overflow(highest, type);
}

double FloatRange::findUnderflow(const llvm::fltSemantics &type) const {
  double normal = llvm::APFloat::getSmallestNormalized(type).convertToDouble();
  return smallest < normal ? smallest : 0;
}

double FloatRange::findLostDigits(const llvm::fltSemantics &type) const {
  double exact = std::ldexp(1, llvm::APFloat::semanticsPrecision(type));
  return offset > exact ? offset : 0;
}

bool FloatRange::fitsIn(const llvm::fltSemantics &type) const {
  return !findOverflow(type) && !findUnderflow(type) && !findLostDigits(type);
}
