//===- GemmVectors.h - Vectors of one instruction set -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the files that are compiled once for each instruction set share. All of
// it is in an unnamed namespace, so that no copy serves another set; what
// defines inline functions elsewhere must not be included.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMMVECTORS_H
#define AMPC_RUNTIME_HOST_GEMMVECTORS_H

#include "Host/GemmKernels.h"

#include "ampc-runtime/module_format.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

#if defined(__clang__)
#define AMPC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define AMPC_UNROLL _Pragma("GCC unroll 16")
#endif

namespace ampc {

// Of Core/Convert.h, which includes too much.
float f16ToF32(uint16_t bits);
uint16_t f32ToF16(float value);

namespace AMPC_GEMM_ISA {
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

namespace {

template <class T>
struct Simd {
  static constexpr int kLanes = kVectorBytes / sizeof(T);
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
};

typedef uint32_t Words __attribute__((vector_size(kVectorBytes)));
typedef int32_t SignedWords __attribute__((vector_size(kVectorBytes)));
typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));
typedef uint16_t FourHalves __attribute__((vector_size(8)));
typedef uint32_t FourWords __attribute__((vector_size(16)));
typedef float FourFloats __attribute__((vector_size(16)));

template <class V>
V load(const void *from) {
  V value;
  __builtin_memcpy(&value, from, sizeof(V));
  return value;
}

template <class V>
void store(void *to, V value) {
  __builtin_memcpy(to, &value, sizeof(V));
}

// What an operand's elements are stored as.
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

inline float widen(F16 value) {
#if defined(__F16C__)
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(value.bits)));
#else
  return f16ToF32(value.bits);
#endif
}
inline float widen(BF16 value) {
  uint32_t bits = uint32_t(value.bits) << 16;
  return load<float>(&bits);
}
inline float widen(float value) { return value; }
inline double widen(double value) { return value; }

inline FourFloats widenFour(const F16 *from) {
#if defined(__F16C__)
  return (FourFloats)_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)from));
#else
  return FourFloats{widen(from[0]), widen(from[1]), widen(from[2]), widen(from[3])};
#endif
}
inline FourFloats widenFour(const BF16 *from) {
  FourWords words = __builtin_convertvector(load<FourHalves>(from), FourWords) << 16;
  return (FourFloats)words;
}
inline FourFloats widenFour(const float *from) { return load<FourFloats>(from); }
inline Simd<double>::Four widenFour(const double *from) { return load<Simd<double>::Four>(from); }

template <class T>
void addRun(T *to, const T *from, int64_t count) {
  typedef typename Simd<T>::Vector Vector;
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(to + i, load<Vector>(to + i) + load<Vector>(from + i));
  for (; i + 4 <= count; i += 4)
    store(to + i, load<typename Simd<T>::Four>(to + i) + load<typename Simd<T>::Four>(from + i));
  for (; i < count; ++i)
    to[i] += from[i];
}

/// Sets to[kk][i] to 0 for i from `count` on.
template <class T, int Width>
void clearRest(T *to, int64_t count, int64_t k) {
  for (int64_t kk = 0; count < Width && kk < k; ++kk, to += Width)
    for (int64_t i = count; i < Width; ++i)
      to[i] = 0;
}

/// Writes four vectors as the columns of four rows.
template <class T, class Four>
void storeTransposed(T *to, int64_t stride, Four a, Four b, Four c, Four d) {
  Four ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  Four ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  Four cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  Four cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store(to, __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5));
  store(to + stride, __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7));
  store(to + 2 * stride, __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5));
  store(to + 3 * stride, __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7));
}

#if defined(__AVX512F__)
/// Writes four words of each of `Runs` runs, `stride` elements apart, as four rows.
/// Each quarter of a vector holds words of one run, so that four by four of all
/// quarters are transposed at once.
template <int Runs, class S>
void transposeFour(float *to, int64_t toStride, const S *from, int64_t stride) {
  constexpr __mmask16 kStored = (1 << Runs) - 1;
  __m512 runs[4];
  for (int r = 0; r != 4; ++r) {
    const S *run = from + r * stride;
    runs[r] = _mm512_castps128_ps512(load<__m128>(run));
    runs[r] = _mm512_mask_broadcast_f32x4(runs[r], 0x00f0, load<__m128>(run + 4 * stride));
    runs[r] = _mm512_mask_broadcast_f32x4(runs[r], 0x0f00, load<__m128>(run + 8 * stride));
    if (Runs == 16)
      runs[r] = _mm512_mask_broadcast_f32x4(runs[r], 0xf000, load<__m128>(run + 12 * stride));
  }
  __m512d lower01 = (__m512d)_mm512_unpacklo_ps(runs[0], runs[1]);
  __m512d upper01 = (__m512d)_mm512_unpackhi_ps(runs[0], runs[1]);
  __m512d lower23 = (__m512d)_mm512_unpacklo_ps(runs[2], runs[3]);
  __m512d upper23 = (__m512d)_mm512_unpackhi_ps(runs[2], runs[3]);
  __m512d rows[4] = {_mm512_unpacklo_pd(lower01, lower23), _mm512_unpackhi_pd(lower01, lower23),
                     _mm512_unpacklo_pd(upper01, upper23), _mm512_unpackhi_pd(upper01, upper23)};
  for (int j = 0; j != 4; ++j)
    _mm512_mask_storeu_ps(to + j * toStride, kStored, (__m512)rows[j]);
}

/// Writes the first of `count` runs of `words` each, a multiple of four, as the
/// columns of rows of `Width` words; returns how many of them.
template <int Width, class S>
int64_t transposeRuns(float *to, const S *from, int64_t stride, int64_t count, int64_t words) {
  constexpr int64_t kWord = sizeof(float) / sizeof(S);
  constexpr int kRuns = Width < 16 ? 12 : 16;
  int64_t i = 0;
  for (; Width >= kRuns && i + kRuns <= count; i += kRuns)
    for (int64_t j = 0; j < words; j += 4)
      transposeFour<kRuns>(to + j * Width + i, Width, from + i * stride + j * kWord, stride);
  return i;
}
#endif

//===----------------------------------------------------------------------===//
// Rounding and storing
//===----------------------------------------------------------------------===//

inline Halves narrowToBF16(Simd<float>::Vector value) {
  Words bits = (Words)value;
  Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  // A NaN whose payload lies in the low half must not become an infinity.
  Words quiet = (bits >> 16) | 0x40;
  Words isNan = (Words)((SignedWords)(bits & 0x7fffffff) > 0x7f800000);
  return __builtin_convertvector((rounded & ~isNan) | (quiet & isNan), Halves);
}

inline Halves narrowToF16(Simd<float>::Vector value) {
#if defined(__AVX512F__)
  return (Halves)_mm512_cvtps_ph((__m512)value, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__F16C__)
  return (Halves)_mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT);
#else
  Halves result;
  for (int i = 0; i != Simd<float>::kLanes; ++i)
    result[i] = f32ToF16(value[i]);
  return result;
#endif
}

/// Stores the first `count` of a vector's elements.
template <class V>
void storeSome(void *to, V value, int64_t count) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(value[0]);
  if (count >= kLanes) {
    store(to, value);
    return;
  }
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) {
    // The second vector of a strip may have none.
    uint32_t mask = count > 0 ? (1u << count) - 1 : 0;
    if constexpr (kLanes == 16)
      _mm512_mask_storeu_ps(to, __mmask16(mask), (__m512)value);
    else
      _mm512_mask_storeu_pd(to, __mmask8(mask), (__m512d)value);
    return;
  }
#endif
  for (int64_t i = 0; i < count; ++i)
    __builtin_memcpy(static_cast<char *>(to) + i * sizeof(value[0]),
                     reinterpret_cast<const char *>(&value) + i * sizeof(value[0]),
                     sizeof(value[0]));
}

inline void storeResult(void *out, uint32_t dtype, int64_t index, Simd<float>::Vector value,
                        int64_t count) {
  if (dtype == AMPC_DTYPE_F32)
    storeSome(static_cast<float *>(out) + index, value, count);
  else
    storeSome(static_cast<uint16_t *>(out) + index,
              dtype == AMPC_DTYPE_F16 ? narrowToF16(value) : narrowToBF16(value), count);
}

inline void storeResult(void *out, uint32_t, int64_t index, Simd<double>::Vector value,
                        int64_t count) {
  storeSome(static_cast<double *>(out) + index, value, count);
}

/// Ends a vector of a row's sums at row `row` and column `column` of the block,
/// with `bias` of its columns, and stores what of it the block has.
template <class T>
inline void finish(const GemmBlock<T> &block, typename Simd<T>::Vector value,
                   typename Simd<T>::Vector bias, int64_t row, int64_t column) {
  typedef typename Simd<T>::Vector Vector;
  if (block.alpha != 1)
    value = value * block.alpha;
  if (block.columnBias)
    value = value + bias;
  if (block.rowBias)
    value = value + block.rowBias[row];
  if (block.relu) // false for NaN, which stays
    value = value < Vector{} ? Vector{} : value;
  storeResult(block.out, block.outDType, row * block.outStride + column, value, block.n - column);
}

/// The same for whole vectors of sums that are stored as bf16 and nothing else.
inline void roundTile(const GemmBlock<float> &block, const float *sums, int64_t rows,
                      int64_t columns, int64_t row, int64_t column) {
  constexpr int kLanes = Simd<float>::kLanes;
  uint16_t *out = static_cast<uint16_t *>(block.out) + row * block.outStride + column;
  for (int64_t i = 0; i < rows; ++i, sums += columns, out += block.outStride)
    for (int64_t j = 0; j < columns; j += kLanes)
      store(out + j, narrowToBF16(load<Simd<float>::Vector>(sums + j)));
}
inline void roundTile(const GemmBlock<double> &, const double *, int64_t, int64_t, int64_t,
                      int64_t) {}

/// Ends all of a tile at row `row` and column `column`, whose sums are
/// [rows][columns] with `columns` a multiple of the lanes. One copy for tiles of
/// all sizes, as it is long.
template <class T>
__attribute__((noinline)) void finishTile(const GemmBlock<T> &block, const T *sums, int64_t rows,
                                          int64_t columns, int64_t row, int64_t column) {
  typedef typename Simd<T>::Vector Vector;
  if (block.outDType == AMPC_DTYPE_BF16 && block.alpha == 1 && !block.columnBias &&
      !block.rowBias && !block.relu && column + columns <= block.n)
    return roundTile(block, sums, rows, columns, row, column);
  for (int64_t j = 0; j < columns && column + j < block.n; j += Simd<T>::kLanes) {
    Vector bias = {};
    if (block.columnBias)
      bias = load<Vector>(block.columnBias + column + j);
    for (int64_t i = 0; i < rows; ++i)
      finish(block, load<Vector>(sums + i * columns + j), bias, row + i, column + j);
  }
}

} // namespace
} // namespace AMPC_GEMM_ISA
} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMMVECTORS_H
