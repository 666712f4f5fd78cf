//===- PtxIntegers.cpp - Operations of PTX on integers and bits -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxOperationsCommon.h"

#include <iterator>
#include <type_traits>

namespace ampc::ptx {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;
// 16 bits compute in 32, where the product of two does not overflow an int.
template <class T>
using Wrap = std::conditional_t<sizeof(T) < 4, u32, Unsigned<T>>;
template <class T>
constexpr u32 kBits = 8 * sizeof(T);
template <class T>
using Wider = std::conditional_t<
    std::is_signed_v<T>,
    std::conditional_t<sizeof(T) == 2, s32, std::conditional_t<sizeof(T) == 4, s64, __int128>>,
    std::conditional_t<sizeof(T) == 2, u32,
                       std::conditional_t<sizeof(T) == 4, u64, unsigned __int128>>>;

// clang-format off
struct Add { template <class T> static T of(T a, T b) { return T(Wrap<T>(a) + Wrap<T>(b)); } };
struct Sub { template <class T> static T of(T a, T b) { return T(Wrap<T>(a) - Wrap<T>(b)); } };
struct MulLo { template <class T> static T of(T a, T b) { return T(Wrap<T>(a) * Wrap<T>(b)); } };
struct MulHi { template <class T> static T of(T a, T b) { return T((Wider<T>(a) * Wider<T>(b)) >> kBits<T>); } };
struct MulWide { template <class T> static Wider<T> of(T a, T b) { return Wider<T>(a) * Wider<T>(b); } };
struct MadLo { template <class T> static T of(T a, T b, T c) { return T(Wrap<T>(a) * Wrap<T>(b) + Wrap<T>(c)); } };
struct MadHi { template <class T> static T of(T a, T b, T c) { return Add::of(MulHi::of(a, b), c); } };
struct MadWide { template <class T> static Wider<T> of(T a, T b, Wider<T> c) { return Add::of(MulWide::of(a, b), c); } };
struct Min { template <class T> static T of(T a, T b) { return a < b ? a : b; } };
struct Max { template <class T> static T of(T a, T b) { return a > b ? a : b; } };
struct Neg { template <class T> static T of(T a) { return T(-Wrap<T>(a)); } };
struct Abs { template <class T> static T of(T a) { return a < 0 ? Neg::of(a) : a; } };
struct And { template <class T> static T of(T a, T b) { return a & b; } };
struct Or { template <class T> static T of(T a, T b) { return a | b; } };
struct Xor { template <class T> static T of(T a, T b) { return a ^ b; } };
struct Not { template <class T> static T of(T a) { return T(~a); } };
struct NotPred { static u8 of(u8 a) { return a ^ 1; } };
struct Copy { template <class T> static T of(T a) { return a; } };
// A division by 0 gives what the device gives: all bits, and the dividend as the rest.
struct Div { template <class T> static T of(T a, T b) {
  if (b == 0) return T(~T(0));
  if (std::is_signed_v<T> && b == T(-1)) return Neg::of(a);
  return T(a / b); } };
struct Rem { template <class T> static T of(T a, T b) {
  if (b == 0) return a;
  if (std::is_signed_v<T> && b == T(-1)) return 0;
  return T(a % b); } };
// Shifts by more than the width are by the width.
struct Shl { template <class T> static T of(T a, u32 n) { return n >= kBits<T> ? T(0) : T(Wrap<T>(a) << n); } };
struct Shr { template <class T> static T of(T a, u32 n) {
  return n >= kBits<T> ? (std::is_signed_v<T> ? T(a >> (kBits<T> - 1)) : T(0)) : T(a >> n); } };
struct Popc { template <class T> static u32 of(T a) { return u32(__builtin_popcountll(a)); } };
struct Clz { template <class T> static u32 of(T a) { return a ? u32(__builtin_clzll(a)) - (64 - kBits<T>) : kBits<T>; } };
struct Brev { template <class T> static T of(T a) {
  T r = 0;
  for (u32 i = 0; i != kBits<T>; ++i) r |= T((a >> i) & 1) << (kBits<T> - 1 - i);
  return r; } };
// clang-format on

struct Bfe {
  template <class T>
  static T of(T a, u32 b, u32 c) {
    const u32 pos = b & 0xff, len = c & 0xff, msb = kBits<T> - 1;
    if (len == 0)
      return 0;
    using U = Unsigned<T>;
    const u32 last = pos + len - 1 < msb ? pos + len - 1 : msb;
    const U sign = std::is_signed_v<T> ? (U(a) >> last) & 1 : 0;
    const U field = pos > msb ? U(0) : U(a) >> pos;
    // How many bits of the field are the operand's; the others are the sign.
    const u32 own = pos > msb ? 0 : len < msb + 1 - pos ? len : msb + 1 - pos;
    const U mask = own >= kBits<T> ? U(~U(0)) : U((U(1) << own) - 1);
    return T((field & mask) | (sign ? U(~mask) : U(0)));
  }
};
struct Bfi {
  template <class T>
  static T of(T a, T b, u32 c, u32 d) {
    const u32 pos = c & 0xff, len = d & 0xff;
    if (pos >= kBits<T> || len == 0)
      return b;
    T mask = len >= kBits<T> ? T(~T(0)) : T((T(1) << len) - 1);
    mask = T(mask << pos);
    return T((b & T(~mask)) | (T(a << pos) & mask));
  }
};
struct Prmt {
  static u32 of(u32 a, u32 b, u32 c) {
    const u64 all = a | u64(b) << 32;
    u32 result = 0;
    for (int i = 0; i != 4; ++i) {
      const u32 selector = (c >> (4 * i)) & 0xf;
      u32 byte = u32(all >> (8 * (selector & 7))) & 0xff;
      if (selector & 8)
        byte = byte & 0x80 ? 0xff : 0;
      result |= byte << (8 * i);
    }
    return result;
  }
};
template <bool IsLeft, bool IsClamped>
struct Shf {
  static u32 of(u32 a, u32 b, u32 c) {
    const u32 n = IsClamped ? (c < 32 ? c : 32) : c & 31;
    const u64 both = u64(b) << 32 | a;
    return IsLeft ? u32((both << n) >> 32) : u32(both >> n);
  }
};
struct Lop3 {
  static u32 of(u32 a, u32 b, u32 c, u32 table) {
    u32 result = 0;
    for (int i = 0; i != 8; ++i)
      if (table & (1u << i))
        result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return result;
  }
};
struct Select {
  template <class T>
  static T of(T a, T b, u8 p) {
    return p ? a : b;
  }
};

// clang-format off
struct Eq { template <class T> static u8 of(T a, T b) { return a == b; } };
struct Ne { template <class T> static u8 of(T a, T b) { return a != b; } };
struct Lt { template <class T> static u8 of(T a, T b) { return a < b; } };
struct Le { template <class T> static u8 of(T a, T b) { return a <= b; } };
struct Gt { template <class T> static u8 of(T a, T b) { return a > b; } };
struct Ge { template <class T> static u8 of(T a, T b) { return a >= b; } };
template <class C, class L> struct Both { template <class T> static u8 of(T a, T b, u8 p) { return L::of(C::of(a, b), p); } };
// clang-format on

//===--- Carries ----------------------------------------------------------===//

template <class T, bool In, bool Out>
void addCarry(Lanes &l, const Instruction &i) {
  T *d = l.row<T>(i.operands[0]);
  const T *a = l.row<T>(i.operands[1]), *b = l.row<T>(i.operands[2]);
  u8 *carry = l.carry;
  l.each([=](u32 t) {
    Wider<T> sum = Wider<T>(a[t]) + b[t] + (In ? carry[t] : 0);
    d[t] = T(sum);
    if (Out)
      carry[t] = u8(sum >> kBits<T>) & 1;
  });
}
template <class T, bool In, bool Out>
void subBorrow(Lanes &l, const Instruction &i) {
  T *d = l.row<T>(i.operands[0]);
  const T *a = l.row<T>(i.operands[1]), *b = l.row<T>(i.operands[2]);
  u8 *carry = l.carry;
  l.each([=](u32 t) {
    Wider<T> rest = Wider<T>(a[t]) - b[t] - (In ? carry[t] : 0);
    d[t] = T(rest);
    if (Out)
      carry[t] = u8(rest >> kBits<T>) & 1;
  });
}
template <class T, bool IsHigh, bool In, bool Out>
void madCarry(Lanes &l, const Instruction &i) {
  T *d = l.row<T>(i.operands[0]);
  const T *a = l.row<T>(i.operands[1]), *b = l.row<T>(i.operands[2]), *c = l.row<T>(i.operands[3]);
  u8 *carry = l.carry;
  l.each([=](u32 t) {
    T product = IsHigh ? MulHi::of(a[t], b[t]) : MulLo::of(a[t], b[t]);
    Wider<T> sum = Wider<T>(product) + c[t] + (In ? carry[t] : 0);
    d[t] = T(sum);
    if (Out)
      carry[t] = u8(sum >> kBits<T>) & 1;
  });
}

#define PER_WIDTH(X) X(16, h) X(32, w) X(64, d)

// clang-format off
const Operation kTable[] = {
#define ARITHMETIC(N, w)                                                                           \
  {"add.s" #N, #w #w #w, binaryOf<Add, u##N>}, {"add.u" #N, #w #w #w, binaryOf<Add, u##N>},        \
  {"sub.s" #N, #w #w #w, binaryOf<Sub, u##N>}, {"sub.u" #N, #w #w #w, binaryOf<Sub, u##N>},        \
  {"mul.lo.s" #N, #w #w #w, binaryOf<MulLo, u##N>},                                                \
  {"mul.lo.u" #N, #w #w #w, binaryOf<MulLo, u##N>},                                                \
  {"mul.hi.s" #N, #w #w #w, binaryOf<MulHi, s##N>},                                                \
  {"mul.hi.u" #N, #w #w #w, binaryOf<MulHi, u##N>},                                                \
  {"mad.lo.s" #N, #w #w #w #w, ternaryOf<MadLo, u##N>},                                            \
  {"mad.lo.u" #N, #w #w #w #w, ternaryOf<MadLo, u##N>},                                            \
  {"mad.hi.s" #N, #w #w #w #w, ternaryOf<MadHi, s##N>},                                            \
  {"mad.hi.u" #N, #w #w #w #w, ternaryOf<MadHi, u##N>},                                            \
  {"min.s" #N, #w #w #w, binaryOf<Min, s##N>}, {"min.u" #N, #w #w #w, binaryOf<Min, u##N>},        \
  {"max.s" #N, #w #w #w, binaryOf<Max, s##N>}, {"max.u" #N, #w #w #w, binaryOf<Max, u##N>},        \
  {"div.s" #N, #w #w #w, binaryOf<Div, s##N>}, {"div.u" #N, #w #w #w, binaryOf<Div, u##N>},        \
  {"rem.s" #N, #w #w #w, binaryOf<Rem, s##N>}, {"rem.u" #N, #w #w #w, binaryOf<Rem, u##N>},        \
  {"neg.s" #N, #w #w, unaryOf<Neg, u##N>}, {"abs.s" #N, #w #w, unaryOf<Abs, s##N>},                \
  {"and.b" #N, #w #w #w, binaryOf<And, u##N>}, {"or.b" #N, #w #w #w, binaryOf<Or, u##N>},          \
  {"xor.b" #N, #w #w #w, binaryOf<Xor, u##N>}, {"not.b" #N, #w #w, unaryOf<Not, u##N>},            \
  {"shl.b" #N, #w #w "w", binary<Shl, u##N, u##N, u32>},                                           \
  {"shr.u" #N, #w #w "w", binary<Shr, u##N, u##N, u32>},                                           \
  {"shr.b" #N, #w #w "w", binary<Shr, u##N, u##N, u32>},                                           \
  {"shr.s" #N, #w #w "w", binary<Shr, s##N, s##N, u32>},                                           \
  {"mov.b" #N, #w #w, unaryOf<Copy, u##N>}, {"mov.u" #N, #w #w, unaryOf<Copy, u##N>},              \
  {"mov.s" #N, #w #w, unaryOf<Copy, u##N>},                                                        \
  {"selp.b" #N, #w #w #w "p", ternary<Select, u##N, u##N, u##N, u8>},                              \
  {"selp.u" #N, #w #w #w "p", ternary<Select, u##N, u##N, u##N, u8>},                              \
  {"selp.s" #N, #w #w #w "p", ternary<Select, u##N, u##N, u##N, u8>},
  PER_WIDTH(ARITHMETIC)
#define COMPARE_ONE(name, C, N, T, type, w)                                                        \
  {"setp." name "." type #N, "p" #w #w, binary<C, u8, T##N, T##N>},                                \
  {"setp." name ".and." type #N, "p" #w #w "p", ternary<Both<C, And>, u8, T##N, T##N, u8>},        \
  {"setp." name ".or." type #N, "p" #w #w "p", ternary<Both<C, Or>, u8, T##N, T##N, u8>},          \
  {"setp." name ".xor." type #N, "p" #w #w "p", ternary<Both<C, Xor>, u8, T##N, T##N, u8>},
#define COMPARE(N, w)                                                                              \
  COMPARE_ONE("eq", Eq, N, u, "b", w) COMPARE_ONE("ne", Ne, N, u, "b", w)                          \
  COMPARE_ONE("eq", Eq, N, u, "u", w) COMPARE_ONE("ne", Ne, N, u, "u", w)                          \
  COMPARE_ONE("eq", Eq, N, u, "s", w) COMPARE_ONE("ne", Ne, N, u, "s", w)                          \
  COMPARE_ONE("lt", Lt, N, u, "u", w) COMPARE_ONE("le", Le, N, u, "u", w)                          \
  COMPARE_ONE("gt", Gt, N, u, "u", w) COMPARE_ONE("ge", Ge, N, u, "u", w)                          \
  COMPARE_ONE("lo", Lt, N, u, "u", w) COMPARE_ONE("ls", Le, N, u, "u", w)                          \
  COMPARE_ONE("hi", Gt, N, u, "u", w) COMPARE_ONE("hs", Ge, N, u, "u", w)                          \
  COMPARE_ONE("lt", Lt, N, s, "s", w) COMPARE_ONE("le", Le, N, s, "s", w)                          \
  COMPARE_ONE("gt", Gt, N, s, "s", w) COMPARE_ONE("ge", Ge, N, s, "s", w)
  PER_WIDTH(COMPARE)
  {"mul.wide.u16", "whh", binary<MulWide, u32, u16, u16>},
  {"mul.wide.s16", "whh", binary<MulWide, s32, s16, s16>},
  {"mul.wide.u32", "dww", binary<MulWide, u64, u32, u32>},
  {"mul.wide.s32", "dww", binary<MulWide, s64, s32, s32>},
  {"mad.wide.u16", "whhw", ternary<MadWide, u32, u16, u16, u32>},
  {"mad.wide.s16", "whhw", ternary<MadWide, s32, s16, s16, s32>},
  {"mad.wide.u32", "dwwd", ternary<MadWide, u64, u32, u32, u64>},
  {"mad.wide.s32", "dwwd", ternary<MadWide, s64, s32, s32, s64>},
  {"and.pred", "ppp", binaryOf<And, u8>}, {"or.pred", "ppp", binaryOf<Or, u8>},
  {"xor.pred", "ppp", binaryOf<Xor, u8>}, {"not.pred", "pp", unaryOf<NotPred, u8>},
  {"mov.pred", "pp", unaryOf<Copy, u8>},
  {"popc.b32", "ww", unary<Popc, u32, u32>}, {"popc.b64", "wd", unary<Popc, u32, u64>},
  {"clz.b32", "ww", unary<Clz, u32, u32>}, {"clz.b64", "wd", unary<Clz, u32, u64>},
  {"brev.b32", "ww", unaryOf<Brev, u32>}, {"brev.b64", "dd", unaryOf<Brev, u64>},
  {"bfe.u32", "wwww", ternary<Bfe, u32, u32, u32, u32>},
  {"bfe.s32", "wwww", ternary<Bfe, s32, s32, u32, u32>},
  {"bfe.u64", "ddww", ternary<Bfe, u64, u64, u32, u32>},
  {"bfe.s64", "ddww", ternary<Bfe, s64, s64, u32, u32>},
  {"bfi.b32", "wwwww", quaternary<Bfi, u32, u32, u32, u32, u32>},
  {"bfi.b64", "dddww", quaternary<Bfi, u64, u64, u64, u32, u32>},
  {"prmt.b32", "wwww", ternaryOf<Prmt, u32>},
  {"shf.l.wrap.b32", "wwww", ternaryOf<Shf<true, false>, u32>},
  {"shf.l.clamp.b32", "wwww", ternaryOf<Shf<true, true>, u32>},
  {"shf.r.wrap.b32", "wwww", ternaryOf<Shf<false, false>, u32>},
  {"shf.r.clamp.b32", "wwww", ternaryOf<Shf<false, true>, u32>},
  {"lop3.b32", "wwwww", quaternary<Lop3, u32, u32, u32, u32, u32>},
#define CARRIES(N, w, type)                                                                        \
  {"add.cc." type #N, #w #w #w, addCarry<u##N, false, true>},                                      \
  {"addc." type #N, #w #w #w, addCarry<u##N, true, false>},                                        \
  {"addc.cc." type #N, #w #w #w, addCarry<u##N, true, true>},                                      \
  {"sub.cc." type #N, #w #w #w, subBorrow<u##N, false, true>},                                     \
  {"subc." type #N, #w #w #w, subBorrow<u##N, true, false>},                                       \
  {"subc.cc." type #N, #w #w #w, subBorrow<u##N, true, true>},                                     \
  {"mad.lo.cc." type #N, #w #w #w #w, madCarry<u##N, false, false, true>},                         \
  {"madc.lo." type #N, #w #w #w #w, madCarry<u##N, false, true, false>},                           \
  {"madc.lo.cc." type #N, #w #w #w #w, madCarry<u##N, false, true, true>}
#define HIGH_CARRIES(N, w)                                                                         \
  {"mad.hi.cc.u" #N, #w #w #w #w, madCarry<u##N, true, false, true>},                              \
  {"madc.hi.u" #N, #w #w #w #w, madCarry<u##N, true, true, false>},                                \
  {"madc.hi.cc.u" #N, #w #w #w #w, madCarry<u##N, true, true, true>}
  CARRIES(32, w, "u"), CARRIES(32, w, "s"), CARRIES(64, d, "u"), CARRIES(64, d, "s"),
  HIGH_CARRIES(32, w), HIGH_CARRIES(64, d),
};
// clang-format on

} // namespace

OperationTable integerOperations() { return {std::begin(kTable), std::end(kTable)}; }

} // namespace ampc::ptx
