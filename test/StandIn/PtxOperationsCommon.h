//===- PtxOperationsCommon.h - Rows in, rows out -----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_PTXOPERATIONSCOMMON_H
#define AMPC_TEST_STANDIN_PTXOPERATIONSCOMMON_H

#include "PtxLanes.h"

#include <cstring>

namespace ampc::ptx {
namespace {

template <class To, class From>
inline To bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

/// F is a class with a static function `of`; its operands may be the result.
template <class F, class D, class A>
void unary(Lanes &l, const Instruction &i) {
  D *d = l.row<D>(i.operands[0]);
  const A *a = l.row<A>(i.operands[1]);
  l.each([=](uint32_t t) { d[t] = F::of(a[t]); });
}
template <class F, class D, class A, class B>
void binary(Lanes &l, const Instruction &i) {
  D *d = l.row<D>(i.operands[0]);
  const A *a = l.row<A>(i.operands[1]);
  const B *b = l.row<B>(i.operands[2]);
  l.each([=](uint32_t t) { d[t] = F::of(a[t], b[t]); });
}
template <class F, class D, class A, class B, class C>
void ternary(Lanes &l, const Instruction &i) {
  D *d = l.row<D>(i.operands[0]);
  const A *a = l.row<A>(i.operands[1]);
  const B *b = l.row<B>(i.operands[2]);
  const C *c = l.row<C>(i.operands[3]);
  l.each([=](uint32_t t) { d[t] = F::of(a[t], b[t], c[t]); });
}
template <class F, class D, class A, class B, class C, class E>
void quaternary(Lanes &l, const Instruction &i) {
  D *d = l.row<D>(i.operands[0]);
  const A *a = l.row<A>(i.operands[1]);
  const B *b = l.row<B>(i.operands[2]);
  const C *c = l.row<C>(i.operands[3]);
  const E *e = l.row<E>(i.operands[4]);
  l.each([=](uint32_t t) { d[t] = F::of(a[t], b[t], c[t], e[t]); });
}

template <class F, class T>
constexpr Handler unaryOf = unary<F, T, T>;
template <class F, class T>
constexpr Handler binaryOf = binary<F, T, T, T>;
template <class F, class T>
constexpr Handler ternaryOf = ternary<F, T, T, T, T>;

//===--- 16-bit floats ----------------------------------------------------===//

inline float widenF16(uint16_t h) {
  // The exponent is moved, and what was infinite or subnormal put right by the float unit.
  const uint32_t sign = uint32_t(h & 0x8000) << 16, rest = uint32_t(h & 0x7fff) << 13;
  const float scaled = bits<float>(rest) * 0x1p112f;
  const uint32_t special = rest | 0x7f800000;
  return bits<float>(sign | ((h & 0x7c00) == 0x7c00 ? special : bits<uint32_t>(scaled)));
}
inline float widenBf16(uint16_t h) { return bits<float>(uint32_t(h) << 16); }

enum class Round { Nearest, Zero, Down, Up };

/// The 16-bit float of `mantissa` stored bits and least normal exponent `least`, rounded once from
/// `x`, which holds the exact value or one that is odd where it is not exact.
template <int Mantissa, int Least>
inline uint16_t narrow(double x, Round round = Round::Nearest) {
  constexpr int kExponents = 15 - Mantissa;
  constexpr uint32_t kInfinity = ((1u << kExponents) - 1) << Mantissa;
  const uint64_t u = bits<uint64_t>(x), magnitude = u & ~(uint64_t(1) << 63);
  const uint32_t sign = uint32_t(u >> 63) << 15;
  if (magnitude > uint64_t(0x7ff) << 52)
    return 0x7fff; // the one NaN that the device makes
  if (magnitude == uint64_t(0x7ff) << 52)
    return uint16_t(sign | kInfinity);
  const int exponent = int(magnitude >> 52) - 1023;
  if (exponent < Least - Mantissa - 2 || magnitude == 0) {
    bool up = magnitude != 0 && ((round == Round::Up && !sign) || (round == Round::Down && sign));
    return uint16_t(sign | up);
  }
  const uint64_t significand =
      (magnitude & ((uint64_t(1) << 52) - 1)) | (exponent >= -1022 ? uint64_t(1) << 52 : 0);
  // Bits to drop: those of a normal number, more of a subnormal one.
  const int drop = 52 - Mantissa + (exponent < Least ? Least - exponent : 0);
  uint64_t kept = significand >> drop, lost = significand & ((uint64_t(1) << drop) - 1);
  const uint64_t half = uint64_t(1) << (drop - 1);
  switch (round) {
  case Round::Nearest:
    kept += lost > half || (lost == half && (kept & 1));
    break;
  case Round::Zero:
    break;
  case Round::Down:
    kept += sign && lost;
    break;
  case Round::Up:
    kept += !sign && lost;
    break;
  }
  // A carry of the significand goes into the exponent by itself.
  uint64_t result = kept;
  if (exponent >= Least)
    result += uint64_t(exponent - Least) << Mantissa;
  if (result >= kInfinity) {
    bool isInfinite =
        round == Round::Nearest || (round == Round::Up && !sign) || (round == Round::Down && sign);
    result = isInfinite ? kInfinity : kInfinity - 1;
  }
  return uint16_t(sign | result);
}
inline uint16_t narrowF16(double x, Round r = Round::Nearest) { return narrow<10, -14>(x, r); }
inline uint16_t narrowBf16(double x, Round r = Round::Nearest) { return narrow<7, -126>(x, r); }

struct F16 {
  static float widen(uint16_t h) { return widenF16(h); }
  static uint16_t narrow(double x) { return narrowF16(x); }
};
struct Bf16 {
  static float widen(uint16_t h) { return widenBf16(h); }
  static uint16_t narrow(double x) { return narrowBf16(x); }
};

} // namespace
} // namespace ampc::ptx

#endif // AMPC_TEST_STANDIN_PTXOPERATIONSCOMMON_H
