//===- WindowOperand.cpp - Images as operands of a product ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/WindowOperand.h"

#include "Core/DType.h"

#include <algorithm>

namespace ampc {

/// Sets to[kk][i] to 0 for i from `count` on.
template <class T>
static void clearRest(T *to, int64_t width, int64_t count, int64_t depth) {
  for (int64_t kk = 0; count < width && kk < depth; ++kk, to += width)
    std::fill(to + count, to + width, T(0));
}

WindowAxis::Range WindowAxis::pointsInside(int64_t tap, int64_t begin, int64_t end) const {
  // The first points with p * stride >= from, and with p * stride >= from + extent.
  auto firstFrom = [&](int64_t from) {
    int64_t p = from > 0 ? (from + stride - 1) / stride : 0;
    return std::clamp(p, begin, end);
  };
  int64_t from = pad - tap * dilation;
  return {firstFrom(from), firstFrom(from + extent)};
}

/// Calls `fn(run)` for the points from `first` on, row by row.
template <class T>
template <class Fn>
void WindowOperand<T>::forEachRun(int64_t first, int64_t count, Fn fn) const {
  int64_t width = images.columns.points, height = images.rows.points;
  Run run;
  run.index = 0;
  run.column = first % width;
  run.row = first / width % height;
  run.image = first / width / height;
  while (run.index < count) {
    run.count = std::min(width - run.column, count - run.index);
    fn(run);
    run.index += run.count;
    run.column = 0;
    if (++run.row == height) {
      run.row = 0;
      ++run.image;
    }
  }
}

template <class T>
typename WindowOperand<T>::Tap WindowOperand<T>::tapAt(int64_t index) const {
  int64_t rows = images.rows.taps, columns = images.columns.taps;
  return {index / (rows * columns), index / columns % rows, index % columns};
}

/// What one tap lies on over a run of points, `stride` apart.
template <class T>
void WindowOperand<T>::packRun(T *to, int64_t stride, const Tap &tap, const Run &run) const {
  const WindowAxis &rows = images.rows, &columns = images.columns;
  auto clear = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      to[i * stride] = 0;
  };
  int64_t row = rows.element(run.row, tap.row);
  if (row < 0 || row >= rows.extent)
    return clear(0, run.count);
  auto [begin, end] = columns.pointsInside(tap.column, run.column, run.column + run.count);
  clear(0, begin - run.column);
  clear(end - run.column, run.count);
  if (begin == end)
    return;
  int64_t element = run.image * images.imageStride +
                    (tap.channel * rows.extent + row) * columns.extent +
                    columns.element(begin, tap.column);
  kernels.copy(to + (begin - run.column) * stride, stride,
               static_cast<const char *>(images.data) + element * int64_t(sizeOf(images.dtype)),
               images.dtype, columns.stride, end - begin);
}

template <class T>
void WindowOperand<T>::pack(T *to, int64_t width, int64_t first, int64_t count, int64_t k,
                            int64_t depth) const {
  if (sumsTaps) {
    forEachRun(first, count, [&](const Run &run) {
      Tap tap = tapAt(k);
      for (int64_t kk = 0; kk < depth; ++kk) {
        packRun(to + kk * width + run.index, 1, tap, run);
        if (++tap.column == images.columns.taps) {
          tap.column = 0;
          if (++tap.row == images.rows.taps) {
            tap.row = 0;
            ++tap.channel;
          }
        }
      }
    });
  } else {
    for (int64_t i = 0; i < count; ++i) {
      Tap tap = tapAt(first + i);
      forEachRun(k, depth,
                 [&](const Run &run) { packRun(to + run.index * width + i, width, tap, run); });
    }
  }
  clearRest(to, width, count, depth);
}

template <class T>
void PiecewiseOperand<T>::pack(T *to, int64_t width, int64_t first, int64_t count, int64_t k,
                               int64_t depth) const {
  auto pack = width == kernels.rows ? kernels.packRows : kernels.packColumns;
  while (depth > 0) {
    int64_t within = k % piece, length = std::min(piece - within, depth);
    const char *from = static_cast<const char *>(data) +
                       (first * stride + k / piece * pieceStride + within) * int64_t(sizeOf(dtype));
    pack(to, from, dtype, stride, /*alongK=*/true, count, length);
    to += length * width;
    k += length;
    depth -= length;
  }
}

template class WindowOperand<float>;
template class WindowOperand<double>;
template class PiecewiseOperand<float>;
template class PiecewiseOperand<double>;

} // namespace ampc
