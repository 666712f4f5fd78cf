//===- Gemm.h - Matrix products in our own code -----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMM_H
#define AMPC_RUNTIME_HOST_GEMM_H

#include "Host/GemmKernels.h"
#include "Host/ThreadPool.h"
#include "ampc-runtime/module_format.h"

namespace ampc {

/// T as an element type.
template <class T>
constexpr uint32_t kDTypeOf = sizeof(T) == 4 ? AMPC_DTYPE_F32 : AMPC_DTYPE_F64;

/// The operands of a product: rows of the left one and columns of the right one
/// are packed.
enum class GemmSide { Left, Right };

/// An operand of a product, as far as the product asks.
template <class T>
class GemmOperand {
public:
  /// Packs a strip, of which element (i, kk) is the operand's (first + i, k + kk),
  /// and 0 for i from `count` on. `k` is a multiple of the kernels' `depthStep`.
  virtual void pack(T *to, GemmSide side, int64_t first, int64_t count, int64_t k,
                    int64_t depth) const = 0;

protected:
  ~GemmOperand() = default;
};

/// A matrix in memory: element (i, kk) is at data[i * stride + kk] where
/// `alongK`, else at data[kk * stride + i].
template <class T>
class DenseOperand final : public GemmOperand<T> {
public:
  DenseOperand(const GemmKernels<T> &kernels, const void *data, uint32_t dtype, int64_t stride,
               bool alongK)
      : kernels(kernels), data(data), dtype(dtype), stride(stride), alongK(alongK) {}

  void pack(T *to, GemmSide side, int64_t first, int64_t count, int64_t k,
            int64_t depth) const override;

private:
  const GemmKernels<T> &kernels;
  const void *data;
  uint32_t dtype;
  int64_t stride;
  bool alongK;
};

/// The operands of one product. The result is op(alpha * lhs * rhs + bias),
/// row-major.
template <class T>
struct GemmOperands {
  const GemmOperand<T> *lhs, *rhs;
  const void *bias; ///< of `biasDType`, or null
  void *out;
};

/// A product [m, k] times [k, n] of fixed shape and types, accumulated in T in
/// the order of k and rounded once. Its bits depend neither on the number of
/// threads nor on how the work is split.
template <class T>
class Gemm {
public:
  struct Shape {
    int64_t m, n, k;
    uint32_t biasDType, outDType;
    T alpha;
    bool biasOfRows; ///< [m], added to every column; else [n], to every row
    bool relu;
  };

  /// `threads` is for how many the work is to be cut.
  Gemm(const GemmKernels<T> &kernels, const Shape &shape, int threads);

  /// The elements of T that `shared` and each thread's `scratch` must have.
  int64_t sharedElements() const;
  int64_t scratchElements() const;

  /// Computes the product. Scratch memory of thread t is at
  /// scratch + t * scratchStride; both start at a multiple of 64 bytes. With
  /// `pool` null all is done here, with the first thread's scratch.
  void run(const GemmOperands<T> &operands, T *shared, T *scratch, int64_t scratchStride,
           ThreadPool *pool) const;

private:
  /// A part of the result's columns and of k, for which the right operand is
  /// packed as a whole.
  struct Panel {
    int64_t column, columns, k, depth;
    T *packed, *partial;
    const T *bias; ///< of the columns, or of all rows
  };

  int64_t partialStride() const; ///< of a tile's sums
  int64_t sumsStride() const;    ///< of a panel's
  int64_t biasElements() const;
  void runPanel(const GemmOperands<T> &operands, const Panel &panel, T *scratch,
                int64_t scratchStride, ThreadPool *pool) const;
  void packPanel(const GemmOperands<T> &operands, const Panel &panel, ThreadPool *pool) const;
  void multiplyPanel(const GemmOperands<T> &operands, const Panel &panel, T *scratch,
                     int64_t scratchStride, ThreadPool *pool) const;
  void multiplyTile(const GemmOperands<T> &operands, const Panel &panel, int64_t tile,
                    T *scratch) const;

  const GemmKernels<T> &kernels;
  Shape shape;
  int64_t tileRows, tileColumns; ///< of the result, one piece of work
  int64_t panelColumns;          ///< multiples of the kernels' strips
  int64_t panelDepth;            ///< of k
  int64_t blockDepth;            ///< packed elements along k that are multiplied at once
  int64_t columnParts;           ///< of a panel, each of one thread from packing on; 1: shared
  bool wake;                     ///< sleeping threads for it
};

extern template class DenseOperand<float>;
extern template class DenseOperand<double>;
extern template class Gemm<float>;
extern template class Gemm<double>;

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMM_H
