//===- DepthwiseConvolution.cpp - One filter for each channel -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/DepthwiseConvolution.h"

#include "Core/Convert.h"
#include "Core/DType.h"

#include <algorithm>

namespace ampc {

DepthwiseConvolution::DepthwiseConvolution(const ConvolutionShape &shape, int threads)
    : shape(shape), threads(threads), rows(shape.rows), columns(shape.columns) {}

/// Elements of the two planes and the taps that a task holds in the type of the
/// sums.
static int64_t taskElements(const ConvolutionShape &s) {
  return s.inputPoints() + s.outputPoints() + s.filterPoints();
}

Workspace::Requirement DepthwiseConvolution::requirement() const {
  uint64_t size = shape.out == AMPC_DTYPE_F64 ? sizeof(double) : sizeof(float);
  return {0, taskElements(shape) * size, threads};
}

void DepthwiseConvolution::run(void *const *arguments, const Workspace &workspace,
                               ThreadPool &pool) const {
  auto *data = reinterpret_cast<char *const *>(arguments);
  if (shape.out == AMPC_DTYPE_F64)
    runAs<double>(data, workspace, pool);
  else
    runAs<float>(data, workspace, pool);
}

template <class T>
void DepthwiseConvolution::runAs(char *const *arguments, const Workspace &workspace,
                                 ThreadPool &pool) const {
  // The filter's gradient sums over the images, in their order.
  bool isFilterGradient = shape.kind == AMPC_CONVOLUTION_FILTER_GRADIENT;
  int64_t tasks = isFilterGradient ? shape.c : shape.n * shape.c;
  // Enough for each thread to wake another.
  constexpr int64_t kWorthwhile = 1 << 18;
  int64_t work = shape.n * shape.c * shape.outputPoints() * shape.filterPoints();
  int64_t chunks = work < kWorthwhile ? 1 : std::min<int64_t>(tasks, 4 * threads);
  pool.run(chunks, /*wake=*/chunks > 1, [&](int64_t chunk, int thread) {
    T *memory = static_cast<T *>(workspace.thread(thread));
    int64_t end = tasks * (chunk + 1) / chunks;
    for (int64_t i = tasks * chunk / chunks; i < end; ++i) {
      if (shape.kind == AMPC_CONVOLUTION_FORWARD)
        computeOutput<T>(i, arguments, memory);
      else if (isFilterGradient)
        computeFilterGradient<T>(i, arguments, memory);
      else
        computeInputGradient<T>(i, arguments, memory);
    }
  });
}

/// `count` elements from number `first` on, in the type of the sums: where they
/// lie, or in `memory`.
template <class T>
static const T *widened(const char *data, uint32_t dtype, int64_t first, int64_t count, T *memory) {
  const char *from = data + first * int64_t(sizeOf(dtype));
  if (dtype == kDTypeOf<T>)
    return reinterpret_cast<const T *>(from);
  convert(memory, kDTypeOf<T>, from, dtype, count);
  return memory;
}

/// Calls `fn(output, input, count, tap)` for each tap and each row of points that
/// meets the image there: places in the planes, and the tap's number.
template <class Fn>
static void forEachRow(const WindowAxis &rows, const WindowAxis &columns, Fn fn) {
  for (int64_t r = 0; r != rows.taps; ++r) {
    WindowAxis::Range lines = rows.pointsInside(r, 0, rows.points);
    for (int64_t c = 0; c != columns.taps; ++c) {
      auto [begin, end] = columns.pointsInside(c, 0, columns.points);
      for (int64_t p = lines.begin; begin < end && p < lines.end; ++p)
        fn(p * columns.points + begin,
           rows.element(p, r) * columns.extent + columns.element(begin, c), end - begin,
           r * columns.taps + c);
    }
  }
}

/// to[i * toStride] += factor * from[i * fromStride], for i below `count`.
template <class T>
static void addRow(T *to, int64_t toStride, const T *from, int64_t fromStride, T factor,
                   int64_t count) {
  if (toStride == 1 && fromStride == 1) // vectors
    for (int64_t i = 0; i != count; ++i)
      to[i] += factor * from[i];
  else
    for (int64_t i = 0; i != count; ++i)
      to[i * toStride] += factor * from[i * fromStride];
}

template <class T>
void DepthwiseConvolution::computeOutput(int64_t plane, char *const *arguments, T *memory) const {
  const ConvolutionShape &s = shape;
  int64_t channel = plane % s.c, points = s.outputPoints();
  T *out = memory, *narrow = memory + points;
  const T *x = widened(arguments[0], s.lhs, plane * s.inputPoints(), s.inputPoints(), narrow);
  const T *filter = widened(arguments[1], s.rhs, channel * s.filterPoints(), s.filterPoints(),
                            narrow + s.inputPoints());
  std::fill_n(out, points, T(0));
  forEachRow(rows, columns, [&](int64_t point, int64_t element, int64_t count, int64_t tap) {
    addRow(out + point, 1, x + element, columns.stride, filter[tap], count);
  });
  if (s.hasBias) {
    T bias;
    convert(&bias, kDTypeOf<T>, arguments[2] + channel * int64_t(sizeOf(s.bias)), s.bias, 1);
    for (int64_t i = 0; i != points; ++i)
      out[i] += bias;
  }
  if (s.relu)
    for (int64_t i = 0; i != points; ++i)
      out[i] = out[i] < 0 ? T(0) : out[i]; // false for NaN, which stays
  convert(arguments[s.hasBias ? 3 : 2] + plane * points * int64_t(sizeOf(s.out)), s.out, out,
          kDTypeOf<T>, points);
}

template <class T>
void DepthwiseConvolution::computeInputGradient(int64_t plane, char *const *arguments,
                                                T *memory) const {
  const ConvolutionShape &s = shape;
  int64_t points = s.inputPoints();
  T *out = memory, *narrow = memory + points;
  const T *gradient =
      widened(arguments[0], s.lhs, plane * s.outputPoints(), s.outputPoints(), narrow);
  const T *filter = widened(arguments[1], s.rhs, plane % s.c * s.filterPoints(), s.filterPoints(),
                            narrow + s.outputPoints());
  std::fill_n(out, points, T(0));
  forEachRow(rows, columns, [&](int64_t point, int64_t element, int64_t count, int64_t tap) {
    addRow(out + element, columns.stride, gradient + point, 1, filter[tap], count);
  });
  convert(arguments[2] + plane * points * int64_t(sizeOf(s.out)), s.out, out, kDTypeOf<T>, points);
}

/// The sum of products of two rows, in an order of its own that vectors have.
template <class T>
static T dot(const T *x, const T *y, int64_t stride, int64_t count) {
  constexpr int64_t kLanes = 8;
  T sums[kLanes] = {};
  int64_t i = 0;
  if (stride == 1)
    for (; i + kLanes <= count; i += kLanes)
      for (int64_t lane = 0; lane != kLanes; ++lane)
        sums[lane] += x[i + lane] * y[i + lane];
  T rest = 0;
  for (; i < count; ++i)
    rest += x[i] * y[i * stride];
  for (T sum : sums)
    rest += sum;
  return rest;
}

template <class T>
void DepthwiseConvolution::computeFilterGradient(int64_t channel, char *const *arguments,
                                                 T *memory) const {
  const ConvolutionShape &s = shape;
  T *sums = memory, *narrow = memory + s.filterPoints();
  std::fill_n(sums, s.filterPoints(), T(0));
  for (int64_t image = 0; image != s.n; ++image) {
    int64_t plane = image * s.c + channel;
    const T *gradient =
        widened(arguments[0], s.lhs, plane * s.outputPoints(), s.outputPoints(), narrow);
    const T *x = widened(arguments[1], s.rhs, plane * s.inputPoints(), s.inputPoints(),
                         narrow + s.outputPoints());
    forEachRow(rows, columns, [&](int64_t point, int64_t element, int64_t count, int64_t tap) {
      sums[tap] += dot(gradient + point, x + element, columns.stride, count);
    });
  }
  convert(arguments[2] + channel * s.filterPoints() * int64_t(sizeOf(s.out)), s.out, sums,
          kDTypeOf<T>, s.filterPoints());
}

} // namespace ampc
