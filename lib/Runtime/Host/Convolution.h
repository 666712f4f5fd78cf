//===- Convolution.h - The convolution steps of the host target -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_CONVOLUTION_H
#define AMPC_RUNTIME_HOST_CONVOLUTION_H

#include "Core/ConvolutionShape.h"
#include "Host/GemmBatch.h"
#include "Host/HostCall.h"
#include "Host/WindowOperand.h"

#include <variant>

namespace ampc {

/// One convolution step, as matrix products with windows of the images. Forward
/// there is one for each group and image, or some small images; the input's
/// gradient is one too, of windows of the output's gradient, or makes windows of
/// some rows of points, or small images, at a time, and adds them up; the filter's gradient sums
/// over all images at once. Sums run in one order, whatever the threads.
class Convolution final : public HostCall {
public:
  Convolution(const ConvolutionShape &shape, int threads);

  Workspace::Requirement requirement() const override;
  void run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const override;

private:
  using Products = std::variant<GemmBatch<float>, GemmBatch<double>>;
  template <class T>
  Products makeProducts(int threads) const;
  template <class T>
  void runAs(const GemmBatch<T> &products, char *const *arguments, const Workspace &workspace,
             ThreadPool &pool) const;
  template <class T, class Task>
  void computeOutput(const GemmKernels<T> &kernels, const Task &task, char *const *arguments) const;
  template <class T, class Task>
  void computeInputGradient(const GemmKernels<T> &kernels, const Task &task,
                            char *const *arguments) const;
  template <class T, class Task>
  void computeFilterGradient(const GemmKernels<T> &kernels, const Task &task,
                             char *const *arguments) const;

  /// Whether each window is a single element, so that the images themselves are
  /// the matrix.
  bool isPointwise() const;

  /// Whether the input's gradient is a product with windows of the output's: that
  /// has the products with zeros of the borders alone, if images are as large.
  bool isAdjoint() const;

  ConvolutionShape shape;
  int64_t channels, filters; ///< of a group
  int64_t taps;              ///< of a filter, over all channels of its group
  WindowAxis rows, columns;
  int64_t imagesAtOnce; ///< whose points are the columns of one product
  int64_t rowsAtOnce;   ///< of points, whose windows the input's gradient makes
  Products products;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_CONVOLUTION_H
