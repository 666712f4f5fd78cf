//===- HostCall.cpp - A library call on the CPU ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/HostCall.h"

#include "Core/Error.h"
#include "Host/ChannelsLastConvolution.h"
#include "Host/Convolution.h"
#include "Host/DepthwiseConvolution.h"
#include "Host/Matmul.h"

namespace ampc {

static std::unique_ptr<HostCall> makeConvolution(ConvolutionShape shape, int threads) {
  if (shape.channelsLast) {
    shape.channelsLast = false;
    return std::make_unique<ChannelsLastConvolution>(shape, makeConvolution(shape, threads));
  }
  if (DepthwiseConvolution::applies(shape))
    return std::make_unique<DepthwiseConvolution>(shape, threads);
  return std::make_unique<Convolution>(shape, threads);
}

std::unique_ptr<HostCall> makeHostCall(const Tables &tables, const ampc_step_entry_t &step,
                                       int threads) {
  Span<ampc_argument_entry_t> arguments = tables.argumentsOf(step);
  Span<int64_t> integers = tables.integersOf(step);
  switch (step.index) {
  case AMPC_LIBRARY_MATMUL: {
    MatmulShape shape = readMatmul(arguments, integers);
    if (shape.sums)
      throw Error(AMPC_STATUS_INCOMPATIBLE, "a product on the CPU gives no sums of its operands",
                  tables.string(step.name));
    return std::make_unique<Matmul>(shape, threads);
  }
  case AMPC_LIBRARY_CONVOLUTION:
    return makeConvolution(readConvolution(arguments, integers), threads);
  }
  throw Error(AMPC_STATUS_INTERNAL, concat("no library call ", step.index, " on the CPU"),
              tables.string(step.name));
}

} // namespace ampc
