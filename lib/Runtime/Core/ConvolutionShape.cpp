//===- ConvolutionShape.cpp - What a convolution step says ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/ConvolutionShape.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/LibraryCall.h"
#include "ampc-numbers/CheckedMath.h"

#include <vector>

namespace ampc {

/// The bytes of a tensor; nullopt where they overflow.
static std::optional<uint64_t> bytesOf(uint32_t dtype, Span<int64_t> dims) {
  std::optional<uint64_t> bytes = sizeOf(dtype);
  for (int64_t dim : dims)
    bytes = bytes ? checkedMul(*bytes, uint64_t(dim)) : bytes;
  return bytes;
}

static ConvolutionAxis readAxis(Span<int64_t> integers, int axis) {
  ConvolutionAxis result;
  result.input = integers[AMPC_CONVOLUTION_H + axis];
  result.filter = integers[AMPC_CONVOLUTION_R + axis];
  result.stride = integers[AMPC_CONVOLUTION_STRIDE + axis];
  result.padBefore = integers[AMPC_CONVOLUTION_PAD + axis];
  result.padAfter = integers[AMPC_CONVOLUTION_PAD + 2 + axis];
  result.dilation = integers[AMPC_CONVOLUTION_DILATION + axis];
  int64_t reach = result.dilation * (result.filter - 1) + 1;
  result.output = (result.input + result.padBefore + result.padAfter - reach) / result.stride + 1;
  return result;
}

/// Whether the numbers make sense, so that nothing computed from them overflows.
static std::string checkIntegers(Span<int64_t> integers) {
  bool hasLayout = integers.size() == AMPC_CONVOLUTION_INTEGER_COUNT + 1;
  if (!hasLayout && integers.size() != AMPC_CONVOLUTION_INTEGER_COUNT)
    return concat(integers.size(), " integers, not ", int(AMPC_CONVOLUTION_INTEGER_COUNT));
  constexpr int64_t kMost = int64_t(1) << 30;
  for (int i = AMPC_CONVOLUTION_N; i <= AMPC_CONVOLUTION_GROUPS; ++i) {
    bool isPad = i >= AMPC_CONVOLUTION_PAD && i < AMPC_CONVOLUTION_PAD + 4;
    if (integers[i] < (isPad ? 0 : 1) || integers[i] > kMost)
      return concat("integer ", i, " is ", integers[i]);
  }
  int64_t kind = integers[AMPC_CONVOLUTION_KIND];
  if (kind < AMPC_CONVOLUTION_FORWARD || kind > AMPC_CONVOLUTION_FILTER_GRADIENT)
    return concat("kind ", kind);
  int64_t hasBias = integers[AMPC_CONVOLUTION_HAS_BIAS];
  int64_t epilogue = integers[AMPC_CONVOLUTION_EPILOGUE];
  if (hasBias < 0 || hasBias > (kind == AMPC_CONVOLUTION_FORWARD))
    return concat("integer ", int(AMPC_CONVOLUTION_HAS_BIAS), " is ", hasBias);
  if (epilogue < AMPC_EPILOGUE_NONE || epilogue > AMPC_EPILOGUE_RELU)
    return concat("epilogue ", epilogue);
  if (hasLayout && integers[AMPC_CONVOLUTION_LAYOUT] != AMPC_LAYOUT_NHWC)
    return concat("layout ", integers[AMPC_CONVOLUTION_LAYOUT]);
  int64_t groups = integers[AMPC_CONVOLUTION_GROUPS];
  if (integers[AMPC_CONVOLUTION_C] % groups || integers[AMPC_CONVOLUTION_K] % groups)
    return concat(groups, " groups of ", integers[AMPC_CONVOLUTION_C], " and ",
                  integers[AMPC_CONVOLUTION_K], " channels");
  for (int axis : {0, 1}) {
    ConvolutionAxis a = readAxis(integers, axis);
    if (a.input + a.padBefore + a.padAfter < a.dilation * (a.filter - 1) + 1)
      return concat("a filter of ", a.filter, ", larger than its input of ", a.input);
  }
  return "";
}

/// The operands' bytes, in the order of the arguments.
static std::vector<std::optional<uint64_t>> operandBytes(const ConvolutionShape &shape,
                                                         Span<ampc_argument_entry_t> arguments) {
  const int64_t input[] = {shape.n, shape.c, shape.rows.input, shape.columns.input};
  const int64_t filter[] = {shape.k, shape.c / shape.groups, shape.rows.filter,
                            shape.columns.filter};
  const int64_t output[] = {shape.n, shape.k, shape.rows.output, shape.columns.output};
  std::vector<const int64_t *> dims;
  if (shape.kind == AMPC_CONVOLUTION_FORWARD)
    dims = {input, filter, output};
  else if (shape.kind == AMPC_CONVOLUTION_INPUT_GRADIENT)
    dims = {output, filter, input};
  else
    dims = {output, input, filter};
  std::vector<std::optional<uint64_t>> bytes;
  for (size_t i = 0; i != 3; ++i) {
    if (i == 2 && shape.hasBias)
      bytes.push_back(bytesOf(shape.bias, {&shape.k, 1}));
    uint32_t dtype = i == 2 ? shape.out : arguments[i].dtype;
    bytes.push_back(bytesOf(dtype, {dims[i], 4}));
  }
  return bytes;
}

std::string checkConvolution(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers) {
  if (std::string problem = checkIntegers(integers); !problem.empty())
    return problem;
  size_t wanted = integers[AMPC_CONVOLUTION_HAS_BIAS] ? 4 : 3;
  if (arguments.size() != wanted)
    return concat(arguments.size(), " arguments, not ", wanted);
  if (std::string problem = checkOperands(arguments); !problem.empty())
    return problem;
  ConvolutionShape shape = readConvolution(arguments, integers);
  std::vector<std::optional<uint64_t>> bytes = operandBytes(shape, arguments);
  for (size_t i = 0; i != arguments.size(); ++i)
    if (!bytes[i] || *bytes[i] > arguments[i].bytes)
      return concat("operand ", i, " has ", arguments[i].bytes, " bytes");
  return "";
}

ConvolutionShape readConvolution(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers) {
  ConvolutionShape shape;
  shape.kind = ampc_convolution_kind_t(integers[AMPC_CONVOLUTION_KIND]);
  shape.n = integers[AMPC_CONVOLUTION_N];
  shape.c = integers[AMPC_CONVOLUTION_C];
  shape.k = integers[AMPC_CONVOLUTION_K];
  shape.groups = integers[AMPC_CONVOLUTION_GROUPS];
  shape.rows = readAxis(integers, 0);
  shape.columns = readAxis(integers, 1);
  shape.hasBias = integers[AMPC_CONVOLUTION_HAS_BIAS];
  shape.relu = integers[AMPC_CONVOLUTION_EPILOGUE] == AMPC_EPILOGUE_RELU;
  shape.channelsLast = integers.size() > AMPC_CONVOLUTION_LAYOUT;
  shape.lhs = arguments[0].dtype;
  shape.rhs = arguments[1].dtype;
  shape.bias = shape.hasBias ? arguments[2].dtype : uint32_t(AMPC_DTYPE_F32);
  shape.out = arguments[arguments.size() - 1].dtype;
  return shape;
}

} // namespace ampc
