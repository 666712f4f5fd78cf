//===- GemmKernels.h - The inner loops of a matrix product ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GemmKernels.cpp is compiled once for each instruction set. It and this header
// must not include what defines inline functions: the linker would keep one
// copy of each, perhaps the one for a processor that this one is not.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMMKERNELS_H
#define AMPC_RUNTIME_HOST_GEMMKERNELS_H

#include <stdint.h>

namespace ampc {

/// A block of a product of packed operands, [m, k] times [k, n].
template <class T>
struct GemmBlock {
  int64_t m, n, k;
  /// Strips of `rows` rows, each [k][rows].
  const T *lhs;
  /// Strips of `columns` columns, each [k][columns], this far apart.
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

/// The loops for one instruction set; T is float or double.
template <class T>
struct GemmKernels {
  int64_t rows, columns; ///< of the strips

  /// Packs one strip: writes `to[kk][i]`, for i below the strip's width, from
  /// element (i, kk) of an operand, widened to T and 0 for i from `count` on.
  /// The element is at from[i * stride + kk] where `alongK`, else at
  /// from[kk * stride + i].
  using Pack = void (*)(T *to, const void *from, uint32_t dtype, int64_t stride, bool alongK,
                        int64_t count, int64_t k);
  Pack packRows, packColumns;
  /// to[i * toStride] = from[i * fromStride], widened to T, for i below `count`.
  void (*copy)(T *to, int64_t toStride, const void *from, uint32_t dtype, int64_t fromStride,
               int64_t count);
  /// to[i * toStride + j] = from[j][i], widened to T, for j below 4 and i below
  /// `count`.
  void (*interleave)(T *to, int64_t toStride, const void *const *from, uint32_t dtype,
                     int64_t count);
  void (*multiply)(const GemmBlock<T> &block);
};

struct GemmKernelSet {
  GemmKernels<float> f32;
  GemmKernels<double> f64;
};

namespace baseline {
extern const GemmKernelSet gemmKernels;
}
namespace avx2 { ///< needs avx2, fma, f16c
extern const GemmKernelSet gemmKernels;
}
namespace avx512 { ///< needs avx512f, avx512vl, avx512bw, avx512dq too
extern const GemmKernelSet gemmKernels;
}

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMMKERNELS_H
