//===- PtxConversions.cpp - PTX's cvt -------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// An operand may be in a register wider than its type: its low bits are read. A result in a wider
// one fills it, with its sign where it has one.
//
//===----------------------------------------------------------------------===//

#include "PtxOperationsCommon.h"

#include <cmath>
#include <iterator>
#include <limits>
#include <type_traits>

namespace ampc::ptx {
namespace {

/// 16 bits that are a float.
template <class H>
struct HalfOf {};
using f16 = HalfOf<F16>;
using bf16 = HalfOf<Bf16>;

template <class T>
struct Storage {
  using type = T;
};
template <class H>
struct Storage<HalfOf<H>> {
  using type = u16;
};

/// A rounding to an integer value, at the source.
struct None {
  static f64 of(f64 x) { return x; }
};
// clang-format off
struct Nearest { static f64 of(f64 x) { return std::nearbyint(x); } static f32 of(f32 x) { return std::nearbyint(x); } };
struct Zero { static f64 of(f64 x) { return std::trunc(x); } static f32 of(f32 x) { return std::trunc(x); } };
struct Down { static f64 of(f64 x) { return std::floor(x); } static f32 of(f32 x) { return std::floor(x); } };
struct Up { static f64 of(f64 x) { return std::ceil(x); } static f32 of(f32 x) { return std::ceil(x); } };
// clang-format on

template <class T>
inline auto widen(typename Storage<T>::type x) {
  return x;
}
template <>
inline auto widen<f16>(u16 x) {
  return widenF16(x);
}
template <>
inline auto widen<bf16>(u16 x) {
  return widenBf16(x);
}

/// Clamped to the type; a NaN gives 0, or in 64 bits and from f64 the upper bit alone.
template <class I, bool Is64, class F>
inline I toInteger(F x) {
  // Powers of two, both exact.
  const F low = F(std::numeric_limits<I>::min());
  const F high = -2 * F(std::numeric_limits<std::make_signed_t<I>>::min());
  const F end = std::is_signed_v<I> ? -low : high;
  if (x != x)
    return Is64 ? I(std::make_unsigned_t<I>(1) << (8 * sizeof(I) - 1)) : I(0);
  if (x < low)
    return std::numeric_limits<I>::min();
  if (x >= end)
    return std::numeric_limits<I>::max();
  return I(x);
}

template <class To, class From, class R, bool Saturate>
struct Convert {
  using S = typename Storage<From>::type;
  using D = typename Storage<To>::type;
  static D of(S raw) {
    const auto x = widen<From>(raw);
    using X = std::remove_const_t<decltype(x)>;
    if constexpr (std::is_integral_v<To>) {
      if constexpr (std::is_integral_v<X>) {
        if constexpr (Saturate) {
          using Limits = std::numeric_limits<To>;
          const __int128 wide = x;
          return wide < Limits::min()   ? Limits::min()
                 : wide > Limits::max() ? Limits::max()
                                        : To(x);
        } else {
          return To(x);
        }
      } else {
        constexpr bool is64 = sizeof(To) == 8 || std::is_same_v<From, f64>;
        return toInteger<To, is64>(R::of(x));
      }
    } else if constexpr (std::is_same_v<To, f32> || std::is_same_v<To, f64>) {
      if constexpr (std::is_integral_v<X> || std::is_same_v<R, None>) {
        To y = To(x);
        if (Saturate)
          y = y > 0 ? (y < 1 ? y : To(1)) : To(0);
        return y;
      } else {
        return To(R::of(x));
      }
    } else {
      static_assert(!std::is_integral_v<X> || sizeof(X) <= 4, "exact in f64");
      constexpr Round round = std::is_same_v<R, Zero>   ? Round::Zero
                              : std::is_same_v<R, Down> ? Round::Down
                              : std::is_same_v<R, Up>   ? Round::Up
                                                        : Round::Nearest;
      f64 y = x;
      if (Saturate)
        y = y > 0 ? (y < 1 ? y : 1.0) : 0.0;
      return std::is_same_v<To, f16> ? narrowF16(y, round) : narrowBf16(y, round);
    }
  }
};

/// The registers' widths are the instruction's.
template <class C>
void convert(Lanes &l, const Instruction &i) {
  using S = typename C::S;
  using D = typename C::D;
  if (i.widths[0] == sizeof(D) && i.widths[1] == sizeof(S)) {
    unary<C, D, S>(l, i);
    return;
  }
  const u32 from = i.widths[1], to = i.widths[0];
  const char *source = l.row<char>(i.operands[1]);
  char *target = l.row<char>(i.operands[0]);
  for (u32 n = 0; n != l.count; ++n) {
    const u32 t = l.list[n];
    S x;
    std::memcpy(&x, source + u64(t) * from, sizeof(x));
    const D y = C::of(x);
    u64 wide = 0;
    if constexpr (std::is_integral_v<D>)
      wide = std::is_signed_v<D> ? u64(s64(y)) : u64(y);
    else
      std::memcpy(&wide, &y, sizeof(y));
    std::memcpy(target + u64(t) * to, &wide, to);
  }
}

// The first operand is the upper half.
template <class H, bool Relu>
void convertPair(Lanes &l, const Instruction &i) {
  u32 *d = l.row<u32>(i.operands[0]);
  const f32 *a = l.row<f32>(i.operands[1]), *b = l.row<f32>(i.operands[2]);
  l.each([=](u32 t) {
    auto narrow = [](f32 x) { return H::narrow(Relu && x < 0 ? 0.0f : x); };
    d[t] = narrow(b[t]) | u32(narrow(a[t])) << 16;
  });
}

// '.' leaves the width open to what a register holds.
// clang-format off
const Operation kTable[] = {
#define ONE(name, To, From, R, S) {"cvt." name, "..", convert<Convert<To, From, R, S>>},
#define TO_INTEGERS(From, text, X)                                                                 \
  X(u8, From, ".u8." text) X(u16, From, ".u16." text) X(u32, From, ".u32." text)                   \
  X(u64, From, ".u64." text) X(s8, From, ".s8." text) X(s16, From, ".s16." text)                   \
  X(s32, From, ".s32." text) X(s64, From, ".s64." text)
#define PLAIN(To, From, text)                                                                      \
  {"cvt" text, "..", convert<Convert<To, From, None, false>>},                                     \
  {"cvt.sat" text, "..", convert<Convert<To, From, None, true>>},
  TO_INTEGERS(u8, "u8", PLAIN) TO_INTEGERS(u16, "u16", PLAIN) TO_INTEGERS(u32, "u32", PLAIN)
  TO_INTEGERS(u64, "u64", PLAIN) TO_INTEGERS(s8, "s8", PLAIN) TO_INTEGERS(s16, "s16", PLAIN)
  TO_INTEGERS(s32, "s32", PLAIN) TO_INTEGERS(s64, "s64", PLAIN)
#define ROUNDED(To, From, text)                                                                    \
  {"cvt.rni" text, "..", convert<Convert<To, From, Nearest, false>>},                              \
  {"cvt.rzi" text, "..", convert<Convert<To, From, Zero, false>>},                                 \
  {"cvt.rmi" text, "..", convert<Convert<To, From, Down, false>>},                                 \
  {"cvt.rpi" text, "..", convert<Convert<To, From, Up, false>>},                                   \
  {"cvt.rni.sat" text, "..", convert<Convert<To, From, Nearest, false>>},                          \
  {"cvt.rzi.sat" text, "..", convert<Convert<To, From, Zero, false>>},
  TO_INTEGERS(f16, "f16", ROUNDED) TO_INTEGERS(f32, "f32", ROUNDED) TO_INTEGERS(f64, "f64", ROUNDED)
  ROUNDED(f32, f32, ".f32.f32") ROUNDED(f64, f64, ".f64.f64")
#define FROM_INTEGER(From, text)                                                                   \
  ONE("rn.f32." text, f32, From, None, false) ONE("rn.f64." text, f64, From, None, false)
  FROM_INTEGER(u8, "u8") FROM_INTEGER(u16, "u16") FROM_INTEGER(u32, "u32") FROM_INTEGER(u64, "u64")
  FROM_INTEGER(s8, "s8") FROM_INTEGER(s16, "s16") FROM_INTEGER(s32, "s32") FROM_INTEGER(s64, "s64")
#define HALF_FROM_INTEGER(From, text)                                                              \
  ONE("rn.f16." text, f16, From, None, false) ONE("rn.bf16." text, bf16, From, None, false)
  HALF_FROM_INTEGER(u8, "u8") HALF_FROM_INTEGER(u16, "u16") HALF_FROM_INTEGER(u32, "u32")
  HALF_FROM_INTEGER(s8, "s8") HALF_FROM_INTEGER(s16, "s16") HALF_FROM_INTEGER(s32, "s32")
  ONE("f64.f32", f64, f32, None, false) ONE("f32.f16", f32, f16, None, false)
  ONE("f64.f16", f64, f16, None, false) ONE("f32.bf16", f32, bf16, None, false)
  ONE("f64.bf16", f64, bf16, None, false)
  ONE("rn.f32.f64", f32, f64, None, false) ONE("sat.f32.f32", f32, f32, None, true)
  ONE("sat.f64.f64", f64, f64, None, true)
#define NARROW(To, text, From, from)                                                               \
  ONE("rn." text "." from, To, From, None, false) ONE("rz." text "." from, To, From, Zero, false)  \
  ONE("rm." text "." from, To, From, Down, false) ONE("rp." text "." from, To, From, Up, false)    \
  ONE("rn.sat." text "." from, To, From, None, true)
  NARROW(f16, "f16", f32, "f32") NARROW(f16, "f16", f64, "f64") NARROW(bf16, "bf16", f32, "f32")
  NARROW(bf16, "bf16", f64, "f64")
  {"cvt.rn.f16x2.f32", "www", convertPair<F16, false>},
  {"cvt.rn.bf16x2.f32", "www", convertPair<Bf16, false>},
  {"cvt.rn.relu.f16x2.f32", "www", convertPair<F16, true>},
  {"cvt.rn.relu.bf16x2.f32", "www", convertPair<Bf16, true>},
};
// clang-format on

} // namespace

OperationTable conversions() { return {std::begin(kTable), std::end(kTable)}; }

} // namespace ampc::ptx
