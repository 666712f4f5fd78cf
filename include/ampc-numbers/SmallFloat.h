//===- SmallFloat.h - f16 and bf16 ------------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Inline, so that loops over them vectorise. Code that is compiled for more than the baseline
// processor must not include this: the linker may keep its copies for all.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_NUMBERS_SMALLFLOAT_H
#define AMPC_NUMBERS_SMALLFLOAT_H

#include <cstdint>
#include <cstring>

namespace ampc::numbers {

inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline float bf16ToF32(uint16_t bits) { return floatOf(uint32_t(bits) << 16); }

/// Rounds to nearest even; a NaN becomes a quiet one.
inline uint16_t f32ToBF16(float value) {
  uint32_t bits = bitsOf(value);
  // A NaN whose payload lies in the low half must not become an infinity.
  uint32_t quiet = (bits >> 16) | 0x40;
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded;
}

/// A NaN becomes a quiet one. Not where subnormal floats are taken for zero (Core/FloatMode.h).
inline float f16ToF32(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t magnitude = uint32_t(half & 0x7fff) << 13;
  // Moving the exponent by a product also normalizes subnormals.
  uint32_t finite = bitsOf(floatOf(magnitude) * 0x1p112f);
  uint32_t special = magnitude | 0x7f800000;
  // The hardware makes a signaling NaN quiet.
  if (magnitude > 0x0f800000)
    special |= 0x400000;
  return floatOf(sign | (magnitude >= 0x0f800000 ? special : finite));
}

/// Rounds to nearest even; a NaN becomes a quiet one.
inline uint16_t f32ToF16(float value) {
  uint32_t bits = bitsOf(value);
  uint16_t sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return sign | 0x7e00 | (bits >> 13 & 0x3ff);
  if (bits >= 0x477ff000) // rounds to 65536 or is beyond
    return sign | 0x7c00;
  if (bits < 0x38800000) { // below 2^-14: adding 0.5 rounds at 2^-24
    float shifted = floatOf(bits) + 0.5f;
    return sign | uint16_t(bitsOf(shifted) - 0x3f000000);
  }
  bits += 0xc8000fff + (bits >> 13 & 1);
  return sign | uint16_t(bits >> 13);
}

} // namespace ampc::numbers

#endif // AMPC_NUMBERS_SMALLFLOAT_H
