//===- GemmKernels.cpp - The inner loops of a matrix product --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled once for each instruction set, with AMPC_GEMM_ISA as its namespace.
// A tile of the result, some rows by two vectors, stays in registers over all
// of k; each step of k loads two vectors of the right operand and one element a
// row of the left one. Sums run through k in order, whatever the blocks around.
//
//===----------------------------------------------------------------------===//

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
constexpr int kRows = 12;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kRows = 6;
#else
constexpr int kVectorBytes = 16;
constexpr int kRows = 6;
#endif
constexpr int kVectors = 2;

namespace {

template <class T>
struct Simd {
  static constexpr int kLanes = kVectorBytes / sizeof(T);
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
};

template <class T>
constexpr int kColumns = kVectors * Simd<T>::kLanes;

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

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

float widen(F16 value) {
#if defined(__F16C__)
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(value.bits)));
#else
  return f16ToF32(value.bits);
#endif
}
float widen(BF16 value) {
  uint32_t bits = uint32_t(value.bits) << 16;
  return load<float>(&bits);
}
float widen(float value) { return value; }
double widen(double value) { return value; }

FourFloats widenFour(const F16 *from) {
#if defined(__F16C__)
  return (FourFloats)_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)from));
#else
  return FourFloats{widen(from[0]), widen(from[1]), widen(from[2]), widen(from[3])};
#endif
}
FourFloats widenFour(const BF16 *from) {
  FourWords words = __builtin_convertvector(load<FourHalves>(from), FourWords) << 16;
  return (FourFloats)words;
}
FourFloats widenFour(const float *from) { return load<FourFloats>(from); }
Simd<double>::Four widenFour(const double *from) { return load<Simd<double>::Four>(from); }

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

/// Elements that lie side by side in k: four by four they are transposed in
/// registers.
template <class T, int Width, class S>
void packAlongK(T *to, const S *from, int64_t stride, int64_t count, int64_t k) {
  int64_t i = 0;
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

//===----------------------------------------------------------------------===//
// Rounding and storing
//===----------------------------------------------------------------------===//

Halves narrowToBF16(Simd<float>::Vector value) {
  Words bits = (Words)value;
  Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  // A NaN whose payload lies in the low half must not become an infinity.
  Words quiet = (bits >> 16) | 0x40;
  Words isNan = (Words)((SignedWords)(bits & 0x7fffffff) > 0x7f800000);
  return __builtin_convertvector((rounded & ~isNan) | (quiet & isNan), Halves);
}

Halves narrowToF16(Simd<float>::Vector value) {
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

void storeResult(void *out, uint32_t dtype, int64_t index, Simd<float>::Vector value,
                 int64_t count) {
  if (dtype == AMPC_DTYPE_F32)
    storeSome(static_cast<float *>(out) + index, value, count);
  else
    storeSome(static_cast<uint16_t *>(out) + index,
              dtype == AMPC_DTYPE_F16 ? narrowToF16(value) : narrowToBF16(value), count);
}

void storeResult(void *out, uint32_t, int64_t index, Simd<double>::Vector value, int64_t count) {
  storeSome(static_cast<double *>(out) + index, value, count);
}

//===----------------------------------------------------------------------===//
// Multiplying
//===----------------------------------------------------------------------===//

/// One tile, at row `row` and column `column` of the block.
template <class T, int Rows, int Vectors>
void multiplyTile(const GemmBlock<T> &block, const T *lhs, const T *rhs, int64_t row,
                  int64_t column) {
  typedef typename Simd<T>::Vector Vector;
  constexpr int kLanes = Simd<T>::kLanes;
  Vector sum[Rows][Vectors];
  T *partial = nullptr;
  if (!block.first || !block.last)
    partial = block.partial + row * block.partialStride + column;
  if (block.first) {
    AMPC_UNROLL
    for (int r = 0; r != Rows; ++r)
      AMPC_UNROLL
    for (int v = 0; v != Vectors; ++v)
      sum[r][v] = Vector{};
  } else {
    AMPC_UNROLL
    for (int r = 0; r != Rows; ++r)
      AMPC_UNROLL
    for (int v = 0; v != Vectors; ++v)
      sum[r][v] = load<Vector>(partial + r * block.partialStride + v * kLanes);
  }

  for (int64_t k = 0; k < block.k; ++k) {
    Vector right[Vectors];
    AMPC_UNROLL
    for (int v = 0; v != Vectors; ++v)
      right[v] = load<Vector>(rhs + v * kLanes);
    AMPC_UNROLL
    for (int r = 0; r != Rows; ++r)
      AMPC_UNROLL
    for (int v = 0; v != Vectors; ++v)
      sum[r][v] += lhs[r] * right[v];
    lhs += kRows;
    rhs += kColumns<T>;
  }

  if (!block.last) {
    AMPC_UNROLL
    for (int r = 0; r != Rows; ++r)
      AMPC_UNROLL
    for (int v = 0; v != Vectors; ++v)
      store(partial + r * block.partialStride + v * kLanes, sum[r][v]);
    return;
  }
  AMPC_UNROLL
  for (int v = 0; v != Vectors; ++v) {
    Vector bias = {};
    if (block.columnBias)
      bias = load<Vector>(block.columnBias + column + v * kLanes);
    int64_t left = block.n - column - v * kLanes;
    AMPC_UNROLL
    for (int r = 0; r != Rows; ++r) {
      Vector value = sum[r][v];
      if (block.alpha != 1)
        value = value * block.alpha;
      if (block.columnBias)
        value = value + bias;
      if (block.rowBias)
        value = value + block.rowBias[row + r];
      if (block.relu) // false for NaN, which stays
        value = value < Vector{} ? Vector{} : value;
      storeResult(block.out, block.outDType, (row + r) * block.outStride + column + v * kLanes,
                  value, left);
    }
  }
}

template <class T, int Vectors>
void multiplyRows(const GemmBlock<T> &block, const T *lhs, const T *rhs, int64_t row,
                  int64_t column) {
  int64_t rows = block.m - row;
  switch (rows < kRows ? rows : kRows) {
#define AMPC_ROWS(n)                                                                               \
  case n:                                                                                          \
    return multiplyTile<T, n, Vectors>(block, lhs, rhs, row, column);
    AMPC_ROWS(1)
    AMPC_ROWS(2)
    AMPC_ROWS(3)
    AMPC_ROWS(4)
    AMPC_ROWS(5)
    AMPC_ROWS(6)
#if defined(__AVX512F__)
    AMPC_ROWS(7)
    AMPC_ROWS(8)
    AMPC_ROWS(9)
    AMPC_ROWS(10)
    AMPC_ROWS(11)
    AMPC_ROWS(12)
#endif
#undef AMPC_ROWS
  }
}

template <class T>
void multiply(const GemmBlock<T> &block) {
  // A strip of the right operand stays in the first cache while the left
  // operand's pass by.
  const T *rhs = block.rhs;
  for (int64_t column = 0; column < block.n; column += kColumns<T>) {
    const T *lhs = block.lhs;
    bool narrow = block.n - column <= Simd<T>::kLanes;
    for (int64_t row = 0; row < block.m; row += kRows) {
      if (narrow)
        multiplyRows<T, 1>(block, lhs, rhs, row, column);
      else
        multiplyRows<T, 2>(block, lhs, rhs, row, column);
      lhs += kRows * block.k;
    }
    rhs += block.rhsStripStride;
  }
}

} // namespace

extern const GemmKernelSet gemmKernels;
const GemmKernelSet gemmKernels = {
    {kRows, kColumns<float>, packF32<kRows>, packF32<kColumns<float>>, copyF32, interleaveF32,
     multiply<float>},
    {kRows, kColumns<double>, packF64<kRows>, packF64<kColumns<double>>, copyF64, interleaveF64,
     multiply<double>}};

} // namespace AMPC_GEMM_ISA
} // namespace ampc
