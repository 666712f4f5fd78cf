//===- DepthwiseConvolution.h - One filter for each channel -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_DEPTHWISECONVOLUTION_H
#define AMPC_RUNTIME_HOST_DEPTHWISECONVOLUTION_H

#include "Core/ConvolutionShape.h"
#include "Host/HostCall.h"
#include "Host/WindowOperand.h"

namespace ampc {

/// A convolution step with as many groups as channels and filters. Its products
/// would be of vectors: rows are added up instead, each times one tap. Sums run
/// in one order, whatever the threads.
class DepthwiseConvolution final : public HostCall {
public:
  DepthwiseConvolution(const ConvolutionShape &shape, int threads);

  static bool applies(const ConvolutionShape &shape) {
    return shape.groups == shape.c && shape.groups == shape.k;
  }

  Workspace::Requirement requirement() const override;
  void run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const override;

private:
  template <class T>
  void runAs(char *const *arguments, const Workspace &workspace, ThreadPool &pool) const;
  template <class T>
  void computeOutput(int64_t plane, char *const *arguments, T *memory) const;
  template <class T>
  void computeInputGradient(int64_t plane, char *const *arguments, T *memory) const;
  template <class T>
  void computeFilterGradient(int64_t channel, char *const *arguments, T *memory) const;

  ConvolutionShape shape;
  int threads;
  WindowAxis rows, columns;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_DEPTHWISECONVOLUTION_H
