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

/// One convolution step, as matrix products with windows of the images: one for
/// each image and group, but for the filter's gradient, whose products sum over
/// all images. Sums run in one order, whatever the threads.
class Convolution final : public HostCall {
public:
  Convolution(const ConvolutionShape &shape, int threads);

  Workspace::Requirement requirement() const override;
  void run(void *const *arguments, const Workspace &workspace,
           ThreadPool &pool) const override;

private:
  using Products = std::variant<GemmBatch<float>, GemmBatch<double>>;
  template <class T>
  static Products makeProducts(const ConvolutionShape &shape, int threads);
  template <class T>
  void runAs(const GemmBatch<T> &products, void *const *arguments,
             const Workspace &workspace, ThreadPool &pool) const;

  /// Whether each window is a single element, so that the images themselves are
  /// the matrix.
  bool isPointwise() const;

  ConvolutionShape shape;
  Products products;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_CONVOLUTION_H
