//===- CudaCall.cpp - A library call on a GPU ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaCall.h"

#include "Core/Error.h"

namespace ampc {

/// X(call, maker): each call, and the function of a file of its own that makes it.
#define AMPC_CUDA_CALLS(X)                                                                         \
  X(AMPC_LIBRARY_MATMUL, makeCudaMatmul)                                                           \
  X(AMPC_LIBRARY_CONVOLUTION, makeCudaConvolution)

/// Makes the call of a step with these arguments and integers; null where it has nothing to write.
using Maker = std::unique_ptr<CudaCall>(Span<ampc_argument_entry_t> arguments,
                                        Span<int64_t> integers);
#define AMPC_DECLARE_MAKER(call, maker) Maker maker;
AMPC_CUDA_CALLS(AMPC_DECLARE_MAKER)
#undef AMPC_DECLARE_MAKER

namespace {
struct Row {
  ampc_library_t call;
  Maker *make;
};
} // namespace

static constexpr Row kCalls[] = {
#define AMPC_CALL_ROW(call, maker) {call, maker},
    AMPC_CUDA_CALLS(AMPC_CALL_ROW)
#undef AMPC_CALL_ROW
};

std::unique_ptr<CudaCall> makeCudaCall(const Tables &tables, const ampc_step_entry_t &step) {
  for (const Row &row : kCalls)
    if (row.call == step.index)
      return row.make(tables.argumentsOf(step), tables.integersOf(step));
  throw Error(AMPC_STATUS_INTERNAL, concat("no library call ", step.index, " on CUDA devices"),
              tables.string(step.name));
}

} // namespace ampc
