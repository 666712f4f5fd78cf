//===- NarrowFloat.h - Floats of 8 and 4 bits -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_NUMBERS_NARROWFLOAT_H
#define AMPC_NUMBERS_NARROWFLOAT_H

#include <cmath>
#include <cstdint>
#include <limits>

namespace ampc::numbers {

/// A float format of a byte or less: a sign, an exponent, a mantissa; or, without a mantissa, an
/// exponent alone (float8e8m0).
struct NarrowFormat {
  int width;
  int mantissaBits; ///< 0: float8e8m0
  int bias;
  uint8_t largest;  ///< the bits of the largest finite value
  uint8_t nan;      ///< the bits of a NaN; 0 where there is none
  bool hasInfinity; ///< it comes behind `largest`
};

inline constexpr NarrowFormat kF8E4M3FN{8, 3, 7, 0x7e, 0x7f, false};
inline constexpr NarrowFormat kF8E4M3FNUZ{8, 3, 8, 0x7f, 0x80, false};
inline constexpr NarrowFormat kF8E5M2{8, 2, 15, 0x7b, 0x7e, true};
inline constexpr NarrowFormat kF8E5M2FNUZ{8, 2, 16, 0x7f, 0x80, false};
inline constexpr NarrowFormat kF8E8M0{8, 0, 127, 0xfe, 0xff, false};
inline constexpr NarrowFormat kF4E2M1{4, 1, 1, 0x7, 0, false};

/// Exact. Bits above the format's width do not count.
inline float narrowToF32(const NarrowFormat &format, uint8_t bits) {
  if (format.mantissaBits == 0)
    return bits == format.nan ? std::numeric_limits<float>::quiet_NaN()
                              : std::ldexp(1.0f, bits - format.bias);
  int signBit = 1 << (format.width - 1);
  int magnitude = bits & (signBit - 1);
  bool isNegative = bits & signBit;
  float value;
  if (magnitude == format.largest + 1 && format.hasInfinity)
    value = std::numeric_limits<float>::infinity();
  else if (magnitude > format.largest || (format.nan == signBit && bits == format.nan))
    value = std::numeric_limits<float>::quiet_NaN();
  else {
    int exponent = magnitude >> format.mantissaBits, one = 1 << format.mantissaBits;
    int mantissa = magnitude & (one - 1);
    value = std::ldexp(float(exponent ? mantissa + one : mantissa),
                       (exponent ? exponent : 1) - format.bias - format.mantissaBits);
  }
  return isNegative ? -value : value;
}

/// Rounds to nearest even (float8e8m0: ties up) into `result`. False where the format has nothing
/// near: beyond the largest value, and NaN, infinity, zero and signs that it lacks.
inline bool f32ToNarrow(const NarrowFormat &format, float value, uint8_t &result) {
  bool isNegative = std::signbit(value);
  float magnitude = std::fabs(value);
  if (std::isnan(value)) {
    result = format.nan;
    return format.nan != 0;
  }
  uint8_t sign = isNegative && format.mantissaBits ? 1 << (format.width - 1) : 0;
  if (std::isinf(value)) {
    result = sign | (format.largest + 1);
    return format.hasInfinity;
  }
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  --exponent;
  if (format.mantissaBits == 0) {
    if (isNegative || magnitude == 0)
      return false;
    int code = exponent + (std::ldexp(magnitude, -exponent) >= 1.5f) + format.bias;
    result = uint8_t(code);
    return code >= 0 && code <= format.largest;
  }
  if (magnitude == 0 || exponent < 1 - format.bias)
    exponent = 1 - format.bias;
  auto units = int(std::nearbyint(std::ldexp(magnitude, format.mantissaBits - exponent)));
  int code = ((exponent + format.bias - 1) << format.mantissaBits) + units;
  if (code > format.largest)
    return false;
  // Where -0 would have the bits of NaN, there is none.
  bool lacksNegativeZero = format.nan == 1 << (format.width - 1);
  result = uint8_t(code == 0 && lacksNegativeZero ? 0 : sign | code);
  return true;
}

} // namespace ampc::numbers

#endif // AMPC_NUMBERS_NARROWFLOAT_H
