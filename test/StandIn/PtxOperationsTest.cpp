//===- PtxOperationsTest.cpp - What each instruction computes -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxTestSupport.h"

#include <cmath>
#include <limits>

using namespace ampc::ptx;

namespace {

u32 bitsOf(float x) {
  u32 u;
  std::memcpy(&u, &x, 4);
  return u;
}

} // namespace

TEST(PtxOperations, IntegersWrapAndWiden) {
  EXPECT_EQ(evaluate<u32>("add.s32 %d, %a, %b;", 0xffffffffu, 2u), 1u);
  EXPECT_EQ(evaluate<u16>("mul.lo.s16 %d, %a, %b;", u16(0xffff), u16(0xffff)), 1);
  EXPECT_EQ(evaluate<u16>("mul.hi.u16 %d, %a, %b;", u16(0xffff), u16(0xffff)), 0xfffe);
  EXPECT_EQ(evaluate<u32>("mul.hi.u32 %d, %a, %b;", 0xffffffffu, 0xffffffffu), 0xfffffffeu);
  EXPECT_EQ(evaluate<s32>("mul.hi.s32 %d, %a, %b;", -2, 3), -1);
  EXPECT_EQ(evaluate<u64>("mul.hi.u64 %d, %a, %b;", ~u64(0), ~u64(0)), ~u64(0) - 1);
  EXPECT_EQ(evaluate<s64>("mul.wide.s32 %d, %a, %b;", -3, 0x40000000), s64(-3) * 0x40000000);
  EXPECT_EQ(evaluate<u64>("mul.wide.u32 %d, %a, %b;", ~0u, ~0u), u64(~0u) * ~0u);
  EXPECT_EQ(evaluate<s64>("mad.wide.s32 %d, %a, %b, %c;", -3, 5, s64(7)), -8);
  EXPECT_EQ(evaluate<u32>("mad.lo.s32 %d, %a, %b, %c;", 3u, 5u, ~0u), 14u);
  EXPECT_EQ(evaluate<s32>("neg.s32 %d, %a;", std::numeric_limits<s32>::min()),
            std::numeric_limits<s32>::min());
  EXPECT_EQ(evaluate<s32>("max.s32 %d, %a, %b;", -3, 5), 5);
  EXPECT_EQ(evaluate<u32>("max.u32 %d, %a, %b;", u32(-3), 5u), u32(-3));
}

TEST(PtxOperations, DivisionsByZeroAndOverflowHaveValues) {
  EXPECT_EQ(evaluate<u32>("div.u32 %d, %a, %b;", 7u, 0u), ~0u);
  EXPECT_EQ(evaluate<u32>("rem.u32 %d, %a, %b;", 7u, 0u), 7u);
  const s64 least = std::numeric_limits<s64>::min();
  EXPECT_EQ(evaluate<s64>("div.s64 %d, %a, %b;", least, s64(-1)), least);
  EXPECT_EQ(evaluate<s64>("rem.s64 %d, %a, %b;", least, s64(-1)), 0);
  EXPECT_EQ(evaluate<s32>("div.s32 %d, %a, %b;", -7, 2), -3);
  EXPECT_EQ(evaluate<s32>("rem.s32 %d, %a, %b;", -7, 2), -1);
}

TEST(PtxOperations, Shifts) {
  EXPECT_EQ(evaluate<u32>("shl.b32 %d, %a, %b;", 1u, 31u), 0x80000000u);
  EXPECT_EQ(evaluate<u32>("shl.b32 %d, %a, %b;", 1u, 32u), 0u);
  EXPECT_EQ(evaluate<u64>("shr.u64 %d, %a, %b;", ~u64(0), 64u), 0u);
  EXPECT_EQ(evaluate<s32>("shr.s32 %d, %a, %b;", -8, 1u), -4);
  EXPECT_EQ(evaluate<s32>("shr.s32 %d, %a, %b;", -8, 99u), -1);
  EXPECT_EQ(evaluate<u16>("shr.s16 %d, %a, %b;", u16(0x8000), 15u), 0xffff);
  EXPECT_EQ(evaluate<u32>("shf.l.wrap.b32 %d, %a, %b, %c;", 0x80000001u, 2u, 33u), 5u);
  EXPECT_EQ(evaluate<u32>("shf.l.clamp.b32 %d, %a, %b, %c;", 0x80000001u, 2u, 33u), 0x80000001u);
  EXPECT_EQ(evaluate<u32>("shf.r.wrap.b32 %d, %a, %b, %c;", 3u, 1u, 1u), 0x80000001u);
}

TEST(PtxOperations, BitFields) {
  EXPECT_EQ(evaluate<u32>("bfe.u32 %d, %a, 4, 8;", 0x12345678u), 0x67u);
  EXPECT_EQ(evaluate<u32>("bfe.s32 %d, %a, 4, 4;", 0x000000f0u), ~0u);
  EXPECT_EQ(evaluate<u32>("bfe.u32 %d, %a, 24, 16;", 0xab000000u), 0xabu);
  EXPECT_EQ(evaluate<s32>("bfe.s32 %d, %a, 40, 3;", s32(0x80000000)), -1);
  EXPECT_EQ(evaluate<u32>("bfe.u32 %d, %a, 3, 0;", ~0u), 0u);
  EXPECT_EQ(evaluate<s64>("bfe.s64 %d, %a, 0, 64;", s64(-5)), -5);
  EXPECT_EQ(evaluate<u32>("bfi.b32 %d, %a, %b, 8, 8;", 0xabu, 0x11223344u), 0x1122ab44u);
  EXPECT_EQ(evaluate<u32>("bfi.b32 %d, %a, %b, 32, 8;", 0xabu, 0x11223344u), 0x11223344u);
  EXPECT_EQ(evaluate<u32>("prmt.b32 %d, %a, %b, 0x5410U;", 0x11112222u, 0x33334444u), 0x44442222u);
  EXPECT_EQ(evaluate<u32>("prmt.b32 %d, %a, 0, 0x9180U;", 0x00800180u), 0x0001ff80u);
  EXPECT_EQ(evaluate<u32>("popc.b64 %d, %a;", u64(0xf00000000000000f)), 8u);
  EXPECT_EQ(evaluate<u32>("clz.b32 %d, %a;", 1u), 31u);
  EXPECT_EQ(evaluate<u32>("clz.b64 %d, %a;", u64(0)), 64u);
  EXPECT_EQ(evaluate<u32>("brev.b32 %d, %a;", 1u), 0x80000000u);
  EXPECT_EQ(evaluate<u32>("lop3.b32 %d, %a, %b, %c, 0xe8;", 12u, 10u, 6u), 14u); // majority
  EXPECT_EQ(evaluate<u16>("not.b16 %d, %a;", u16(0x00ff)), 0xff00);
}

TEST(PtxOperations, Carries) {
  EXPECT_EQ(evaluate<u32>("add.cc.u32 %d, %a, %b; addc.u32 %d, 0, 0;", ~0u, 1u), 1u);
  EXPECT_EQ(evaluate<u32>("sub.cc.u32 %d, %a, %b; subc.u32 %d, 5, 0;", 0u, 1u), 4u);
  EXPECT_EQ(evaluate<u32>("mad.lo.cc.u32 %d, %a, %a, %b; madc.hi.u32 %d, %a, %a, 0;", ~0u, ~0u),
            0xffffffffu);
  EXPECT_EQ(evaluate<u64>("add.cc.u64 %d, %a, %b; addc.u64 %d, 7, 0;", ~u64(0), u64(1)), 8u);
}

TEST(PtxOperations, VectorsOfRegisters) {
  EXPECT_EQ(evaluate<u64>("mov.b64 %d, {%a, %b};", 1u, 2u), u64(2) << 32 | 1);
  EXPECT_EQ(evaluate<u32>("mov.b64 {_, %d}, %a;", u64(2) << 32 | 1), 2u);
  EXPECT_EQ(evaluate<u32>("{ .reg .b32 t; mov.b64 {%d, t}, %a; }", u64(2) << 32 | 1), 1u);
  EXPECT_EQ(evaluate<u16>("mov.b32 {%d, _}, %a;", 0x22221111u), 0x1111);
  EXPECT_EQ(evaluate<u32>("mov.b32 %d, {%a, %b};", u16(0x1111), u16(0x2222)), 0x22221111u);
}

TEST(PtxOperations, FloatsRoundOnce) {
  const float a = 1 + 0x1p-12f;
  EXPECT_EQ(evaluate<float>("fma.rn.f32 %d, %a, %a, %b;", a, -1.0f), std::fma(a, a, -1.0f));
  EXPECT_NE(std::fma(a, a, -1.0f), a * a - 1.0f);
  EXPECT_EQ(evaluate<float>("fma.rm.f32 %d, %a, %b, %c;", 1.0f, 1.0f, -0x1p-40f), 1 - 0x1p-24f);
  EXPECT_EQ(evaluate<float>("add.rp.f32 %d, %a, %b;", 1.0f, 0x1p-40f), 1 + 0x1p-23f);
  EXPECT_EQ(evaluate<float>("add.rz.f32 %d, %a, %b;", 1.0f, -0x1p-40f), 1 - 0x1p-24f);
  EXPECT_EQ(evaluate<double>("div.rn.f64 %d, %a, %b;", 1.0, 3.0), 1.0 / 3);
  EXPECT_EQ(evaluate<float>("sqrt.rn.f32 %d, %a;", 2.0f), std::sqrt(2.0f));
  EXPECT_EQ(evaluate<u32>("add.f32 %d, %a, %b;", INFINITY, -INFINITY), 0x7fffffffu);
  EXPECT_EQ(evaluate<float>("add.f32 %d, %a, 0f3F800000;", 2.0f), 3.0f);
  EXPECT_EQ(evaluate<double>("mul.f64 %d, %a, 0d4000000000000000;", 2.5), 5.0);
  EXPECT_EQ(evaluate<float>("copysign.f32 %d, %a, %b;", -1.0f, 3.0f), -3.0f);
  EXPECT_EQ(evaluate<float>("add.rn.ftz.f32 %d, %a, %b;", 0x1p-127f, 0.0f), 0.0f);
}

TEST(PtxOperations, LeastAndLargestKnowNaNAndZero) {
  EXPECT_EQ(evaluate<float>("max.f32 %d, %a, %b;", NAN, 1.0f), 1.0f);
  EXPECT_EQ(evaluate<u32>("max.NaN.f32 %d, %a, %b;", NAN, 1.0f), 0x7fffffffu);
  EXPECT_EQ(evaluate<u32>("max.f32 %d, %a, %b;", -0.0f, 0.0f), 0u);
  EXPECT_EQ(evaluate<u32>("min.f32 %d, %a, %b;", 0.0f, -0.0f), 0x80000000u);
  EXPECT_EQ(evaluate<u16>("max.f16 %d, %a, %b;", u16(0x3c00), u16(0xbc00)), 0x3c00);
}

TEST(PtxOperations, ApproximationsAreNear) {
  EXPECT_EQ(evaluate<float>("ex2.approx.ftz.f32 %d, %a;", 3.0f), 8.0f);
  EXPECT_EQ(evaluate<float>("ex2.approx.ftz.f32 %d, %a;", -200.0f), 0.0f);
  EXPECT_EQ(evaluate<float>("lg2.approx.f32 %d, %a;", 8.0f), 3.0f);
  EXPECT_NEAR(evaluate<float>("sin.approx.f32 %d, %a;", 1.0f), std::sin(1.0f), 0x1p-20f);
  EXPECT_NEAR(evaluate<float>("tanh.approx.f32 %d, %a;", 0.5f), std::tanh(0.5f), 0x1p-11f);
  const double x = evaluate<double>("rcp.approx.ftz.f64 %d, %a;", 3.0);
  EXPECT_NEAR(x, 1.0 / 3, 0x1p-20 / 3);
  u64 u;
  std::memcpy(&u, &x, 8);
  EXPECT_EQ(u & 0xffffffff, 0u);
}

TEST(PtxOperations, ComparisonsKnowNaN) {
  auto compare = [](const std::string &how, float a, float b) {
    return evaluate<u32>(".reg .pred %q; setp." + how + ".f32 %q, %a, %b; selp.b32 %d, 1, 0, %q;",
                         a, b);
  };
  EXPECT_EQ(compare("lt", 1, 2), 1u);
  EXPECT_EQ(compare("lt", NAN, 2), 0u);
  EXPECT_EQ(compare("ltu", NAN, 2), 1u);
  EXPECT_EQ(compare("ne", NAN, 2), 0u);
  EXPECT_EQ(compare("neu", NAN, 2), 1u);
  EXPECT_EQ(compare("equ", NAN, NAN), 1u);
  EXPECT_EQ(compare("num", 1, 2), 1u);
  EXPECT_EQ(compare("nan", 1, NAN), 1u);
  EXPECT_EQ(evaluate<u32>(".reg .pred %q, %t; mov.pred %t, -1; "
                          "setp.lt.and.s32 %q, %a, %b, %t; selp.b32 %d, 1, 0, %q;",
                          -1, 0),
            1u);
  EXPECT_EQ(evaluate<u32>(".reg .pred %q; setp.lt.u32 %q, %a, %b; selp.b32 %d, 1, 0, %q;", -1, 0),
            0u);
}

TEST(PtxOperations, ConversionsRound) {
  EXPECT_EQ(evaluate<float>("cvt.rni.f32.f32 %d, %a;", 2.5f), 2.0f);
  EXPECT_EQ(evaluate<float>("cvt.rmi.f32.f32 %d, %a;", -2.5f), -3.0f);
  EXPECT_EQ(evaluate<double>("cvt.rpi.f64.f64 %d, %a;", 2.25), 3.0);
  EXPECT_EQ(evaluate<s32>("cvt.rzi.s32.f32 %d, %a;", -2.75f), -2);
  EXPECT_EQ(evaluate<s32>("cvt.rni.s32.f64 %d, %a;", 3.5), 4);
  EXPECT_EQ(evaluate<s32>("cvt.rzi.s32.f32 %d, %a;", 1e20f), std::numeric_limits<s32>::max());
  EXPECT_EQ(evaluate<s32>("cvt.rzi.s32.f32 %d, %a;", NAN), 0);
  EXPECT_EQ(evaluate<u32>("cvt.rzi.u32.f32 %d, %a;", -1.0f), 0u);
  EXPECT_EQ(evaluate<s64>("cvt.rzi.s64.f64 %d, %a;", -1e30), std::numeric_limits<s64>::min());
  EXPECT_EQ(evaluate<float>("cvt.rn.f32.s64 %d, %a;", (s64(1) << 60) + 1), 0x1p60f);
  EXPECT_EQ(evaluate<float>("cvt.rn.f32.f64 %d, %a;", 1 + 0x1p-24), 1.0f);
  EXPECT_EQ(evaluate<float>("cvt.sat.f32.f32 %d, %a;", 1.5f), 1.0f);
  EXPECT_EQ(evaluate<float>("cvt.sat.f32.f32 %d, %a;", NAN), 0.0f);
}

TEST(PtxOperations, ConversionsOfIntegersCutAndExtend) {
  EXPECT_EQ(evaluate<u64>("cvt.s64.s32 %d, %a;", -2), ~u64(1));
  EXPECT_EQ(evaluate<u64>("cvt.u64.u32 %d, %a;", ~0u), u64(~0u));
  EXPECT_EQ(evaluate<s32>("cvt.s32.s8 %d, %a;", u16(0x1280)), -128);
  EXPECT_EQ(evaluate<u32>("cvt.u32.u8 %d, %a;", u16(0x1280)), 0x80u);
  EXPECT_EQ(evaluate<u16>("cvt.s8.s32 %d, %a;", 0x1ff), 0xffff);
  EXPECT_EQ(evaluate<u16>("cvt.u16.u64 %d, %a;", u64(0x123456)), 0x3456);
  EXPECT_EQ(evaluate<u32>("cvt.sat.u8.s32 %d, %a;", 300), 255u);
  EXPECT_EQ(evaluate<u32>("cvt.sat.u8.s32 %d, %a;", -3), 0u);
}

TEST(PtxOperations, HalvesRoundToNearestEven) {
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 1.0f), 0x3c00);
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 1 + 0x1p-11f), 0x3c00);
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 1 + 0x3p-11f), 0x3c02);
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 65519.0f), 0x7bff);
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 65520.0f), 0x7c00);
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 0x1p-24f), 1);
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 0x1p-25f), 0);
  EXPECT_EQ(evaluate<u16>("cvt.rn.f16.f32 %d, %a;", 0x1.8p-25f), 1);
  EXPECT_EQ(evaluate<u16>("cvt.rz.f16.f32 %d, %a;", 65535.0f), 0x7bff);
  EXPECT_EQ(evaluate<u16>("cvt.rn.bf16.f32 %d, %a;", 1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(evaluate<u16>("cvt.rn.bf16.f32 %d, %a;", 1 + 0x3p-8f), 0x3f82);
  EXPECT_EQ(evaluate<u16>("cvt.rn.bf16.f32 %d, %a;", NAN), 0x7fff);
  EXPECT_EQ(evaluate<u32>("cvt.rn.f16x2.f32 %d, %a, %b;", 1.0f, 2.0f), 0x3c004000u);
  EXPECT_EQ(evaluate<u32>("cvt.rn.bf16x2.f32 %d, %a, %b;", 1.0f, 2.0f), 0x3f804000u);
}

// All 65,536, against the definition.
TEST(PtxOperations, HalvesWidenExactly) {
  std::string body = ".reg .b32 %f; cvt.u16.u32 %h0, %r0; cvt.f32.f16 %f, %h0; "
                     "st.global.b32 [%rd1], %f; cvt.f32.bf16 %f, %h0; "
                     "st.global.b32 [%rd1+4], %f; cvt.rn.f16.f32 %h1, %f;";
  TestRun test(body, 256, 256);
  ASSERT_EQ(test.run(), "");
  for (u32 h = 0; h != 65536; ++h) {
    const int exponent = h >> 10 & 31, mantissa = h & 1023;
    float want = exponent == 31 ? (mantissa ? NAN : INFINITY)
                 : exponent     ? std::ldexp(1024.0f + mantissa, exponent - 25)
                                : std::ldexp(float(mantissa), -24);
    want = h & 0x8000 ? -want : want;
    const float got = test.get<float>(64 * h);
    if (want == want)
      EXPECT_EQ(bitsOf(got), bitsOf(want)) << h;
    else
      EXPECT_NE(got, got) << h;
    EXPECT_EQ(test.get<u32>(64 * h + 4), h << 16);
  }
}

TEST(PtxOperations, HalvesComputeWithOneRounding) {
  // 1.5 * 2^-24 is between two of f16's least numbers: even.
  EXPECT_EQ(evaluate<u16>("mul.rn.f16 %d, %a, %b;", u16(0x3e00), u16(1)), 2);
  EXPECT_EQ(evaluate<u16>("add.rn.f16 %d, %a, %b;", u16(0x3c00), u16(0x1000)), 0x3c00);
  // 1 + 2^-11 + 2^-30: f64 holds it, f32 would lose what breaks the tie.
  EXPECT_EQ(evaluate<u16>("fma.rn.f16 %d, %a, %b, %c;", u16(0x3c01), u16(0x3801), u16(0x3800)),
            0x3c01);
  EXPECT_EQ(evaluate<u16>("fma.rn.bf16 %d, %a, %b, %c;", u16(0x3f80), u16(0x3f80), u16(0x3f80)),
            0x4000);
  EXPECT_EQ(evaluate<u32>("fma.rn.f16x2 %d, %a, %b, %c;", 0x3c004000u, 0x3c004000u, 0u),
            0x3c004400u);
  EXPECT_EQ(evaluate<u16>("neg.bf16 %d, %a;", u16(0x3f80)), 0xbf80);
  EXPECT_EQ(evaluate<u32>("max.NaN.bf16x2 %d, %a, %b;", 0x3f807fffu, 0x40000000u), 0x40007fffu);
}
