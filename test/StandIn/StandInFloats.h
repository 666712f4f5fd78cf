//===- StandInFloats.h - 16-bit floats of the stand-in libraries -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_STANDINFLOATS_H
#define AMPC_TEST_STANDIN_STANDINFLOATS_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace ampc::standin {

inline float bf16ToFloat(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

/// The nearest, of two the even one.
inline uint16_t floatToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (std::isnan(value))
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace ampc::standin

#endif // AMPC_TEST_STANDIN_STANDINFLOATS_H
