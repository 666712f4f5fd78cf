//===- GemmKernels.h - The inner loops of a matrix product ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GemmKernels.cpp is compiled once for each instruction set, GemmPairs.cpp and
// GemmTiles.cpp for those that multiply bf16. They and this header must not
// include what defines inline functions: the linker would keep one copy of
// each, perhaps the one for a processor that this one is not.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMMKERNELS_H
#define AMPC_RUNTIME_HOST_GEMMKERNELS_H

#include <stdint.h>

namespace ampc {

/// A block of a product of packed operands, [m, k] times [k, n]. `k` counts
/// packed elements.
template <class T>
struct GemmBlock {
  int64_t m, n, k;
  /// Strips of `rows` rows, as `packRows` writes them.
  const T *lhs;
  /// Strips of `columns` columns, as `packColumns` writes them, this far apart.
  const T *rhs;
  int64_t rhsStripStride;
  /// Sums over an earlier part of k, [m][partialStride]; `partialStride` is a
  /// multiple of `columns`. Not read for the first part of k and not written
  /// for the last.
  T *partial;
  int64_t partialStride;
  bool first, last;
  /// The rest is for the last part. Row-major, of type `outDType`.
  void *out;
  int64_t outStride;
  uint32_t outDType;
  T alpha;
  const T *columnBias; ///< [n], padded to a multiple of `columns`; or null
  const T *rowBias;    ///< [m], or null
  bool relu;
};

/// The loops for one instruction set; T, the type of sums, is float or double.
/// A packed element is one of T, or two bf16 that follow each other along k, the
/// first in the lower half. Strips of columns are [k][columns] of them, those of
/// rows [k][rows], or what else the kernels want.
template <class T>
struct GemmKernels {
  int64_t rows, columns; ///< of the strips
  int64_t perElement;    ///< values along k in a packed element: 1 or 2
  int64_t depthStep;     ///< strips have zeros up to a multiple of this along k

  /// The packed elements along k of `depth` values.
  int64_t packedDepth(int64_t depth) const {
    return (depth + depthStep - 1) / depthStep * depthStep / perElement;
  }

  /// Packs one strip: writes as element (i, kk), for i below the strip's width,
  /// that of an operand, widened to T where it is not kept, and 0 for i from
  /// `count` on. It is at from[i * stride + kk] where `alongK`, else at
  /// from[kk * stride + i].
  using Pack = void (*)(T *to, const void *from, uint32_t dtype, int64_t stride, bool alongK,
                        int64_t count, int64_t k);
  Pack packRows, packColumns;
  /// to[i * toStride] = from[i * fromStride], widened to T, for i below `count`.
  void (*copy)(T *to, int64_t toStride, const void *from, uint32_t dtype, int64_t fromStride,
               int64_t count);
  /// to[i * toStride + j] = from[j][i], widened to T, for j below 4 and i below
  /// `count`; in pairs to[i * toStride + j] = from[j][2 * i], from[j][2 * i + 1],
  /// with a zero behind an odd `count`.
  void (*interleave)(T *to, int64_t toStride, const void *const *from, uint32_t dtype,
                     int64_t count);
  /// to[tap * columns + i] = from[offsets[tap] + i], widened to T, where bit i of
  /// masks[tap] is set, else 0 without a read, for i below `count`, at most 64. Not
  /// in pairs.
  void (*copyTaps)(T *to, const void *from, uint32_t dtype, const int64_t *offsets,
                   const uint64_t *masks, int64_t taps, int64_t count);
  /// In pairs: to[i] = first[i * stride], second[i * stride], for i below
  /// `count`; an operand that is null is zeros. Else there is none.
  void (*zip)(T *to, const void *first, const void *second, int64_t stride, int64_t count);
  /// to[i] += from[i], for i below `count`.
  void (*add)(T *to, const T *from, int64_t count);
  void (*multiply)(const GemmBlock<T> &block);
};

struct GemmKernelSet {
  GemmKernels<float> f32;
  GemmKernels<double> f64;
};

namespace baseline {
extern const GemmKernelSet gemmKernels;
// What the instructions for bf16 compute, for tests of what is around them.
extern const GemmKernels<float> pairKernels, tileKernels;
} // namespace baseline
namespace avx2 { ///< needs avx2, fma, f16c
extern const GemmKernelSet gemmKernels;
}
namespace avx512 { ///< needs avx512f, avx512vl, avx512bw, avx512dq too
extern const GemmKernelSet gemmKernels;
}
// Products of two operands in bf16, which stay as they are. Sums are in f32;
// operands and sums below its normal numbers count as 0.
namespace avx512bf16 { ///< needs avx512bf16 too
extern const GemmKernels<float> pairKernels;
}
namespace amx { ///< needs amx-tile, amx-bf16 too, and the system's permission
extern const GemmKernels<float> tileKernels;
}

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMMKERNELS_H
