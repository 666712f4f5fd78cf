//===- LibraryCall.cpp - The library calls that a program may hold --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/LibraryCall.h"

#include "Core/ConvolutionShape.h"
#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/MatmulShape.h"

namespace ampc {

static constexpr LibraryCall kLibraryCalls[] = {
    {AMPC_LIBRARY_MATMUL, "matmul", checkMatmul},
    {AMPC_LIBRARY_CONVOLUTION, "convolution", checkConvolution},
};

const LibraryCall *findLibraryCall(uint32_t id) {
  for (const LibraryCall &call : kLibraryCalls)
    if (call.id == id)
      return &call;
  return nullptr;
}

static bool overlap(const ampc_argument_entry_t &a, const ampc_argument_entry_t &b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

std::string checkOperands(Span<ampc_argument_entry_t> arguments) {
  const ampc_argument_entry_t &out = arguments[arguments.size() - 1];
  if (!(out.flags & AMPC_ARGUMENT_WRITE))
    return "the result is not written";
  bool isF64 = out.dtype == AMPC_DTYPE_F64;
  for (const ampc_argument_entry_t &argument : arguments) {
    if (argument.flags & ~unsigned(AMPC_ARGUMENT_READ | AMPC_ARGUMENT_WRITE))
      return "takes neither scratch nor reserve";
    if (!isFloat(argument.dtype) || (argument.dtype == AMPC_DTYPE_F64) != isF64)
      return concat("an operand of type ", nameOf(argument.dtype), " beside a result of type ",
                    nameOf(out.dtype));
    if (&argument == &out)
      continue;
    if (!(argument.flags & AMPC_ARGUMENT_READ))
      return "an operand is not read";
    if (overlap(argument, out))
      return "the result overlaps an operand";
  }
  return "";
}

} // namespace ampc
