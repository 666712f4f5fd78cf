//===- GemmKernels.cpp - The inner loops of a matrix product --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled once for each instruction set, with AMPC_GEMM_ISA as its namespace:
// operands of any type, widened while they are packed.
//
//===----------------------------------------------------------------------===//

#include "Host/GemmTile.h"

namespace ampc {
namespace AMPC_GEMM_ISA {

namespace {

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// Elements that lie side by side in k: four by four they are transposed in
/// registers.
template <class T, int Width, class S>
void packAlongK(T *to, const S *from, int64_t stride, int64_t count, int64_t k) {
  int64_t i = 0;
#if defined(__AVX512F__)
  if constexpr (sizeof(S) == 4)
    if (k % 4 == 0)
      i = transposeRuns<Width>(to, from, stride, count, k);
#endif
  for (; i + 4 <= count; i += 4) {
    const S *row = from + i * stride;
    T *at = to + i;
    int64_t kk = 0;
    for (; kk + 4 <= k; kk += 4, at += 4 * Width)
      storeTransposed(at, Width, widenFour(row + kk), widenFour(row + stride + kk),
                      widenFour(row + 2 * stride + kk), widenFour(row + 3 * stride + kk));
    for (; kk < k; ++kk, at += Width)
      for (int64_t j = 0; j != 4; ++j)
        at[j] = widen(row[j * stride + kk]);
  }
  for (; i < count; ++i)
    for (int64_t kk = 0; kk < k; ++kk)
      to[kk * Width + i] = widen(from[i * stride + kk]);
  clearRest<T, Width>(to, count, k);
}

/// Elements that lie side by side across k.
template <class T, int Width, class S>
void packAcrossK(T *to, const S *from, int64_t stride, int64_t count, int64_t k) {
  T *row = to;
  if (count == Width) {
    for (int64_t kk = 0; kk < k; ++kk, row += Width, from += stride) {
      if constexpr (sizeof(S) == sizeof(T)) { // as it is
        constexpr int kLanes = Simd<T>::kLanes;
        AMPC_UNROLL
        for (int i = 0; i + kLanes <= Width; i += kLanes)
          store(row + i, load<typename Simd<T>::Vector>(from + i));
        AMPC_UNROLL
        for (int i = Width / kLanes * kLanes; i < Width; ++i)
          row[i] = from[i];
        continue;
      }
      AMPC_UNROLL
      for (int i = 0; i + 4 <= Width; i += 4)
        store(row + i, widenFour(from + i));
      AMPC_UNROLL
      for (int i = Width / 4 * 4; i < Width; ++i)
        row[i] = widen(from[i]);
    }
    return;
  }
  for (int64_t kk = 0; kk < k; ++kk, row += Width, from += stride) {
    int64_t i = 0;
    for (; i + 4 <= count; i += 4)
      store(row + i, widenFour(from + i));
    for (; i < count; ++i)
      row[i] = widen(from[i]);
  }
  clearRest<T, Width>(to, count, k);
}

template <class T, int Width, class S>
void packStrip(T *to, const void *from, int64_t stride, bool alongK, int64_t count, int64_t k) {
  if (alongK)
    packAlongK<T, Width>(to, static_cast<const S *>(from), stride, count, k);
  else
    packAcrossK<T, Width>(to, static_cast<const S *>(from), stride, count, k);
}

template <int Width>
void packF32(float *to, const void *from, uint32_t dtype, int64_t stride, bool alongK,
             int64_t count, int64_t k) {
  if (dtype == AMPC_DTYPE_F16)
    packStrip<float, Width, F16>(to, from, stride, alongK, count, k);
  else if (dtype == AMPC_DTYPE_BF16)
    packStrip<float, Width, BF16>(to, from, stride, alongK, count, k);
  else
    packStrip<float, Width, float>(to, from, stride, alongK, count, k);
}

template <int Width>
void packF64(double *to, const void *from, uint32_t, int64_t stride, bool alongK, int64_t count,
             int64_t k) {
  packStrip<double, Width, double>(to, from, stride, alongK, count, k);
}

template <class T, class S>
void copyRun(T *to, int64_t toStride, const S *from, int64_t fromStride, int64_t count) {
  int64_t i = 0;
  if (toStride == 1 && fromStride == 1)
    for (; i + 4 <= count; i += 4)
      store(to + i, widenFour(from + i));
  if (toStride == 1 && fromStride == 2) // but for the last, behind which nothing may be
    for (; i + 4 < count; i += 4)
      store(to + i, __builtin_shufflevector(widenFour(from + 2 * i), widenFour(from + 2 * i + 4), 0,
                                            2, 4, 6));
  for (; i < count; ++i)
    to[i * toStride] = widen(from[i * fromStride]);
}

template <class T, class S>
void interleaveRuns(T *to, int64_t toStride, const void *const *from, int64_t count) {
  const S *rows[4];
  for (int j = 0; j != 4; ++j)
    rows[j] = static_cast<const S *>(from[j]);
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    storeTransposed(to + i * toStride, toStride, widenFour(rows[0] + i), widenFour(rows[1] + i),
                    widenFour(rows[2] + i), widenFour(rows[3] + i));
  for (; i < count; ++i)
    for (int j = 0; j != 4; ++j)
      to[i * toStride + j] = widen(rows[j][i]);
}

void interleaveF32(float *to, int64_t toStride, const void *const *from, uint32_t dtype,
                   int64_t count) {
  if (dtype == AMPC_DTYPE_F16)
    interleaveRuns<float, F16>(to, toStride, from, count);
  else if (dtype == AMPC_DTYPE_BF16)
    interleaveRuns<float, BF16>(to, toStride, from, count);
  else
    interleaveRuns<float, float>(to, toStride, from, count);
}

void interleaveF64(double *to, int64_t toStride, const void *const *from, uint32_t, int64_t count) {
  interleaveRuns<double, double>(to, toStride, from, count);
}

void copyF32(float *to, int64_t toStride, const void *from, uint32_t dtype, int64_t fromStride,
             int64_t count) {
  if (dtype == AMPC_DTYPE_F16)
    copyRun(to, toStride, static_cast<const F16 *>(from), fromStride, count);
  else if (dtype == AMPC_DTYPE_BF16)
    copyRun(to, toStride, static_cast<const BF16 *>(from), fromStride, count);
  else
    copyRun(to, toStride, static_cast<const float *>(from), fromStride, count);
}

void copyF64(double *to, int64_t toStride, const void *from, uint32_t, int64_t fromStride,
             int64_t count) {
  copyRun(to, toStride, static_cast<const double *>(from), fromStride, count);
}

#if defined(__AVX512F__)
/// What `mask` has bits for, widened, else zeros.
Simd<float>::Vector loadSelected(const float *from, uint64_t mask) {
  return (Simd<float>::Vector)_mm512_maskz_loadu_ps(__mmask16(mask), from);
}
Simd<double>::Vector loadSelected(const double *from, uint64_t mask) {
  return (Simd<double>::Vector)_mm512_maskz_loadu_pd(__mmask8(mask), from);
}
Simd<float>::Vector loadSelected(const F16 *from, uint64_t mask) {
  return (Simd<float>::Vector)_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(__mmask16(mask), from));
}
Simd<float>::Vector loadSelected(const BF16 *from, uint64_t mask) {
  __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(__mmask16(mask), from));
  return (Simd<float>::Vector)_mm512_slli_epi32(words, 16);
}
#endif

/// to[i] = from[i] where bit i of `mask` is set, else 0 without a read.
template <class T, class S>
void copySelected(T *to, const S *from, uint64_t mask, int64_t count) {
  int64_t i = 0;
  // Where there are such loads, without a branch on the mask, which no processor
  // would foresee.
#if defined(__AVX512F__)
  for (; i < count; i += Simd<T>::kLanes)
    storeSome(to + i, loadSelected(from + i, mask >> i), count - i);
#elif defined(__AVX2__)
  if constexpr (sizeof(S) == sizeof(T) && sizeof(T) == sizeof(float)) {
    const Words lanes = {1, 2, 4, 8, 16, 32, 64, 128};
    for (; i < count; i += Simd<T>::kLanes) {
      Words isSet = (Words)((lanes & uint32_t(mask >> i)) != 0);
      storeSome(to + i, (Simd<float>::Vector)_mm256_maskload_ps(from + i, (__m256i)isSet),
                count - i);
    }
    return;
  }
#endif
  auto copyOne = [&](int64_t j) { to[j] = mask >> j & 1 ? widen(from[j]) : T(0); };
  for (; i + 4 <= count; i += 4)
    if ((mask >> i & 15) == 15)
      store(to + i, widenFour(from + i));
    else
      for (int64_t j = i; j != i + 4; ++j)
        copyOne(j);
  for (; i < count; ++i)
    copyOne(i);
}

template <class T, class S>
void copyTaps(T *to, const S *from, const int64_t *offsets, const uint64_t *masks, int64_t taps,
              int64_t count) {
  for (int64_t tap = 0; tap < taps; ++tap, to += kColumns<T>)
    copySelected(to, from + offsets[tap], masks[tap], count);
}

void copyTapsF32(float *to, const void *from, uint32_t dtype, const int64_t *offsets,
                 const uint64_t *masks, int64_t taps, int64_t count) {
  if (dtype == AMPC_DTYPE_F16)
    copyTaps(to, static_cast<const F16 *>(from), offsets, masks, taps, count);
  else if (dtype == AMPC_DTYPE_BF16)
    copyTaps(to, static_cast<const BF16 *>(from), offsets, masks, taps, count);
  else
    copyTaps(to, static_cast<const float *>(from), offsets, masks, taps, count);
}

void copyTapsF64(double *to, const void *from, uint32_t, const int64_t *offsets,
                 const uint64_t *masks, int64_t taps, int64_t count) {
  copyTaps(to, static_cast<const double *>(from), offsets, masks, taps, count);
}

//===----------------------------------------------------------------------===//
// Multiplying
//===----------------------------------------------------------------------===//

template <class T>
struct MultiplyAdd {
  typedef T Element;
  static constexpr bool kEndsInRegisters = true;
  static typename Simd<T>::Vector apply(typename Simd<T>::Vector sum, const T *left,
                                        typename Simd<T>::Vector right) {
    return sum + *left * right;
  }
};

} // namespace

extern const GemmKernelSet gemmKernels;
const GemmKernelSet gemmKernels = {
    {kRows, kColumns<float>, 1, 1, packF32<kRows>, packF32<kColumns<float>>, copyF32, interleaveF32,
     copyTapsF32, nullptr, addRun<float>, multiply<MultiplyAdd<float>>},
    {kRows, kColumns<double>, 1, 1, packF64<kRows>, packF64<kColumns<double>>, copyF64,
     interleaveF64, copyTapsF64, nullptr, addRun<double>, multiply<MultiplyAdd<double>>}};

} // namespace AMPC_GEMM_ISA
} // namespace ampc
