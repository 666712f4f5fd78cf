//===- CudaCall.cpp - A library call on a GPU ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaCall.h"

#include "Core/Error.h"
#include "Cuda/CudaMatmul.h"

namespace ampc {

namespace {
struct Maker {
  ampc_library_t call;
  std::unique_ptr<CudaCall> (*make)(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers);
};
} // namespace

static constexpr Maker kMakers[] = {
    {AMPC_LIBRARY_MATMUL, CudaMatmul::make},
};

std::unique_ptr<CudaCall> makeCudaCall(const Tables &tables, const ampc_step_entry_t &step) {
  for (const Maker &maker : kMakers)
    if (maker.call == step.index)
      return maker.make(tables.argumentsOf(step), tables.integersOf(step));
  throw Error(AMPC_STATUS_INTERNAL, concat("no library call ", step.index, " on CUDA devices"),
              tables.string(step.name));
}

} // namespace ampc
