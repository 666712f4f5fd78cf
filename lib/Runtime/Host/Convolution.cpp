//===- Convolution.cpp - The convolution steps of the host target ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/Convolution.h"

#include "Core/Convert.h"
#include "Core/DType.h"

#include <algorithm>

namespace ampc {

/// Windows that the input's gradient makes at once: what the second cache holds.
static constexpr int64_t kWindowBytes = 1 << 20;

template <class Pointer>
static Pointer at(Pointer data, uint32_t dtype, int64_t index) {
  return data + index * int64_t(sizeOf(dtype));
}

/// The largest number of rows that divides `rows` and whose windows, `bytes`
/// each, fit in kWindowBytes.
static int64_t pickRowsAtOnce(int64_t rows, int64_t bytes) {
  int64_t fitting = std::clamp<int64_t>(kWindowBytes / bytes, 1, rows);
  while (rows % fitting)
    --fitting;
  return fitting;
}

/// The largest number that divides `images` and with which a product has at most
/// kWideProduct columns: of small images the filters are then packed once for all.
static int64_t pickImagesAtOnce(int64_t images, int64_t points) {
  constexpr int64_t kWideProduct = 256;
  int64_t fitting = std::clamp<int64_t>(kWideProduct / std::max<int64_t>(points, 1), 1,
                                        std::max<int64_t>(images, 1));
  while (images % fitting)
    --fitting;
  return fitting;
}

/// Calls `fn(i)` for i below `count`, by the pool's threads where there is one.
template <class Fn>
static void forAll(ThreadPool *pool, int64_t count, Fn fn) {
  if (pool)
    pool->run(count, /*wake=*/true, [&](int64_t i, int) { fn(i); });
  else
    for (int64_t i = 0; i != count; ++i)
      fn(i);
}

Convolution::Convolution(const ConvolutionShape &s, int threads)
    : shape(s), channels(s.c / s.groups), filters(s.k / s.groups),
      taps(channels * s.filterPoints()), rows(s.rows), columns(s.columns),
      imagesAtOnce(pickImagesAtOnce(s.n, s.outputPoints())),
      rowsAtOnce(imagesAtOnce > 1
                     ? rows.points
                     : pickRowsAtOnce(rows.points, taps * columns.points * sizeOf(s.out))),
      products(s.out == AMPC_DTYPE_F64 ? makeProducts<double>(threads)
                                       : makeProducts<float>(threads)) {}

template <class T>
Convolution::Products Convolution::makeProducts(int threads) const {
  const ConvolutionShape &s = shape;
  typename Gemm<T>::Shape product = {};
  product.biasDType = s.bias;
  product.outDType = s.out;
  product.alpha = 1;
  product.biasOfRows = true;
  product.relu = s.relu;
  int64_t count = s.n / imagesAtOnce * s.groups, extra = 0;
  switch (s.kind) {
  case AMPC_CONVOLUTION_FORWARD:
    product.m = filters;
    product.n = imagesAtOnce * s.outputPoints();
    product.k = taps;
    if (imagesAtOnce > 1) {
      product.outDType = kDTypeOf<T>;
      extra = product.m * product.n;
    }
    break;
  case AMPC_CONVOLUTION_INPUT_GRADIENT:
    product.m = taps;
    product.n = s.outputPoints();
    product.k = filters;
    if (isAdjoint()) {
      count = s.n * s.groups;
      product.m = channels;
      product.n = s.inputPoints();
      product.k = filters * s.filterPoints();
      extra = product.m * product.k;
    } else if (!isPointwise() || imagesAtOnce > 1) {
      product.n = imagesAtOnce * rowsAtOnce * columns.points;
      product.outDType = kDTypeOf<T>;
      extra = product.m * product.n;
      if (s.out != kDTypeOf<T>)
        extra += imagesAtOnce * channels * s.inputPoints();
    }
    break;
  case AMPC_CONVOLUTION_FILTER_GRADIENT:
    product.m = filters;
    product.n = taps;
    product.k = s.n * s.outputPoints();
    count = s.groups;
    break;
  }
  // Taps that are packed in pairs take longer than pairs of bf16 gain.
  bool isOfTaps = s.kind == AMPC_CONVOLUTION_FORWARD && !isPointwise();
  return GemmBatch<T>(count, product, isOfTaps ? kDTypeOf<T> : s.lhs, s.rhs, threads, extra);
}

bool Convolution::isPointwise() const {
  auto isOne = [](const ConvolutionAxis &a) {
    return a.filter == 1 && a.stride == 1 && a.padBefore == 0 && a.padAfter == 0;
  };
  return isOne(shape.rows) && isOne(shape.columns);
}

bool Convolution::isAdjoint() const {
  // Windows that are added up are products with few steps along k, of which more is
  // loaded and stored than computed. Fewer channels would not repay the packing, and
  // pairs are packed more slowly.
  constexpr int64_t kLeastChannels = 16, kMostFilters = 48;
  auto isAsLarge = [](const ConvolutionAxis &a) { return a.stride == 1 && a.input == a.output; };
  bool isWidened = shape.lhs != AMPC_DTYPE_BF16 || shape.rhs != AMPC_DTYPE_BF16;
  return shape.kind == AMPC_CONVOLUTION_INPUT_GRADIENT && !isPointwise() && isWidened &&
         isAsLarge(shape.rows) && isAsLarge(shape.columns) && channels >= kLeastChannels &&
         filters <= kMostFilters;
}

Workspace::Requirement Convolution::requirement() const {
  return std::visit([](const auto &p) { return p.requirement(); }, products);
}

void Convolution::run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const {
  auto *data = reinterpret_cast<char *const *>(arguments);
  std::visit([&](const auto &p) { runAs(p, data, workspace, pool); }, products);
}

template <class T>
void Convolution::runAs(const GemmBatch<T> &products, char *const *arguments,
                        const Workspace &workspace, ThreadPool &pool) const {
  products.run(workspace, pool, [&](const auto &task) {
    if (shape.kind == AMPC_CONVOLUTION_FORWARD)
      computeOutput(products.kernels, task, arguments);
    else if (shape.kind == AMPC_CONVOLUTION_INPUT_GRADIENT)
      computeInputGradient(products.kernels, task, arguments);
    else
      computeFilterGradient(products.kernels, task, arguments);
  });
}

/// Of one group and one image or some: filters times windows.
template <class T, class Task>
void Convolution::computeOutput(const GemmKernels<T> &kernels, const Task &task,
                                char *const *arguments) const {
  const ConvolutionShape &s = shape;
  int64_t group = task.index % s.groups;
  int64_t first = task.index / s.groups * imagesAtOnce * s.groups + group; // channels' groups
  DenseOperand<T> filter(kernels, at(arguments[1], s.rhs, group * filters * taps), s.rhs, taps,
                         /*alongK=*/true);
  const char *x = at(arguments[0], s.lhs, first * channels * s.inputPoints());
  const char *bias = s.hasBias ? at(arguments[2], s.bias, group * filters) : nullptr;
  int64_t size = filters * s.outputPoints();
  char *out = at(arguments[s.hasBias ? 3 : 2], s.out, first * size);
  DenseOperand<T> pixels(kernels, x, s.lhs, s.inputPoints(), false);
  int64_t imageStride = s.c * s.inputPoints();
  int64_t inMemory = (imagesAtOnce - 1) * imageStride + channels * s.inputPoints();
  WindowOperand<T> windows(kernels, {x, s.lhs, imageStride, inMemory, rows, columns}, true);
  if (imagesAtOnce == 1 && isPointwise())
    return task.multiply({&filter, &pixels, bias, out});
  if (imagesAtOnce == 1)
    return task.multiply({&filter, &windows, bias, out});
  // Rows of the product are a filter's points of all images.
  T *wide = task.extra;
  task.multiply({&filter, &windows, bias, wide});
  forAll(task.pool, imagesAtOnce, [&](int64_t image) {
    const T *from = wide + image * s.outputPoints();
    char *to = at(out, s.out, image * s.groups * size);
    for (int64_t f = 0; f != filters; ++f, from += imagesAtOnce * s.outputPoints())
      convert(at(to, s.out, f * s.outputPoints()), s.out, from, kDTypeOf<T>, s.outputPoints());
  });
}

/// Adds windows of one channel, [taps][tapStride], to its image. The points are
/// those of the rows [firstRow, endRow).
template <class T>
static void addWindows(const GemmKernels<T> &kernels, const WindowAxis &rows,
                       const WindowAxis &columns, int64_t firstRow, int64_t endRow, const T *ofTap,
                       int64_t tapStride, T *image) {
  for (int64_t r = 0; r != rows.taps; ++r)
    for (int64_t c = 0; c != columns.taps; ++c, ofTap += tapStride) {
      auto [begin, end] = columns.pointsInside(c, 0, columns.points);
      const T *windows = ofTap;
      for (int64_t p = firstRow; p != endRow; ++p, windows += columns.points) {
        if (!rows.isInside(p, r))
          continue;
        T *to = image + rows.element(p, r) * columns.extent + columns.element(begin, c);
        if (columns.stride == 1)
          kernels.add(to, windows + begin, end - begin);
        else
          for (int64_t q = begin; q < end; ++q)
            to[(q - begin) * columns.stride] += windows[q];
      }
    }
}

/// to[c][k][tap] = from[k][c][taps - 1 - tap].
template <class Bits>
static void turnFilters(Bits *to, const Bits *from, int64_t filters, int64_t channels,
                        int64_t taps) {
  for (int64_t k = 0; k != filters; ++k)
    for (int64_t c = 0; c != channels; ++c, from += taps)
      std::reverse_copy(from, from + taps, to + (c * filters + k) * taps);
}

/// Of one image and group: filters turned round times windows of the output's
/// gradient; or, of one image or some, transposed filters times that gradient are
/// windows, whose overlaps add up.
template <class T, class Task>
void Convolution::computeInputGradient(const GemmKernels<T> &kernels, const Task &task,
                                       char *const *arguments) const {
  const ConvolutionShape &s = shape;
  DenseOperand<T> filter(kernels, at(arguments[1], s.rhs, task.index % s.groups * filters * taps),
                         s.rhs, taps, /*alongK=*/false);
  int64_t size = channels * s.inputPoints();
  char *out = at(arguments[2], s.out, task.index * size);
  if (isAdjoint()) {
    const char *from = at(arguments[1], s.rhs, task.index % s.groups * filters * taps);
    void *turned = task.extra;
    auto turn = [&](auto bits) {
      using Bits = decltype(bits);
      turnFilters(static_cast<Bits *>(turned), reinterpret_cast<const Bits *>(from), filters,
                  channels, s.filterPoints());
    };
    if (sizeOf(s.rhs) == sizeof(T))
      turn(T());
    else
      turn(uint16_t());
    DenseOperand<T> left(kernels, turned, s.rhs, filters * s.filterPoints(), /*alongK=*/true);
    WindowOperand<T> windows(kernels,
                             {at(arguments[0], s.lhs, task.index * filters * s.outputPoints()),
                              s.lhs, 0, filters * s.outputPoints(), WindowAxis::adjoint(s.rows),
                              WindowAxis::adjoint(s.columns)},
                             /*sumsTaps=*/true);
    task.multiply({&left, &windows, nullptr, out});
    return;
  }
  // The output's gradient, its points those of one image from one on, or of some
  // images.
  int64_t first = task.index / s.groups * imagesAtOnce * s.groups + task.index % s.groups;
  const char *of = at(arguments[0], s.lhs, first * filters * s.outputPoints());
  out = at(arguments[2], s.out, first * size);
  auto multiply = [&](int64_t point, void *result) {
    DenseOperand<T> gradient(kernels, at(of, s.lhs, point), s.lhs, s.outputPoints(),
                             /*alongK=*/false);
    int64_t imageStride = s.k * s.outputPoints();
    WindowOperand<T> gradients(kernels,
                               {of, s.lhs, imageStride,
                                (imagesAtOnce - 1) * imageStride + filters * s.outputPoints(),
                                WindowAxis::pointwise(s.rows), WindowAxis::pointwise(s.columns)},
                               /*sumsTaps=*/true);
    if (imagesAtOnce == 1)
      task.multiply({&filter, &gradient, nullptr, result});
    else
      task.multiply({&filter, &gradients, nullptr, result});
  };
  if (imagesAtOnce == 1 && isPointwise())
    return multiply(0, out);
  bool isNarrow = s.out != kDTypeOf<T>;
  int64_t points = rowsAtOnce * columns.points, tapStride = imagesAtOnce * points;
  T *windows = task.extra, *narrow = windows + taps * tapStride;
  auto imageOf = [&](int64_t image) {
    return isNarrow ? narrow + image * size : reinterpret_cast<T *>(out) + image * s.groups * size;
  };
  for (int64_t image = 0; image != imagesAtOnce; ++image)
    std::fill_n(imageOf(image), size, T(0));
  for (int64_t row = 0; row != rows.points; row += rowsAtOnce) {
    multiply(row * columns.points, windows);
    forAll(task.pool, channels, [&](int64_t channel) {
      const T *from = windows + channel * s.filterPoints() * tapStride;
      for (int64_t image = 0; image != imagesAtOnce; ++image)
        addWindows(kernels, rows, columns, row, row + rowsAtOnce, from + image * points, tapStride,
                   imageOf(image) + channel * s.inputPoints());
    });
  }
  for (int64_t image = 0; isNarrow && image != imagesAtOnce; ++image)
    convert(at(out, s.out, image * s.groups * size), s.out, imageOf(image), kDTypeOf<T>, size);
}

/// Of one group: the output's gradient times windows, over the points of all
/// images.
template <class T, class Task>
void Convolution::computeFilterGradient(const GemmKernels<T> &kernels, const Task &task,
                                        char *const *arguments) const {
  const ConvolutionShape &s = shape;
  PiecewiseOperand<T> gradient(kernels,
                               at(arguments[0], s.lhs, task.index * filters * s.outputPoints()),
                               s.lhs, s.outputPoints(), s.outputPoints(), s.k * s.outputPoints());
  const char *x = at(arguments[1], s.rhs, task.index * channels * s.inputPoints());
  int64_t imageStride = s.c * s.inputPoints();
  char *out = at(arguments[2], s.out, task.index * filters * taps);
  PiecewiseOperand<T> pixels(kernels, x, s.rhs, s.inputPoints(), s.inputPoints(), imageStride);
  int64_t count = s.n * imageStride - task.index * channels * s.inputPoints();
  WindowOperand<T> windows(kernels, {x, s.rhs, imageStride, count, rows, columns}, false);
  if (isPointwise())
    task.multiply({&gradient, &pixels, nullptr, out});
  else
    task.multiply({&gradient, &windows, nullptr, out});
}

} // namespace ampc
