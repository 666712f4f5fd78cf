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

static int64_t ceilDivide(int64_t a, int64_t b) {
  return a > 0 ? (a + b - 1) / b : -(-a / b);
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
void WindowOperand<T>::packRun(T *to, int64_t stride, const Tap &tap,
                               const Run &run) const {
  auto clear = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      to[i * stride] = 0;
  };
  const WindowAxis &rows = images.rows, &columns = images.columns;
  int64_t row = run.row * rows.pointStep + tap.row * rows.tapStep + rows.offset;
  if (row < 0 || row % rows.divisor || row / rows.divisor >= rows.extent)
    return clear(0, run.count);
  row /= rows.divisor;
  // Point i of the run lies on element (start + i * pointStep) / divisor.
  int64_t start = run.column * columns.pointStep + tap.column * columns.tapStep +
                  columns.offset;
  int64_t first = 0, step = 1; // points that lie on an element
  if (columns.divisor > 1) {   // whose pointStep is 1
    step = columns.divisor;
    first = (step - (start % step + step) % step) % step;
  }
  int64_t position = start + first * columns.pointStep;
  int64_t distance = step * columns.pointStep;
  if (position < 0) {
    int64_t skipped = ceilDivide(-position, distance);
    first += skipped * step;
    position += skipped * distance;
  }
  int64_t end = columns.extent * columns.divisor;
  int64_t count = std::min(ceilDivide(run.count - first, step),
                           ceilDivide(end - position, distance));
  if (count <= 0)
    return clear(0, run.count);
  if (step > 1) {
    clear(0, run.count);
  } else {
    clear(0, first);
    clear(first + count, run.count);
  }
  int64_t image = run.image * images.imageStride +
                  (tap.channel * rows.extent + row) * columns.extent;
  const char *from = static_cast<const char *>(images.data) +
                     (image + position / columns.divisor) *
                         int64_t(sizeOf(images.dtype));
  kernels.copy(to + first * stride, step * stride, from, images.dtype,
               distance / columns.divisor, count);
}

template <class T>
void WindowOperand<T>::pack(T *to, int64_t width, int64_t first, int64_t count,
                            int64_t k, int64_t depth) const {
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
      forEachRun(k, depth, [&](const Run &run) {
        packRun(to + run.index * width + i, width, tap, run);
      });
    }
  }
  clearRest(to, width, count, depth);
}

template <class T>
void PiecewiseOperand<T>::pack(T *to, int64_t width, int64_t first,
                               int64_t count, int64_t k, int64_t depth) const {
  auto pack = width == kernels.rows ? kernels.packRows : kernels.packColumns;
  while (depth > 0) {
    int64_t within = k % piece, length = std::min(piece - within, depth);
    const char *from =
        static_cast<const char *>(data) +
        (first * stride + k / piece * pieceStride + within) *
            int64_t(sizeOf(dtype));
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
