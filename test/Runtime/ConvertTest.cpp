//===- ConvertTest.cpp - Conversions, each value of 16 bits ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Convert.h"
#include "Core/DType.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

using namespace ampc;

/// What 16 bits mean, by the definition of the format.
static double valueOf(uint32_t dtype, uint16_t bits) {
  int exponentBits = dtype == AMPC_DTYPE_F16 ? 5 : 8;
  int mantissaBits = 15 - exponentBits;
  int bias = (1 << (exponentBits - 1)) - 1;
  int exponent = (bits & 0x7fff) >> mantissaBits;
  int mantissa = bits & ((1 << mantissaBits) - 1);
  double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponentBits) - 1)
    return mantissa ? NAN : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0)
    return sign * std::ldexp(mantissa, 1 - bias - mantissaBits);
  return sign * std::ldexp((1 << mantissaBits) + mantissa, exponent - bias - mantissaBits);
}

template <class T>
static uint16_t narrow(uint32_t dtype, T value) {
  uint16_t bits;
  convert(&bits, dtype, &value, sizeof(T) == 4 ? AMPC_DTYPE_F32 : AMPC_DTYPE_F64, 1);
  return bits;
}

class Convert16 : public testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Types, Convert16, testing::Values(AMPC_DTYPE_F16, AMPC_DTYPE_BF16),
                         [](const auto &info) { return nameOf(info.param); });

TEST_P(Convert16, EveryValueWidensAndComesBack) {
  uint32_t dtype = GetParam();
  std::vector<uint16_t> all(1 << 16), back(1 << 16);
  for (int i = 0; i != 1 << 16; ++i)
    all[i] = i;
  std::vector<float> wide(1 << 16);
  convert(wide.data(), AMPC_DTYPE_F32, all.data(), dtype, all.size());
  convert(back.data(), dtype, wide.data(), AMPC_DTYPE_F32, all.size());
  for (int i = 0; i != 1 << 16; ++i) {
    double expected = valueOf(dtype, i);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(wide[i])) << i;
      EXPECT_TRUE(std::isnan(valueOf(dtype, back[i]))) << i;
      continue;
    }
    ASSERT_EQ(wide[i], expected) << i;
    ASSERT_EQ(back[i], i);
    // The loop for one element and the vectorised one agree.
    ASSERT_EQ(dtype == AMPC_DTYPE_F16 ? f16ToF32(i) : bf16ToF32(i), expected);
    ASSERT_EQ(dtype == AMPC_DTYPE_F16 ? f32ToF16(wide[i]) : f32ToBF16(wide[i]), i);
  }
}

// At each midpoint between neighbours, and right beside it.
TEST_P(Convert16, RoundsToNearestEven) {
  uint32_t dtype = GetParam();
  int largest = dtype == AMPC_DTYPE_F16 ? 0x7bff : 0x7f7f;
  for (int i = 0; i <= largest; ++i) {
    double low = valueOf(dtype, i);
    double high = i == largest ? 2 * low - valueOf(dtype, i - 1) : valueOf(dtype, i + 1);
    double middle = (low + high) / 2;
    uint16_t even = i % 2 ? i + 1 : i;
    ASSERT_EQ(narrow(dtype, middle), even) << i;
    ASSERT_EQ(narrow(dtype, std::nextafter(middle, 0.0)), i);
    ASSERT_EQ(narrow(dtype, std::nextafter(middle, 1e300)), i + 1);
    ASSERT_EQ(narrow(dtype, -middle), even | 0x8000);
    if (double(float(middle)) == middle) {
      float m = float(middle);
      ASSERT_EQ(narrow(dtype, m), even) << i;
      ASSERT_EQ(narrow(dtype, std::nextafter(m, 0.0f)), i);
      ASSERT_EQ(narrow(dtype, std::nextafter(m, HUGE_VALF)), i + 1);
    }
  }
}

TEST_P(Convert16, KeepsWhatIsNotFinite) {
  uint32_t dtype = GetParam();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (double value : {kInf, -kInf, 1e300, -1e300})
    EXPECT_EQ(valueOf(dtype, narrow(dtype, value)), value > 0 ? kInf : -kInf);
  EXPECT_TRUE(std::isnan(valueOf(dtype, narrow(dtype, double(NAN)))));
  // A NaN with all of its payload in the bits that are cut off.
  for (uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fc00000u}) {
    std::vector<float> values(20);
    for (float &value : values)
      std::memcpy(&value, &bits, 4);
    std::vector<uint16_t> out(20);
    convert(out.data(), dtype, values.data(), AMPC_DTYPE_F32, 20);
    for (uint16_t result : out)
      EXPECT_TRUE(std::isnan(valueOf(dtype, result)));
  }
}

TEST(Convert, SaturatesIntegers) {
  std::vector<int64_t> from = {0, 1, -1, 127, 128, -129, int64_t(1) << 40, INT64_MIN, INT64_MAX};
  std::vector<int32_t> i32(from.size());
  convert(i32.data(), AMPC_DTYPE_I32, from.data(), AMPC_DTYPE_I64, from.size());
  EXPECT_EQ(i32, (std::vector<int32_t>{0, 1, -1, 127, 128, -129, INT32_MAX, INT32_MIN, INT32_MAX}));
  std::vector<int8_t> i8(from.size());
  convert(i8.data(), AMPC_DTYPE_I8, from.data(), AMPC_DTYPE_I64, from.size());
  EXPECT_EQ(i8, (std::vector<int8_t>{0, 1, -1, 127, 127, -128, 127, -128, 127}));
  std::vector<uint8_t> u8(from.size());
  convert(u8.data(), AMPC_DTYPE_U8, from.data(), AMPC_DTYPE_I64, from.size());
  EXPECT_EQ(u8, (std::vector<uint8_t>{0, 1, 0, 127, 128, 0, 255, 0, 255}));
  std::vector<int64_t> i64(from.size());
  convert(i64.data(), AMPC_DTYPE_I64, u8.data(), AMPC_DTYPE_U8, from.size());
  EXPECT_EQ(i64[8], 255);
  std::vector<uint64_t> u64(from.size());
  convert(u64.data(), AMPC_DTYPE_U64, from.data(), AMPC_DTYPE_I64, from.size());
  EXPECT_EQ(u64, (std::vector<uint64_t>{0, 1, 0, 127, 128, 0, uint64_t(1) << 40, 0, INT64_MAX}));
  u64[0] = UINT64_MAX;
  std::vector<uint32_t> u32(from.size());
  convert(u32.data(), AMPC_DTYPE_U32, u64.data(), AMPC_DTYPE_U64, from.size());
  EXPECT_EQ(u32, (std::vector<uint32_t>{UINT32_MAX, 1, 0, 127, 128, 0, UINT32_MAX, 0, UINT32_MAX}));
  std::vector<uint16_t> u16(from.size());
  convert(u16.data(), AMPC_DTYPE_U16, from.data(), AMPC_DTYPE_I64, from.size());
  EXPECT_EQ(u16, (std::vector<uint16_t>{0, 1, 0, 127, 128, 0, 65535, 0, 65535}));
  convert(i64.data(), AMPC_DTYPE_I64, u64.data(), AMPC_DTYPE_U64, from.size());
  EXPECT_EQ(i64[0], INT64_MAX);
}

TEST(Convert, IgnoresTheCallersRoundingMode) {
#if defined(__x86_64__)
  unsigned saved = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(0x1f80 | 0x6000 | 0x8040); // towards zero, flushing
  float values[] = {1.0f + 0x1.8p-11f, 0x1p-24f};
  uint16_t bits[2];
  convert(bits, AMPC_DTYPE_F16, values, AMPC_DTYPE_F32, 2);
  float wide[2];
  convert(wide, AMPC_DTYPE_F32, bits, AMPC_DTYPE_F16, 2);
  unsigned after = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(saved);
  EXPECT_EQ(bits[0], 0x3c01);
  EXPECT_EQ(bits[1], 1);
  EXPECT_EQ(wide[1], 0x1p-24f);
  EXPECT_EQ(after & 0xe040, 0xe040u) << "the mode was not restored";
#endif
}

// What is stored and cast only lies in slots as it is given.
TEST(DTypes, StoredTypesAreBytesThatNothingConverts) {
  int count = 0;
  for (uint32_t dtype = AMPC_DTYPE_F8E4M3FN; dtype <= AMPC_DTYPE_I2; ++dtype, ++count) {
    SCOPED_TRACE(nameOf(dtype));
    EXPECT_EQ(sizeOf(dtype), 1u);
    EXPECT_TRUE(isStoredOnly(dtype));
    EXPECT_FALSE(isFloat(dtype) || isInteger(dtype));
    EXPECT_TRUE(matches(toDLPack(dtype), dtype));
    EXPECT_TRUE(matches({kDLUInt, 8, 1}, dtype));
    EXPECT_FALSE(matches({kDLInt, 8, 1}, dtype));
    EXPECT_FALSE(matches({kDLUInt, 16, 1}, dtype));
    EXPECT_EQ(describe(toDLPack(dtype)), nameOf(dtype));
    EXPECT_FALSE(matches(toDLPack(dtype), AMPC_DTYPE_U8));
  }
  EXPECT_EQ(count, 10);
  EXPECT_FALSE(isStoredOnly(AMPC_DTYPE_U8) || isStoredOnly(AMPC_DTYPE_BF16) || isStoredOnly(27));
}
