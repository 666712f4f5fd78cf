//===- Convolution.cpp - The convolution steps of the host target ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/Convolution.h"

#include "Core/DType.h"

namespace ampc {

/// For each point of the output, what the filter lies on in the input.
static WindowAxis forwardAxis(const ConvolutionAxis &a) {
  return {a.output,   a.filter,     a.input,      a.stride,
          a.dilation, -a.padBefore, /*divisor=*/1};
}

/// For each point of the input, the points of the output whose windows it is in.
static WindowAxis backwardAxis(const ConvolutionAxis &a) {
  return {a.input,     a.filter,    a.output, /*pointStep=*/1,
          -a.dilation, a.padBefore, a.stride};
}

static const char *at(const char *data, uint32_t dtype, int64_t index) {
  return data + index * int64_t(sizeOf(dtype));
}

template <class T>
Convolution::Products Convolution::makeProducts(const ConvolutionShape &s,
                                                int threads) {
  int64_t channels = s.c / s.groups, filters = s.k / s.groups;
  typename Gemm<T>::Shape product = {};
  product.biasDType = s.bias;
  product.outDType = s.out;
  product.alpha = 1;
  product.biasOfRows = true;
  product.relu = s.relu;
  int64_t count = s.n * s.groups;
  switch (s.kind) {
  case AMPC_CONVOLUTION_FORWARD:
    product.m = filters;
    product.n = s.outputPoints();
    product.k = channels * s.filterPoints();
    break;
  case AMPC_CONVOLUTION_INPUT_GRADIENT:
    product.m = channels;
    product.n = s.inputPoints();
    product.k = filters * s.filterPoints();
    break;
  case AMPC_CONVOLUTION_FILTER_GRADIENT:
    product.m = filters;
    product.n = channels * s.filterPoints();
    product.k = s.n * s.outputPoints();
    count = s.groups;
    break;
  }
  return GemmBatch<T>(count, product, threads);
}

Convolution::Convolution(const ConvolutionShape &shape, int threads)
    : shape(shape), products(shape.out == AMPC_DTYPE_F64
                                 ? makeProducts<double>(shape, threads)
                                 : makeProducts<float>(shape, threads)) {}

bool Convolution::isPointwise() const {
  auto isOne = [](const ConvolutionAxis &a) {
    return a.filter == 1 && a.stride == 1 && a.padBefore == 0 &&
           a.padAfter == 0;
  };
  return isOne(shape.rows) && isOne(shape.columns);
}

Workspace::Requirement Convolution::requirement() const {
  return std::visit([](const auto &p) { return p.requirement(); }, products);
}

void Convolution::run(void *const *arguments, const Workspace &workspace,
                      ThreadPool &pool) const {
  std::visit([&](const auto &p) { runAs(p, arguments, workspace, pool); },
             products);
}

template <class T>
void Convolution::runAs(const GemmBatch<T> &products, void *const *arguments,
                        const Workspace &workspace, ThreadPool &pool) const {
  const ConvolutionShape &s = shape;
  const GemmKernels<T> &kernels = GemmBatch<T>::kernels();
  char *const *data = reinterpret_cast<char *const *>(arguments);
  int64_t inputPoints = s.inputPoints(), outputPoints = s.outputPoints();
  int64_t taps = s.filterPoints(), isOne = isPointwise();
  int64_t channels = s.c / s.groups, filters = s.k / s.groups;
  WindowAxis rows = forwardAxis(s.rows), columns = forwardAxis(s.columns);

  switch (s.kind) {
  case AMPC_CONVOLUTION_FORWARD:
    products.run(workspace, pool, [&](int64_t i, auto multiply) {
      int64_t group = i % s.groups;
      DenseOperand<T> filter(
          kernels, at(data[1], s.rhs, group * filters * channels * taps), s.rhs,
          channels * taps, /*alongK=*/true);
      const char *x = at(data[0], s.lhs, i * channels * inputPoints);
      const char *bias =
          s.hasBias ? at(data[2], s.bias, group * filters) : nullptr;
      char *out = data[s.hasBias ? 3 : 2] +
                  i * filters * outputPoints * int64_t(sizeOf(s.out));
      DenseOperand<T> pixels(kernels, x, s.lhs, inputPoints, false);
      WindowOperand<T> windows(kernels, {x, s.lhs, 0, rows, columns}, true);
      if (isOne)
        multiply(GemmOperands<T>{&filter, &pixels, bias, out});
      else
        multiply(GemmOperands<T>{&filter, &windows, bias, out});
    });
    break;

  case AMPC_CONVOLUTION_INPUT_GRADIENT:
    rows = backwardAxis(s.rows);
    columns = backwardAxis(s.columns);
    products.run(workspace, pool, [&](int64_t i, auto multiply) {
      // Channels by (filter, tap).
      PiecewiseOperand<T> filter(
          kernels,
          at(data[1], s.rhs, i % s.groups * filters * channels * taps), s.rhs,
          taps, taps, channels * taps);
      const char *dy = at(data[0], s.lhs, i * filters * outputPoints);
      char *out =
          data[2] + i * channels * inputPoints * int64_t(sizeOf(s.out));
      DenseOperand<T> pixels(kernels, dy, s.lhs, outputPoints, false);
      WindowOperand<T> windows(kernels, {dy, s.lhs, 0, rows, columns}, true);
      if (isOne)
        multiply(GemmOperands<T>{&filter, &pixels, nullptr, out});
      else
        multiply(GemmOperands<T>{&filter, &windows, nullptr, out});
    });
    break;

  case AMPC_CONVOLUTION_FILTER_GRADIENT:
    products.run(workspace, pool, [&](int64_t group, auto multiply) {
      // Sums over the points of all images.
      PiecewiseOperand<T> dy(
          kernels, at(data[0], s.lhs, group * filters * outputPoints), s.lhs,
          outputPoints, outputPoints, s.k * outputPoints);
      const char *x = at(data[1], s.rhs, group * channels * inputPoints);
      int64_t imageStride = s.c * inputPoints;
      char *out =
          data[2] + group * filters * channels * taps * int64_t(sizeOf(s.out));
      PiecewiseOperand<T> pixels(kernels, x, s.rhs, inputPoints, inputPoints,
                                 imageStride);
      WindowOperand<T> windows(kernels, {x, s.rhs, imageStride, rows, columns},
                               false);
      if (isOne)
        multiply(GemmOperands<T>{&dy, &pixels, nullptr, out});
      else
        multiply(GemmOperands<T>{&dy, &windows, nullptr, out});
    });
    break;
  }
}

} // namespace ampc
