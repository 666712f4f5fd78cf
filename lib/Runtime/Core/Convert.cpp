//===- Convert.cpp - Converts elements from one type to another -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Convert.h"

#include "Core/DType.h"
#include "Core/FloatMode.h"
#include "ampc-numbers/SmallFloat.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#if defined(__x86_64__)
#include "Core/CpuFeatures.h"
#include <immintrin.h>
#endif

namespace ampc {

namespace {
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};
} // namespace

using numbers::bitsOf;
using numbers::floatOf;

float bf16ToF32(uint16_t bits) { return numbers::bf16ToF32(bits); }
uint16_t f32ToBF16(float value) { return numbers::f32ToBF16(value); }
float f16ToF32(uint16_t bits) { return numbers::f16ToF32(bits); }
uint16_t f32ToF16(float value) { return numbers::f32ToF16(value); }

/// Rounds a double to a float such that rounding that float again, to fewer
/// bits, gives what rounding the double once would: inexact results are made
/// odd.
static float roundToOdd(double value) {
  float rounded = float(value);
  if (double(rounded) == value || std::isnan(value) || std::isinf(rounded))
    return rounded;
  uint32_t bits = bitsOf(rounded);
  bool away = std::fabs(double(rounded)) > std::fabs(value);
  return floatOf(away ? (bits - 1) | 1 : bits | 1);
}

template <class To, class From>
static To convertOne(From value) {
  if constexpr (std::is_same_v<From, F16>) {
    return convertOne<To>(f16ToF32(value.bits));
  } else if constexpr (std::is_same_v<From, BF16>) {
    return convertOne<To>(bf16ToF32(value.bits));
  } else if constexpr (std::is_same_v<To, F16> || std::is_same_v<To, BF16>) {
    float narrow;
    if constexpr (std::is_same_v<From, double>)
      narrow = roundToOdd(value);
    else
      narrow = value;
    if constexpr (std::is_same_v<To, F16>)
      return {f32ToF16(narrow)};
    else
      return {f32ToBF16(narrow)};
  } else if constexpr (std::is_floating_point_v<To>) {
    return To(value);
  } else {
    using Limits = std::numeric_limits<To>;
    if (value < From(0)) {
      if (std::is_unsigned_v<To> || int64_t(value) < int64_t(Limits::min()))
        return Limits::min();
      return To(value);
    }
    return uint64_t(value) > uint64_t(Limits::max()) ? Limits::max() : To(value);
  }
}

template <class To, class From>
static void convertAll(void *to, const void *from, uint64_t count) {
  // Through memcpy, as the caller's tensor may be aligned to its byte only.
  for (uint64_t i = 0; i != count; ++i) {
    From value;
    std::memcpy(&value, static_cast<const char *>(from) + i * sizeof(From), sizeof(From));
    To result = convertOne<To>(value);
    std::memcpy(static_cast<char *>(to) + i * sizeof(To), &result, sizeof(To));
  }
}

#if defined(__x86_64__)
// The loops above vectorise by themselves, but not those to and from f16.
__attribute__((target("avx,f16c"))) static uint64_t narrowF16C(void *to, const void *from,
                                                               uint64_t count) {
  uint64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256 values = _mm256_loadu_ps(static_cast<const float *>(from) + i);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(static_cast<char *>(to) + 2 * i),
                     _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
  }
  return i;
}

__attribute__((target("avx,f16c"))) static uint64_t widenF16C(void *to, const void *from,
                                                              uint64_t count) {
  uint64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m128i values =
        _mm_loadu_si128(reinterpret_cast<const __m128i *>(static_cast<const char *>(from) + 2 * i));
    _mm256_storeu_ps(static_cast<float *>(to) + i, _mm256_cvtph_ps(values));
  }
  return i;
}

static bool hasF16C() {
  static const bool present = hasCpuFeature("f16c");
  return present;
}
#endif

static void convertToF16(void *to, const void *from, uint64_t count) {
  uint64_t done = 0;
#if defined(__x86_64__)
  if (hasF16C())
    done = narrowF16C(to, from, count);
#endif
  convertAll<F16, float>(static_cast<F16 *>(to) + done, static_cast<const float *>(from) + done,
                         count - done);
}

static void convertFromF16(void *to, const void *from, uint64_t count) {
  uint64_t done = 0;
#if defined(__x86_64__)
  if (hasF16C())
    done = widenF16C(to, from, count);
#endif
  convertAll<float, F16>(static_cast<float *>(to) + done, static_cast<const F16 *>(from) + done,
                         count - done);
}

template <class From>
static void convertFloat(void *to, uint32_t toDType, const void *from, uint64_t count) {
  switch (toDType) {
  case AMPC_DTYPE_F16:
    return convertAll<F16, From>(to, from, count);
  case AMPC_DTYPE_BF16:
    return convertAll<BF16, From>(to, from, count);
  case AMPC_DTYPE_F32:
    return convertAll<float, From>(to, from, count);
  case AMPC_DTYPE_F64:
    return convertAll<double, From>(to, from, count);
  }
}

template <class From>
static void convertInteger(void *to, uint32_t toDType, const void *from, uint64_t count) {
  switch (toDType) {
  case AMPC_DTYPE_U8:
    return convertAll<uint8_t, From>(to, from, count);
  case AMPC_DTYPE_U16:
    return convertAll<uint16_t, From>(to, from, count);
  case AMPC_DTYPE_U32:
    return convertAll<uint32_t, From>(to, from, count);
  case AMPC_DTYPE_U64:
    return convertAll<uint64_t, From>(to, from, count);
  case AMPC_DTYPE_I8:
    return convertAll<int8_t, From>(to, from, count);
  case AMPC_DTYPE_I16:
    return convertAll<int16_t, From>(to, from, count);
  case AMPC_DTYPE_I32:
    return convertAll<int32_t, From>(to, from, count);
  case AMPC_DTYPE_I64:
    return convertAll<int64_t, From>(to, from, count);
  }
}

void convert(void *to, uint32_t toDType, const void *from, uint32_t fromDType, uint64_t count) {
  if (count == 0)
    return;
  if (toDType == fromDType) {
    std::memcpy(to, from, count * sizeOf(toDType));
    return;
  }
  FloatMode mode;
  if (fromDType == AMPC_DTYPE_F32 && toDType == AMPC_DTYPE_F16)
    return convertToF16(to, from, count);
  if (fromDType == AMPC_DTYPE_F16 && toDType == AMPC_DTYPE_F32)
    return convertFromF16(to, from, count);
  switch (fromDType) {
  case AMPC_DTYPE_F16:
    return convertFloat<F16>(to, toDType, from, count);
  case AMPC_DTYPE_BF16:
    return convertFloat<BF16>(to, toDType, from, count);
  case AMPC_DTYPE_F32:
    return convertFloat<float>(to, toDType, from, count);
  case AMPC_DTYPE_F64:
    return convertFloat<double>(to, toDType, from, count);
  case AMPC_DTYPE_U8:
    return convertInteger<uint8_t>(to, toDType, from, count);
  case AMPC_DTYPE_U16:
    return convertInteger<uint16_t>(to, toDType, from, count);
  case AMPC_DTYPE_U32:
    return convertInteger<uint32_t>(to, toDType, from, count);
  case AMPC_DTYPE_U64:
    return convertInteger<uint64_t>(to, toDType, from, count);
  case AMPC_DTYPE_I8:
    return convertInteger<int8_t>(to, toDType, from, count);
  case AMPC_DTYPE_I16:
    return convertInteger<int16_t>(to, toDType, from, count);
  case AMPC_DTYPE_I32:
    return convertInteger<int32_t>(to, toDType, from, count);
  case AMPC_DTYPE_I64:
    return convertInteger<int64_t>(to, toDType, from, count);
  }
}

/// No element has all bits of `exponent` set.
template <class Bits>
static bool hasNoFullExponent(const void *data, uint64_t count, Bits exponent) {
  const char *bytes = static_cast<const char *>(data);
  bool found = false;
  for (uint64_t i = 0; i != count; ++i) {
    Bits bits;
    std::memcpy(&bits, bytes + i * sizeof(bits), sizeof(bits));
    found |= (bits & exponent) == exponent;
  }
  return !found;
}

bool isFinite(const void *data, uint32_t dtype, uint64_t count) {
  switch (dtype) {
  case AMPC_DTYPE_F16:
    return hasNoFullExponent<uint16_t>(data, count, 0x7c00);
  case AMPC_DTYPE_BF16:
    return hasNoFullExponent<uint16_t>(data, count, 0x7f80);
  case AMPC_DTYPE_F32:
    return hasNoFullExponent<uint32_t>(data, count, 0x7f800000);
  default:
    return hasNoFullExponent<uint64_t>(data, count, 0x7ff0000000000000);
  }
}

} // namespace ampc
