//===- CudnnConvolution.h - A convolution as cuDNN's graph --- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDNNCONVOLUTION_H
#define AMPC_RUNTIME_CUDA_CUDNNCONVOLUTION_H

#include "Core/ConvolutionShape.h"
#include "Cuda/CudnnPlan.h"

namespace ampc {

/// Why cuDNN does not compute a convolution of these types, or "". Of shapes it takes all.
std::string checkCudnnConvolution(const ConvolutionShape &shape);

/// A plan of the convolution, whose tensors have the numbers 1 (lhs), 2 (rhs), 3 (the bias, where
/// there is one) and, last, the result's; each lies at a multiple of `alignment` bytes. Throws
/// AMPC_STATUS_INCOMPATIBLE, naming `node`, where cuDNN has none.
CudnnPlan planConvolution(const Cudnn &cudnn, const CudnnDevice &device,
                          const ConvolutionShape &shape, int64_t alignment,
                          const std::string &node);

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_CUDNNCONVOLUTION_H
