//===- WindowOperand.cpp - Images as operands of a product ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/WindowOperand.h"

#include "Core/DType.h"

#include <algorithm>
#include <cstring>
#include <iterator>

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
      sumsTaps(sumsTaps), isFlat(images.rows.stride == 1 && images.columns.stride == 1 &&
                                 images.columns.points == images.columns.extent) {}

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
    int64_t left = isFlat ? (height - run.row) * width : width;
    run.count = std::min(left - run.column, count - run.index);
    fn(run);
    run.index += run.count;
    run.column = 0;
    if (isFlat || ++run.row == height) {
      run.row = 0;
      ++run.image;
    }
  }
}

/// Calls `fn(part)` for what of a run is of one row.
template <class T>
template <class Fn>
void WindowOperand<T>::forEachRow(const Run &run, Fn fn) const {
  Run part = run;
  for (int64_t left = run.count; left > 0; left -= part.count) {
    part.count = std::min(images.columns.points - part.column, left);
    fn(part);
    part.index += part.count;
    part.column = 0;
    ++part.row;
  }
}

/// Calls `fn(i)` for the points of a run, from 0 on, whose tap lies outside.
template <class T>
template <class Fn>
void WindowOperand<T>::forEachOutside(const Tap &tap, const Run &run, Fn fn) const {
  // Points are counted over the whole image.
  int64_t width = images.columns.points, height = images.rows.points;
  int64_t first = run.row * width + run.column, end = first + run.count;
  auto callFor = [&](int64_t from, int64_t until) {
    for (int64_t i = std::max(from, first); i < std::min(until, end); ++i)
      fn(i - first);
  };
  WindowAxis::Range rows = images.rows.pointsInside(tap.row, 0, height);
  WindowAxis::Range columns = images.columns.pointsInside(tap.column, 0, width);
  callFor(first, rows.begin * width);
  if (columns.begin > 0 || columns.end < width)
    for (int64_t row = std::max(run.row, rows.begin); row < rows.end && row * width < end; ++row) {
      callFor(row * width, row * width + columns.begin);
      callFor(row * width + columns.end, (row + 1) * width);
    }
  callFor(std::max(rows.begin, rows.end) * width, end);
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
  if (run.column + run.count > images.columns.points) {
    forEachRow(run, [&](const Run &part) {
      packRun(to + (part.index - run.index) * stride, stride, tap, part);
    });
    return;
  }
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

/// Taps along k, over a run of points that follow each other in memory.
template <class T>
void WindowOperand<T>::packFlatTaps(T *to, const Run &run, int64_t k, int64_t depth) const {
  // Where each tap of a channel lies, and the points of which that is inside.
  constexpr int64_t kMostTaps = 128;
  int64_t taps = images.rows.taps * images.columns.taps, offsets[kMostTaps];
  uint64_t masks[kMostTaps];
  Tap tap = tapAt(k);
  while (depth > 0) {
    int64_t base = elementAt({tap.channel, 0, 0}, run, run.column);
    int64_t left = taps - (tap.row * images.columns.taps + tap.column);
    int64_t count = std::min({left, depth, kMostTaps});
    for (int64_t i = 0; i != count; ++i, moveOn(tap)) {
      offsets[i] = elementAt(tap, run, run.column) - base;
      masks[i] = ~uint64_t(0);
      forEachOutside(tap, run, [&](int64_t point) { masks[i] &= ~(uint64_t(1) << point); });
    }
    // The same for all channels, but for parts of the first and the last.
    int64_t channels = count == taps ? depth / taps : 1;
    for (int64_t channel = 0; channel != channels; ++channel) {
      kernels.copyTaps(to, addressOf(base), images.dtype, offsets, masks, count, run.count);
      to += count * kernels.columns;
      base += images.rows.extent * images.columns.extent;
    }
    tap.channel += channels - 1;
    depth -= channels * count;
  }
}

/// Where four taps lie over a run, if all of it is in memory: next to what lies
/// outside of an image are its neighbours.
template <class T>
bool WindowOperand<T>::addressesOf(const Tap *four, const Run &run, const void **from) const {
  if (images.columns.stride != 1)
    return false;
  for (int j = 0; j != 4; ++j) {
    int64_t element = elementAt(four[j], run, run.column);
    bool isRead = isFlat || images.rows.isInside(run.row, four[j].row);
    if (!isRead || element < 0 || element + run.count > images.count)
      return false;
    from[j] = addressOf(element);
  }
  return true;
}

/// The same for four taps, side by side: read together, with their neighbours in
/// memory where they lie outside of the image, which then become zeros.
template <class T>
void WindowOperand<T>::packFour(T *to, int64_t stride, const Tap *four, const Run &run) const {
  const void *from[4];
  if (!addressesOf(four, run, from)) {
    for (int j = 0; j != 4; ++j)
      packRun(to + j, stride, four[j], run);
    return;
  }
  kernels.interleave(to, stride, from, images.dtype, run.count);
  for (int j = 0; j != 4; ++j)
    forEachOutside(four[j], run, [&](int64_t i) { to[i * stride + j] = 0; });
}

/// What two taps that follow each other lie on over a run of points, in pairs.
/// Without a `second` its half is zeros.
template <class T>
void WindowOperand<T>::packPair(T *to, const Tap &first, const Tap *second, const Run &run) const {
  if (run.column + run.count > images.columns.points) {
    forEachRow(run, [&](const Run &part) {
      packPair(to + (part.index - run.index), first, second, part);
    });
    return;
  }
  // The points of which each tap is inside, as parts of the run.
  auto inside = [&](const Tap &tap) {
    if (!images.rows.isInside(run.row, tap.row))
      return WindowAxis::Range{0, 0};
    auto [begin, end] = images.columns.pointsInside(tap.column, run.column, run.column + run.count);
    return WindowAxis::Range{begin - run.column, end - run.column};
  };
  WindowAxis::Range a = inside(first), b = second ? inside(*second) : WindowAxis::Range{0, 0};
  int64_t ends[] = {a.begin, a.end, b.begin, b.end, run.count};
  std::sort(std::begin(ends), std::end(ends));
  int64_t from = 0;
  for (int64_t until : ends) {
    if (until == from)
      continue;
    auto address = [&](const Tap &tap, const WindowAxis::Range &range) -> const void * {
      bool isInside = range.begin <= from && until <= range.end;
      return isInside ? addressOf(elementAt(tap, run, run.column + from)) : nullptr;
    };
    kernels.zip(to + from, address(first, a), second ? address(*second, b) : nullptr,
                images.columns.stride, until - from);
    from = until;
  }
}

/// Value `kk` of lane `i` in a strip of pairs.
template <class T>
static uint16_t *halfAt(T *strip, int64_t width, int64_t kk, int64_t i) {
  return reinterpret_cast<uint16_t *>(strip + kk / 2 * width + i) + kk % 2;
}

/// What a tap lies on over a run, along k from `run.index` on. A half that the run
/// does not reach, of its first or last pair, stays or becomes 0.
template <class T>
void WindowOperand<T>::packRunInPairs(T *to, int64_t width, const Tap &tap, const Run &run) const {
  if (run.column + run.count > images.columns.points) {
    forEachRow(run, [&](const Run &part) { packRunInPairs(to, width, tap, part); });
    return;
  }
  auto [begin, end] = images.columns.pointsInside(tap.column, run.column, run.column + run.count);
  if (!images.rows.isInside(run.row, tap.row))
    begin = end = run.column;
  const char *from =
      begin < end ? static_cast<const char *>(addressOf(elementAt(tap, run, begin))) : nullptr;
  int64_t step = images.columns.stride * elementBytes;
  for (int64_t i = 0; i < run.count; ++i) {
    uint16_t value = 0;
    if (run.column + i >= begin && run.column + i < end) {
      std::memcpy(&value, from, sizeof(value));
      from += step;
    }
    uint16_t *half = halfAt(to, width, run.index + i, 0);
    *half = value;
    if ((run.index + i) % 2 == 0)
      half[1] = 0;
  }
}

template <class T>
void WindowOperand<T>::packFourInPairs(T *to, int64_t width, const Tap *four,
                                       const Run &run) const {
  // A first half that a pair has of an earlier run is not written again.
  Run rest = run;
  if (run.index % 2 != 0) {
    Run one = run;
    one.count = 1;
    for (int j = 0; j != 4; ++j)
      packRunInPairs(to + j, width, four[j], one);
    ++rest.index;
    --rest.count;
    if (++rest.column == images.columns.points) {
      rest.column = 0;
      ++rest.row;
    }
  }
  const void *from[4];
  if (rest.count == 0)
    return;
  if (!addressesOf(four, rest, from)) {
    for (int j = 0; j != 4; ++j)
      packRunInPairs(to + j, width, four[j], rest);
    return;
  }
  kernels.interleave(to + rest.index / 2 * width, width, from, images.dtype, rest.count);
  for (int j = 0; j != 4; ++j)
    forEachOutside(four[j], rest, [&](int64_t i) { *halfAt(to, width, rest.index + i, j) = 0; });
}

template <class T>
void WindowOperand<T>::moveOn(Tap &tap) const {
  if (++tap.column == images.columns.taps) {
    tap.column = 0;
    if (++tap.row == images.rows.taps) {
      tap.row = 0;
      ++tap.channel;
    }
  }
}

/// Taps along k, points across.
template <class T>
void WindowOperand<T>::packTaps(T *to, int64_t width, int64_t first, int64_t count, int64_t k,
                                int64_t depth) const {
  bool inPairs = kernels.perElement == 2;
  forEachRun(first, count, [&](const Run &run) {
    if (isFlat && !inPairs) {
      packFlatTaps(to + run.index, run, k, depth);
      return;
    }
    Tap tap = tapAt(k);
    T *at = to + run.index;
    for (int64_t kk = 0; kk < depth; kk += kernels.perElement, at += width) {
      if (inPairs) {
        Tap other = tap;
        moveOn(other);
        packPair(at, tap, kk + 1 < depth ? &other : nullptr, run);
        tap = other;
      } else {
        packRun(at, 1, tap, run);
      }
      moveOn(tap);
    }
  });
}

/// Points along k, taps across: four by four where there are as many.
template <class T>
void WindowOperand<T>::packPoints(T *to, int64_t width, int64_t first, int64_t count, int64_t k,
                                  int64_t depth) const {
  bool inPairs = kernels.perElement == 2;
  for (int64_t i = 0; i < count; ++i) {
    Tap taps[4];
    for (int64_t j = 0; j != std::min<int64_t>(count - i, 4); ++j)
      taps[j] = tapAt(first + i + j);
    bool isFour = i + 4 <= count;
    forEachRun(k, depth, [&](const Run &run) {
      T *at = inPairs ? to + i : to + run.index * width + i;
      if (isFour)
        inPairs ? packFourInPairs(at, width, taps, run) : packFour(at, width, taps, run);
      else
        inPairs ? packRunInPairs(at, width, taps[0], run) : packRun(at, width, taps[0], run);
    });
    if (isFour)
      i += 3;
  }
}

template <class T>
void WindowOperand<T>::pack(T *to, GemmSide, int64_t first, int64_t count, int64_t k,
                            int64_t depth) const {
  int64_t width = kernels.columns;
  int64_t used = (depth + kernels.perElement - 1) / kernels.perElement;
  if (sumsTaps)
    packTaps(to, width, first, count, k, depth);
  else
    packPoints(to, width, first, count, k, depth);
  clearRest(to, width, count, used);
  std::fill(to + used * width, to + kernels.packedDepth(depth) * width, T(0));
}

template <class T>
void PiecewiseOperand<T>::pack(T *to, GemmSide side, int64_t first, int64_t count, int64_t k,
                               int64_t depth) const {
  bool isLeft = side == GemmSide::Left;
  auto pack = isLeft ? kernels.packRows : kernels.packColumns;
  int64_t width = isLeft ? kernels.rows : kernels.columns;
  auto forEachPiece = [&](int64_t depth, auto fn) {
    for (int64_t at = k, end = k + depth; at < end;) {
      int64_t within = at % piece, length = std::min(piece - within, end - at);
      fn(at - k,
         static_cast<const char *>(data) +
             (first * stride + at / piece * pieceStride + within) * int64_t(sizeOf(dtype)),
         length);
      at += length;
    }
  };
  if (kernels.depthStep == 1) {
    forEachPiece(depth, [&](int64_t at, const char *from, int64_t length) {
      pack(to + at * width, from, dtype, stride, /*alongK=*/true, count, length);
    });
    return;
  }
  // Pieces may begin within a packed element: a part of k is put together first.
  constexpr int64_t kPart = 128, kMostWidth = 64;
  uint16_t whole[kMostWidth * kPart];
  while (depth > 0) {
    int64_t part = std::min(kPart, depth);
    forEachPiece(part, [&](int64_t at, const char *from, int64_t length) {
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(whole + i * kPart + at, from + i * stride * int64_t(sizeof(uint16_t)),
                    length * sizeof(uint16_t));
    });
    pack(to, whole, dtype, kPart, /*alongK=*/true, count, part);
    to += kernels.packedDepth(part) * width;
    k += part;
    depth -= part;
  }
}

template class WindowOperand<float>;
template class WindowOperand<double>;
template class PiecewiseOperand<float>;
template class PiecewiseOperand<double>;

} // namespace ampc
