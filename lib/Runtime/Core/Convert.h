//===- Convert.h - Converts elements from one type to another ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_CONVERT_H
#define AMPC_RUNTIME_CORE_CONVERT_H

#include <cstdint>

namespace ampc {

/// Writes `count` elements of type `toDType` at `to` from those of type
/// `fromDType` at `from`: floats to floats, rounded once to nearest even with
/// NaN and infinities kept; integers to integers, those that do not fit taken
/// to the nearest that does; equal types copied. Other pairs must not be asked
/// for. Neither address need be aligned.
void convert(void *to, uint32_t toDType, const void *from, uint32_t fromDType, uint64_t count);

/// Whether all of `count` elements of a float type are neither infinite nor NaN.
bool isFinite(const void *data, uint32_t dtype, uint64_t count);

float f16ToF32(uint16_t bits);
float bf16ToF32(uint16_t bits);
uint16_t f32ToF16(float value);
uint16_t f32ToBF16(float value);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_CONVERT_H
