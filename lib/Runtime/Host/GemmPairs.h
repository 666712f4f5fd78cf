//===- GemmPairs.h - Pairs of bf16 as packed elements -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMMPAIRS_H
#define AMPC_RUNTIME_HOST_GEMMPAIRS_H

#include "Host/GemmVectors.h"

namespace ampc {
namespace AMPC_GEMM_ISA {
namespace {

inline uint32_t pairOf(uint16_t first, uint16_t second) { return first | uint32_t(second) << 16; }

/// The pair at `from`, of which the second may be missing.
inline uint32_t pairAt(const uint16_t *from, bool isWhole) {
  return pairOf(from[0], isWhole ? from[1] : 0);
}

inline FourFloats zipFour(FourHalves first, FourHalves second) {
  return (FourFloats)(__builtin_convertvector(first, FourWords) |
                      __builtin_convertvector(second, FourWords) << 16);
}

template <bool hasFirst, bool hasSecond>
void zipRuns(float *to, const uint16_t *first, const uint16_t *second, int64_t stride,
             int64_t count) {
  int64_t i = 0;
  if (stride == 1) {
    constexpr int kLanes = Simd<float>::kLanes;
    for (; i + kLanes <= count; i += kLanes) {
      Words word = {};
      if (hasFirst)
        word = __builtin_convertvector(load<Halves>(first + i), Words);
      if (hasSecond)
        word |= __builtin_convertvector(load<Halves>(second + i), Words) << 16;
      store(to + i, word);
    }
    for (; i + 4 <= count; i += 4)
      store(to + i, zipFour(hasFirst ? load<FourHalves>(first + i) : FourHalves{},
                            hasSecond ? load<FourHalves>(second + i) : FourHalves{}));
  }
  for (; i < count; ++i)
    store(to + i, pairOf(hasFirst ? first[i * stride] : 0, hasSecond ? second[i * stride] : 0));
}

/// to[i] = first[i * stride], second[i * stride]; null is zeros.
inline void zip(float *to, const void *first, const void *second, int64_t stride, int64_t count) {
  const uint16_t *a = static_cast<const uint16_t *>(first);
  const uint16_t *b = static_cast<const uint16_t *>(second);
  if (a && b)
    zipRuns<true, true>(to, a, b, stride, count);
  else if (a)
    zipRuns<true, false>(to, a, b, stride, count);
  else if (b)
    zipRuns<false, true>(to, a, b, stride, count);
  else
    for (int64_t i = 0; i < count; ++i)
      to[i] = 0;
}

/// Four runs side by side, each in pairs of what follows each other.
inline void interleavePairs(float *to, int64_t toStride, const void *const *from, uint32_t,
                            int64_t count) {
  const uint16_t *rows[4];
  for (int j = 0; j != 4; ++j)
    rows[j] = static_cast<const uint16_t *>(from[j]);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8, to += 4 * toStride)
    storeTransposed(to, toStride, load<FourFloats>(rows[0] + i), load<FourFloats>(rows[1] + i),
                    load<FourFloats>(rows[2] + i), load<FourFloats>(rows[3] + i));
  for (; i < count; i += 2, to += toStride)
    for (int j = 0; j != 4; ++j)
      store(to + j, pairAt(rows[j] + i, i + 1 < count));
}

/// Packs a strip as [k / 2][Width] pairs, with zeros up to a multiple of Step
/// along k.
template <int Width, int Step>
void packPairs(float *to, const void *from, uint32_t, int64_t stride, bool alongK, int64_t count,
               int64_t k) {
  const uint16_t *data = static_cast<const uint16_t *>(from);
  int64_t pairs = (k + 1) / 2, padded = (k + Step - 1) / Step * Step / 2;
  if (alongK) {
    int64_t i = 0;
#if defined(__AVX512F__)
    if (k % 8 == 0)
      i = transposeRuns<Width>(to, data, stride, count, pairs);
#endif
    for (; i + 4 <= count; i += 4) {
      const void *rows[4];
      for (int j = 0; j != 4; ++j)
        rows[j] = data + (i + j) * stride;
      interleavePairs(to + i, Width, rows, 0, k);
    }
    for (; i < count; ++i)
      for (int64_t kk = 0; kk < k; kk += 2)
        store(to + kk / 2 * Width + i, pairAt(data + i * stride + kk, kk + 1 < k));
  } else {
    for (int64_t kk = 0; kk < k; kk += 2) {
      const uint16_t *row = data + kk * stride;
      zip(to + kk / 2 * Width, row, kk + 1 < k ? row + stride : nullptr, 1, count);
    }
  }
  clearRest<float, Width>(to, count, pairs);
  clearRest<float, Width>(to + pairs * Width, 0, padded - pairs);
}

} // namespace
} // namespace AMPC_GEMM_ISA
} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMMPAIRS_H
