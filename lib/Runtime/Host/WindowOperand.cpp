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
    int64_t p = std::max<int64_t>(from, 0);
    if (stride != 1) // a division takes as long as a short run
      p = (p + stride - 1) / stride;
    return std::clamp(p, begin, end);
  };
  int64_t from = pad - tap * dilation;
  return {firstFrom(from), firstFrom(from + extent)};
}

template <class T>
WindowOperand<T>::WindowOperand(const GemmKernels<T> &kernels, const WindowImages &images,
                                bool sumsTaps)
    : kernels(kernels), images(images), elementBytes(int64_t(sizeOf(images.dtype))),
      sumsTaps(sumsTaps) {}

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

/// The number of the element that a tap lies on at column `column` of a run. The
/// row must be inside of the image; the column may be outside.
template <class T>
int64_t WindowOperand<T>::elementAt(const Tap &tap, const Run &run, int64_t column) const {
  const WindowAxis &rows = images.rows, &columns = images.columns;
  int64_t row = tap.channel * rows.extent + rows.element(run.row, tap.row);
  return run.image * images.imageStride + row * columns.extent +
         columns.element(column, tap.column);
}

template <class T>
const void *WindowOperand<T>::addressOf(int64_t element) const {
  return static_cast<const char *>(images.data) + element * elementBytes;
}

/// What one tap lies on over a run of points, `stride` apart.
template <class T>
void WindowOperand<T>::packRun(T *to, int64_t stride, const Tap &tap, const Run &run) const {
  auto clear = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      to[i * stride] = 0;
  };
  if (!images.rows.isInside(run.row, tap.row))
    return clear(0, run.count);
  auto [begin, end] = images.columns.pointsInside(tap.column, run.column, run.column + run.count);
  clear(0, begin - run.column);
  clear(end - run.column, run.count);
  if (begin != end)
    kernels.copy(to + (begin - run.column) * stride, stride, addressOf(elementAt(tap, run, begin)),
                 images.dtype, images.columns.stride, end - begin);
}

/// The same for four taps, side by side: read together, with their neighbours in
/// memory where they lie outside of the image, which then become zeros.
template <class T>
void WindowOperand<T>::packFour(T *to, int64_t stride, const Tap *four, const Run &run) const {
  const void *from[4];
  bool together = images.columns.stride == 1;
  for (int j = 0; j != 4 && together; ++j) {
    int64_t element = elementAt(four[j], run, run.column);
    together = images.rows.isInside(run.row, four[j].row) && element >= 0 &&
               element + run.count <= images.count;
    if (together)
      from[j] = addressOf(element);
  }
  if (!together) {
    for (int j = 0; j != 4; ++j)
      packRun(to + j, stride, four[j], run);
    return;
  }
  kernels.interleave(to, stride, from, images.dtype, run.count);
  for (int j = 0; j != 4; ++j) {
    auto [begin, end] =
        images.columns.pointsInside(four[j].column, run.column, run.column + run.count);
    for (int64_t i = 0; i < begin - run.column; ++i)
      to[i * stride + j] = 0;
    for (int64_t i = end - run.column; i < run.count; ++i)
      to[i * stride + j] = 0;
  }
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
