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

#include <algorithm>

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

std::string checkOperands(Span<ampc_argument_entry_t> arguments, size_t results) {
  size_t firstResult = arguments.size() - results;
  const ampc_argument_entry_t &out = arguments[firstResult];
  bool isF64 = out.dtype == AMPC_DTYPE_F64;
  for (size_t i = 0; i != arguments.size(); ++i) {
    const ampc_argument_entry_t &argument = arguments[i];
    if (argument.flags & ~unsigned(AMPC_ARGUMENT_READ | AMPC_ARGUMENT_WRITE))
      return "takes neither scratch nor reserve";
    if (!isFloat(argument.dtype) || (argument.dtype == AMPC_DTYPE_F64) != isF64)
      return concat("an operand of type ", nameOf(argument.dtype), " beside a result of type ",
                    nameOf(out.dtype));
    if (i < firstResult && !(argument.flags & AMPC_ARGUMENT_READ))
      return "an operand is not read";
    if (i >= firstResult && !(argument.flags & AMPC_ARGUMENT_WRITE))
      return "the result is not written";
    for (size_t j = std::max(i + 1, firstResult); j < arguments.size(); ++j)
      if (overlap(argument, arguments[j]))
        return "the result overlaps an operand";
  }
  return "";
}

} // namespace ampc
