//===- CheckedMath.h - Sizes that may overflow ------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_NUMBERS_CHECKEDMATH_H
#define AMPC_NUMBERS_CHECKEDMATH_H

#include <cstdint>
#include <optional>

namespace ampc {

inline std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  if (__builtin_add_overflow(a, b, &sum))
    return std::nullopt;
  return sum;
}

inline std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product))
    return std::nullopt;
  return product;
}

/// Whether [offset, offset + bytes) lies inside [0, limit).
inline bool fits(uint64_t offset, uint64_t bytes, uint64_t limit) {
  return offset <= limit && bytes <= limit - offset;
}

} // namespace ampc

#endif // AMPC_NUMBERS_CHECKEDMATH_H
