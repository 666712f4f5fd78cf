//===- PtxFloats.cpp - Operations of PTX on floats ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What PTX rounds is rounded once. What it approximates is computed in f64 and rounded to the
// nearest f32, closer than the documented error; a test must not rely on more than that error.
// A NaN that an f32 operation makes is 0x7fffffff, as the device's; f64 keeps its operand's.
//
//===----------------------------------------------------------------------===//

#include "PtxOperationsCommon.h"

#include <cfenv>
#include <cmath>
#include <iterator>

namespace ampc::ptx {
namespace {

inline f32 canonical(f32 x) { return x != x ? bits<f32>(u32(0x7fffffff)) : x; }
inline f64 canonical(f64 x) { return x; }
inline f32 flush(f32 x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

// clang-format off
struct Add { template <class T> static T of(T a, T b) { return canonical(a + b); } };
struct Sub { template <class T> static T of(T a, T b) { return canonical(a - b); } };
struct Mul { template <class T> static T of(T a, T b) { return canonical(a * b); } };
struct Div { template <class T> static T of(T a, T b) { return canonical(a / b); } };
struct Rcp { template <class T> static T of(T a) { return canonical(T(1) / a); } };
struct Sqrt { template <class T> static T of(T a) { return canonical(T(std::sqrt(a))); } };
struct Fma { template <class T> static T of(T a, T b, T c) { return canonical(T(std::fma(a, b, c))); } };
struct Neg { template <class T> static T of(T a) { return -a; } };
struct Abs { template <class T> static T of(T a) { return std::fabs(a); } };
// The sign of the first in the second.
struct CopySign { template <class T> static T of(T a, T b) { return std::copysign(b, a); } };
template <class F> struct Ftz {
  static f32 of(f32 a) { return flush(F::of(flush(a))); }
  static f32 of(f32 a, f32 b) { return flush(F::of(flush(a), flush(b))); }
  static f32 of(f32 a, f32 b, f32 c) { return flush(F::of(flush(a), flush(b), flush(c))); }
};
template <class F> struct Sat {
  template <class... T> static f32 of(T... a) { f32 x = F::of(a...); return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
};

// +0 is larger than -0; of a number and a NaN the number, and of two NaN the one.
template <class T> inline T nan() { return canonical(T(NAN)); }
struct Min { template <class T> static T of(T a, T b) {
  T r = a < b ? a : b < a ? b : std::signbit(a) ? a : b;
  return a != a ? (b != b ? nan<T>() : b) : b != b ? a : r; } };
struct Max { template <class T> static T of(T a, T b) {
  T r = a > b ? a : b > a ? b : std::signbit(a) ? b : a;
  return a != a ? (b != b ? nan<T>() : b) : b != b ? a : r; } };
template <class F> struct WithNaN { template <class T> static T of(T a, T b) { return a != a || b != b ? nan<T>() : F::of(a, b); } };

// Within 2^-22.5 of relative error (ex2), 2^-20.9 absolute (sin, cos between -pi and pi), 2^-11
// relative (tanh), 2^-22.6 (lg2), 1 ulp (rcp), 2^-22.4 (rsqrt), 2 ulp (div): as PTX documents.
struct Ex2 { static f32 of(f32 a) { return canonical(f32(std::exp2(f64(a)))); } };
struct Lg2 { static f32 of(f32 a) { return canonical(f32(std::log2(f64(a)))); } };
struct Sin { static f32 of(f32 a) { return canonical(f32(std::sin(f64(a)))); } };
struct Cos { static f32 of(f32 a) { return canonical(f32(std::cos(f64(a)))); } };
struct Tanh { static f32 of(f32 a) { return canonical(f32(std::tanh(f64(a)))); } };
struct Rsqrt { static f32 of(f32 a) { return canonical(f32(1 / std::sqrt(f64(a)))); } };
// The upper half of the operand, and the upper half of the result.
inline f64 upper(f64 a) { return bits<f64>(bits<u64>(a) & ~u64(0xffffffff)); }
inline f64 flush(f64 x) { return std::fabs(x) < 0x1p-1022 ? std::copysign(0.0, x) : x; }
struct RcpUpper { static f64 of(f64 a) { return upper(flush(1 / flush(upper(a)))); } };
struct Rsqrt64 { static f64 of(f64 a) { return 1 / std::sqrt(a); } };
struct RsqrtUpper { static f64 of(f64 a) { return upper(1 / std::sqrt(flush(upper(a)))); } };

struct Eq { template <class T> static u8 of(T a, T b) { return a == b; } };
struct Ne { template <class T> static u8 of(T a, T b) { return (a < b) | (a > b); } };
struct Lt { template <class T> static u8 of(T a, T b) { return a < b; } };
struct Le { template <class T> static u8 of(T a, T b) { return a <= b; } };
struct Gt { template <class T> static u8 of(T a, T b) { return a > b; } };
struct Ge { template <class T> static u8 of(T a, T b) { return a >= b; } };
struct Equ { template <class T> static u8 of(T a, T b) { return !((a < b) | (a > b)); } };
struct Neu { template <class T> static u8 of(T a, T b) { return a != b; } };
struct Ltu { template <class T> static u8 of(T a, T b) { return !(a >= b); } };
struct Leu { template <class T> static u8 of(T a, T b) { return !(a > b); } };
struct Gtu { template <class T> static u8 of(T a, T b) { return !(a <= b); } };
struct Geu { template <class T> static u8 of(T a, T b) { return !(a < b); } };
struct Num { template <class T> static u8 of(T a, T b) { return (a == a) & (b == b); } };
struct Nan { template <class T> static u8 of(T a, T b) { return (a != a) | (b != b); } };
struct And { static u8 of(u8 a, u8 b) { return a & b; } };
struct Or { static u8 of(u8 a, u8 b) { return a | b; } };
template <class C, class L> struct Both { template <class T> static u8 of(T a, T b, u8 p) { return L::of(C::of(a, b), p); } };
struct Select { template <class T> static T of(T a, T b, u8 p) { return p ? a : b; } };
struct Copy { template <class T> static T of(T a) { return a; } };
struct Finite { template <class T> static u8 of(T a) { return std::fabs(a) < T(INFINITY); } };
struct Infinite { template <class T> static u8 of(T a) { return std::fabs(a) == T(INFINITY); } };
struct Number { template <class T> static u8 of(T a) { return a == a; } };
struct NotANumber { template <class T> static u8 of(T a) { return a != a; } };
// clang-format on

/// `Base` under another rounding mode, which the float unit of the host applies.
template <int Mode, Handler Base>
void rounded(Lanes &l, const Instruction &i) {
  const int before = std::fegetround();
  std::fesetround(Mode);
  Handler volatile base = Base; // not inlined: the compiler takes the mode for the usual one
  base(l, i);
  std::fesetround(before);
}

//===--- 16 bits ----------------------------------------------------------===//

// Sums and products of two in f64 and then in 16 bits are rounded as if once: f64 has more than
// twice the bits, and two more.
template <class H, class F>
struct Half {
  static u16 of(u16 a) { return H::narrow(F::of(f64(H::widen(a)))); }
  static u16 of(u16 a, u16 b) { return H::narrow(F::of(f64(H::widen(a)), f64(H::widen(b)))); }
};
/// The product is exact in f64; of the sum's odd bit is kept what rounding takes off.
template <class H>
struct HalfFma {
  static u16 of(u16 a, u16 b, u16 c) {
    const f64 p = f64(H::widen(a)) * f64(H::widen(b)), q = H::widen(c);
    f64 sum = p + q;
    const f64 back = sum - p, error = (p - (sum - back)) + (q - back);
    u64 u = bits<u64>(sum);
    if (error != 0 && error == error && !(u & 1))
      u += (error > 0) == (sum > 0) ? 1 : -1;
    return H::narrow(bits<f64>(u));
  }
};
template <class F>
struct Pair {
  static u32 of(u32 a) { return F::of(u16(a)) | u32(F::of(u16(a >> 16))) << 16; }
  static u32 of(u32 a, u32 b) {
    return F::of(u16(a), u16(b)) | u32(F::of(u16(a >> 16), u16(b >> 16))) << 16;
  }
  static u32 of(u32 a, u32 b, u32 c) {
    return F::of(u16(a), u16(b), u16(c)) | u32(F::of(u16(a >> 16), u16(b >> 16), u16(c >> 16)))
                                               << 16;
  }
};
template <class H, class C>
struct HalfCompare {
  static u8 of(u16 a, u16 b) { return C::of(H::widen(a), H::widen(b)); }
};
// Of the bits alone: a NaN keeps its own.
struct NegBits {
  static u16 of(u16 a) { return a ^ 0x8000; }
};
struct AbsBits {
  static u16 of(u16 a) { return a & 0x7fff; }
};

// clang-format off
const Operation kTable[] = {
#define ROUNDED(name, suffix, operands, handler)                                                   \
  {name ".rm" suffix, operands, rounded<FE_DOWNWARD, handler>},                                    \
  {name ".rp" suffix, operands, rounded<FE_UPWARD, handler>},                                      \
  {name ".rz" suffix, operands, rounded<FE_TOWARDZERO, handler>},                                  \
  {name ".rn" suffix, operands, handler},
#define FLOAT(N, w)                                                                                \
  {"add.f" #N, #w #w #w, binaryOf<Add, f##N>}, {"sub.f" #N, #w #w #w, binaryOf<Sub, f##N>},        \
  {"mul.f" #N, #w #w #w, binaryOf<Mul, f##N>},                                                     \
  ROUNDED("add", ".f" #N, #w #w #w, (binaryOf<Add, f##N>))                                         \
  ROUNDED("sub", ".f" #N, #w #w #w, (binaryOf<Sub, f##N>))                                         \
  ROUNDED("mul", ".f" #N, #w #w #w, (binaryOf<Mul, f##N>))                                         \
  ROUNDED("div", ".f" #N, #w #w #w, (binaryOf<Div, f##N>))                                         \
  ROUNDED("fma", ".f" #N, #w #w #w #w, (ternaryOf<Fma, f##N>))                                     \
  ROUNDED("rcp", ".f" #N, #w #w, (unaryOf<Rcp, f##N>))                                             \
  ROUNDED("sqrt", ".f" #N, #w #w, (unaryOf<Sqrt, f##N>))                                           \
  {"neg.f" #N, #w #w, unaryOf<Neg, f##N>}, {"abs.f" #N, #w #w, unaryOf<Abs, f##N>},                \
  {"copysign.f" #N, #w #w #w, binaryOf<CopySign, f##N>},                                           \
  {"min.f" #N, #w #w #w, binaryOf<Min, f##N>}, {"max.f" #N, #w #w #w, binaryOf<Max, f##N>},        \
  {"min.NaN.f" #N, #w #w #w, binaryOf<WithNaN<Min>, f##N>},                                        \
  {"max.NaN.f" #N, #w #w #w, binaryOf<WithNaN<Max>, f##N>},                                        \
  {"mov.f" #N, #w #w, unaryOf<Copy, u##N>},                                                        \
  {"selp.f" #N, #w #w #w "p", ternary<Select, u##N, u##N, u##N, u8>},                              \
  {"testp.finite.f" #N, "p" #w, unary<Finite, u8, f##N>},                                          \
  {"testp.infinite.f" #N, "p" #w, unary<Infinite, u8, f##N>},                                      \
  {"testp.number.f" #N, "p" #w, unary<Number, u8, f##N>},                                          \
  {"testp.notanumber.f" #N, "p" #w, unary<NotANumber, u8, f##N>},
  FLOAT(32, w) FLOAT(64, d)
#define COMPARE(name, C)                                                                           \
  {"setp." name ".f32", "pww", binary<C, u8, f32, f32>},                                           \
  {"setp." name ".and.f32", "pwwp", ternary<Both<C, And>, u8, f32, f32, u8>},                      \
  {"setp." name ".or.f32", "pwwp", ternary<Both<C, Or>, u8, f32, f32, u8>},                        \
  {"setp." name ".f64", "pdd", binary<C, u8, f64, f64>},                                           \
  {"setp." name ".and.f64", "pddp", ternary<Both<C, And>, u8, f64, f64, u8>},                      \
  {"setp." name ".or.f64", "pddp", ternary<Both<C, Or>, u8, f64, f64, u8>},                        \
  {"setp." name ".f16", "phh", binary<HalfCompare<F16, C>, u8, u16, u16>},                         \
  {"setp." name ".bf16", "phh", binary<HalfCompare<Bf16, C>, u8, u16, u16>},
  COMPARE("eq", Eq) COMPARE("ne", Ne) COMPARE("lt", Lt) COMPARE("le", Le) COMPARE("gt", Gt)
  COMPARE("ge", Ge) COMPARE("equ", Equ) COMPARE("neu", Neu) COMPARE("ltu", Ltu)
  COMPARE("leu", Leu) COMPARE("gtu", Gtu) COMPARE("geu", Geu) COMPARE("num", Num)
  COMPARE("nan", Nan)
  {"add.rn.ftz.f32", "www", binaryOf<Ftz<Add>, f32>}, {"add.ftz.f32", "www", binaryOf<Ftz<Add>, f32>},
  {"sub.rn.ftz.f32", "www", binaryOf<Ftz<Sub>, f32>}, {"sub.ftz.f32", "www", binaryOf<Ftz<Sub>, f32>},
  {"mul.rn.ftz.f32", "www", binaryOf<Ftz<Mul>, f32>}, {"mul.ftz.f32", "www", binaryOf<Ftz<Mul>, f32>},
  {"fma.rn.ftz.f32", "wwww", ternaryOf<Ftz<Fma>, f32>},
  {"add.sat.f32", "www", binaryOf<Sat<Add>, f32>}, {"add.rn.sat.f32", "www", binaryOf<Sat<Add>, f32>},
  {"mul.sat.f32", "www", binaryOf<Sat<Mul>, f32>}, {"fma.rn.sat.f32", "wwww", ternaryOf<Sat<Fma>, f32>},
  {"div.full.f32", "www", binaryOf<Div, f32>}, {"div.approx.f32", "www", binaryOf<Div, f32>},
  {"div.full.ftz.f32", "www", binaryOf<Ftz<Div>, f32>}, {"div.approx.ftz.f32", "www", binaryOf<Ftz<Div>, f32>},
#define APPROXIMATE(name, F)                                                                       \
  {name ".approx.f32", "ww", unaryOf<F, f32>}, {name ".approx.ftz.f32", "ww", unaryOf<Ftz<F>, f32>}
  APPROXIMATE("ex2", Ex2), APPROXIMATE("lg2", Lg2), APPROXIMATE("sin", Sin),
  APPROXIMATE("cos", Cos), APPROXIMATE("rcp", Rcp), APPROXIMATE("sqrt", Sqrt),
  APPROXIMATE("rsqrt", Rsqrt), {"tanh.approx.f32", "ww", unaryOf<Tanh, f32>},
  {"rcp.approx.ftz.f64", "dd", unaryOf<RcpUpper, f64>},
  {"rsqrt.approx.ftz.f64", "dd", unaryOf<RsqrtUpper, f64>},
  {"rsqrt.approx.f64", "dd", unaryOf<Rsqrt64, f64>},
#define HALF(name, H)                                                                              \
  {"add." name, "hhh", binaryOf<Half<H, Add>, u16>}, {"add.rn." name, "hhh", binaryOf<Half<H, Add>, u16>}, \
  {"sub." name, "hhh", binaryOf<Half<H, Sub>, u16>}, {"sub.rn." name, "hhh", binaryOf<Half<H, Sub>, u16>}, \
  {"mul." name, "hhh", binaryOf<Half<H, Mul>, u16>}, {"mul.rn." name, "hhh", binaryOf<Half<H, Mul>, u16>}, \
  {"fma.rn." name, "hhhh", ternaryOf<HalfFma<H>, u16>},                                            \
  {"min." name, "hhh", binaryOf<Half<H, Min>, u16>}, {"max." name, "hhh", binaryOf<Half<H, Max>, u16>}, \
  {"min.NaN." name, "hhh", binaryOf<Half<H, WithNaN<Min>>, u16>},                                  \
  {"max.NaN." name, "hhh", binaryOf<Half<H, WithNaN<Max>>, u16>},                                  \
  {"neg." name, "hh", unaryOf<NegBits, u16>}, {"abs." name, "hh", unaryOf<AbsBits, u16>},          \
  {"ex2.approx.ftz." name, "hh", unaryOf<Half<H, Ex2>, u16>},                                      \
  {"tanh.approx." name, "hh", unaryOf<Half<H, Tanh>, u16>},                                        \
  {"selp." name, "hhhp", ternary<Select, u16, u16, u16, u8>},                                      \
  {"add." name "x2", "www", binaryOf<Pair<Half<H, Add>>, u32>}, {"add.rn." name "x2", "www", binaryOf<Pair<Half<H, Add>>, u32>}, \
  {"sub." name "x2", "www", binaryOf<Pair<Half<H, Sub>>, u32>}, {"sub.rn." name "x2", "www", binaryOf<Pair<Half<H, Sub>>, u32>}, \
  {"mul." name "x2", "www", binaryOf<Pair<Half<H, Mul>>, u32>}, {"mul.rn." name "x2", "www", binaryOf<Pair<Half<H, Mul>>, u32>}, \
  {"fma.rn." name "x2", "wwww", ternaryOf<Pair<HalfFma<H>>, u32>},                                 \
  {"min." name "x2", "www", binaryOf<Pair<Half<H, Min>>, u32>}, {"max." name "x2", "www", binaryOf<Pair<Half<H, Max>>, u32>}, \
  {"min.NaN." name "x2", "www", binaryOf<Pair<Half<H, WithNaN<Min>>>, u32>},                       \
  {"max.NaN." name "x2", "www", binaryOf<Pair<Half<H, WithNaN<Max>>>, u32>},                       \
  {"neg." name "x2", "ww", unaryOf<Pair<NegBits>, u32>}, {"abs." name "x2", "ww", unaryOf<Pair<AbsBits>, u32>}
  HALF("f16", F16), HALF("bf16", Bf16),
};
// clang-format on

} // namespace

OperationTable floatOperations() { return {std::begin(kTable), std::end(kTable)}; }

} // namespace ampc::ptx
