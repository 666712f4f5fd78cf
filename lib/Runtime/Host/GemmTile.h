//===- GemmTile.h - A tile of a product in registers ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile of the result, some rows by two vectors, stays in registers over all
// of k; each step of k loads two vectors of the right operand and one element a
// row of the left one. Sums run through k in order, whatever the blocks around.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_GEMMTILE_H
#define AMPC_RUNTIME_HOST_GEMMTILE_H

#include "Host/GemmVectors.h"

namespace ampc {
namespace AMPC_GEMM_ISA {

#if defined(__AVX512F__)
constexpr int kRows = 12;
#else
constexpr int kRows = 6;
#endif
constexpr int kVectors = 2;

namespace {

template <class T>
constexpr int kColumns = kVectors * Simd<T>::kLanes;

/// One tile, at row `row` and column `column` of the block.
template <class Step, int Rows, int Vectors, class T>
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
      sum[r][v] = Step::apply(sum[r][v], lhs + r, right[v]);
    lhs += kRows;
    rhs += kColumns<T>;
  }

  if (!block.last || !Step::kEndsInRegisters) {
    alignas(kVectorBytes) T sums[Rows][Vectors * kLanes];
    T *to = block.last ? sums[0] : partial;
    int64_t stride = block.last ? Vectors * kLanes : block.partialStride;
    AMPC_UNROLL
    for (int r = 0; r != Rows; ++r)
      AMPC_UNROLL
    for (int v = 0; v != Vectors; ++v)
      store(to + r * stride + v * kLanes, sum[r][v]);
    if (block.last)
      finishTile(block, sums[0], Rows, Vectors * kLanes, row, column);
    return;
  }
  AMPC_UNROLL
  for (int v = 0; v != Vectors; ++v) {
    Vector bias = {};
    if (block.columnBias)
      bias = load<Vector>(block.columnBias + column + v * kLanes);
    AMPC_UNROLL
    for (int r = 0; r != Rows; ++r)
      finish(block, sum[r][v], bias, row + r, column + v * kLanes);
  }
}

template <class Step, int Vectors, class T>
void multiplyRows(const GemmBlock<T> &block, const T *lhs, const T *rhs, int64_t row,
                  int64_t column) {
  int64_t rows = block.m - row;
  switch (rows < kRows ? rows : kRows) {
#define AMPC_ROWS(n)                                                                               \
  case n:                                                                                          \
    return multiplyTile<Step, n, Vectors>(block, lhs, rhs, row, column);
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

/// `Step` adds to a vector of sums, by `apply(sum, left, right)`, the product of
/// an element of the left operand and a vector of the right one. Where it
/// `kEndsInRegisters`, small products are a tenth faster, for 100 KB of code.
template <class Step, class T = typename Step::Element>
void multiply(const GemmBlock<T> &block) {
  // A strip of the right operand stays in the first cache while the left
  // operand's pass by.
  const T *rhs = block.rhs;
  for (int64_t column = 0; column < block.n; column += kColumns<T>) {
    const T *lhs = block.lhs;
    bool narrow = block.n - column <= Simd<T>::kLanes;
    for (int64_t row = 0; row < block.m; row += kRows) {
      if (narrow)
        multiplyRows<Step, 1>(block, lhs, rhs, row, column);
      else
        multiplyRows<Step, 2>(block, lhs, rhs, row, column);
      lhs += kRows * block.k;
    }
    rhs += block.rhsStripStride;
  }
}

} // namespace
} // namespace AMPC_GEMM_ISA
} // namespace ampc

#endif // AMPC_RUNTIME_HOST_GEMMTILE_H
