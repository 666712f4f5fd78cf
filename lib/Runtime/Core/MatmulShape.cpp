//===- MatmulShape.cpp - What a matmul step says of its operands ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/MatmulShape.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/LibraryCall.h"
#include "ampc-numbers/CheckedMath.h"

#include <cmath>
#include <cstring>

namespace ampc {

/// The elements that `batch` matrices of `rows` x `columns` reach over.
static std::optional<uint64_t> reach(uint64_t batch, uint64_t stride, uint64_t rows,
                                     uint64_t columns) {
  std::optional<uint64_t> matrix = checkedMul(rows, columns);
  if (!matrix || batch == 0)
    return matrix ? std::optional<uint64_t>(0) : matrix;
  std::optional<uint64_t> before = checkedMul(batch - 1, stride);
  return before ? checkedAdd(*before, *matrix) : before;
}

std::string checkMatmul(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers) {
  bool hasSums = integers.size() == AMPC_MATMUL_SUMS + 1;
  if (integers.size() != AMPC_MATMUL_INTEGER_COUNT && !hasSums)
    return concat(integers.size(), " integers, not ", int(AMPC_MATMUL_INTEGER_COUNT));
  for (int i = AMPC_MATMUL_BATCH; i <= AMPC_MATMUL_K; ++i)
    if (integers[i] < 0)
      return concat("a dimension is ", integers[i]);
  for (int i : {AMPC_MATMUL_TRANSPOSE_LHS, AMPC_MATMUL_TRANSPOSE_RHS, AMPC_MATMUL_HAS_BIAS})
    if (integers[i] < 0 || integers[i] > 1)
      return concat("integer ", i, " is ", integers[i], ", not 0 or 1");
  for (int i : {AMPC_MATMUL_LHS_STRIDE, AMPC_MATMUL_RHS_STRIDE})
    if (integers[i] < 0)
      return concat("a batch stride is ", integers[i]);
  if (integers[AMPC_MATMUL_EPILOGUE] < AMPC_EPILOGUE_NONE ||
      integers[AMPC_MATMUL_EPILOGUE] > AMPC_EPILOGUE_RELU)
    return concat("epilogue ", integers[AMPC_MATMUL_EPILOGUE]);
  if (hasSums && integers[AMPC_MATMUL_SUMS] != AMPC_MATMUL_SUMS_LHS &&
      integers[AMPC_MATMUL_SUMS] != AMPC_MATMUL_SUMS_RHS)
    return concat("sums of operand ", integers[AMPC_MATMUL_SUMS]);
  if (hasSums && (integers[AMPC_MATMUL_BATCH] != 1 || integers[AMPC_MATMUL_HAS_BIAS] ||
                  integers[AMPC_MATMUL_EPILOGUE]))
    return "sums beside a batch, a bias or an epilogue";
  for (int i : {AMPC_MATMUL_M, AMPC_MATMUL_N, AMPC_MATMUL_K})
    if (hasSums && integers[i] == 0)
      return "sums beside a dimension of 0";

  size_t wanted = (integers[AMPC_MATMUL_HAS_BIAS] ? 4 : 3) + hasSums;
  if (arguments.size() != wanted)
    return concat(arguments.size(), " arguments, not ", wanted);
  if (std::string problem = checkOperands(arguments, 1 + hasSums); !problem.empty())
    return problem;
  const ampc_argument_entry_t &out = arguments[arguments.size() - 1 - hasSums];
  if (hasSums && arguments[arguments.size() - 1].dtype != out.dtype)
    return "sums of another type than the result";

  MatmulShape shape = readMatmul(arguments, integers);
  if (!std::isfinite(shape.alpha))
    return concat("alpha is ", shape.alpha);
  auto holds = [](const ampc_argument_entry_t &argument, std::optional<uint64_t> count) {
    std::optional<uint64_t> bytes = count ? checkedMul(*count, sizeOf(argument.dtype)) : count;
    return bytes && *bytes <= argument.bytes;
  };
  // A stride between 0 and a matrix would make the result depend on nothing
  // sensible, but reads stay inside: only the ends count here.
  if (!holds(arguments[0], reach(shape.batch, shape.lhsStride, shape.m, shape.k)) ||
      !holds(arguments[1], reach(shape.batch, shape.rhsStride, shape.k, shape.n)) ||
      (shape.hasBias && !holds(arguments[2], uint64_t(shape.n))) ||
      !holds(out, reach(shape.batch, checkedMul(shape.m, shape.n).value_or(UINT64_MAX), shape.m,
                        shape.n)) ||
      (hasSums && !holds(arguments[arguments.size() - 1],
                         uint64_t(shape.sums == AMPC_MATMUL_SUMS_LHS ? shape.m : shape.n))))
    return concat("an operand is too small for ", shape.batch, " x ", shape.m, " x ", shape.n,
                  " x ", shape.k);
  return "";
}

MatmulShape readMatmul(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers) {
  MatmulShape shape;
  shape.batch = integers[AMPC_MATMUL_BATCH];
  shape.m = integers[AMPC_MATMUL_M];
  shape.n = integers[AMPC_MATMUL_N];
  shape.k = integers[AMPC_MATMUL_K];
  shape.transposeLhs = integers[AMPC_MATMUL_TRANSPOSE_LHS];
  shape.transposeRhs = integers[AMPC_MATMUL_TRANSPOSE_RHS];
  shape.lhsStride = integers[AMPC_MATMUL_LHS_STRIDE];
  shape.rhsStride = integers[AMPC_MATMUL_RHS_STRIDE];
  shape.hasBias = integers[AMPC_MATMUL_HAS_BIAS];
  shape.relu = integers[AMPC_MATMUL_EPILOGUE] == AMPC_EPILOGUE_RELU;
  shape.sums = integers.size() > AMPC_MATMUL_SUMS ? ampc_matmul_sums_t(integers[AMPC_MATMUL_SUMS])
                                                  : AMPC_MATMUL_SUMS_NONE;
  std::memcpy(&shape.alpha, &integers[AMPC_MATMUL_ALPHA], sizeof(double));
  shape.lhs = arguments[0].dtype;
  shape.rhs = arguments[1].dtype;
  shape.bias = shape.hasBias ? arguments[2].dtype : uint32_t(AMPC_DTYPE_F32);
  shape.out = arguments[shape.hasBias ? 3 : 2].dtype;
  return shape;
}

MatmulShape mergeBatch(MatmulShape shape) {
  if (shape.batch > 1 && shape.rhsStride == 0 && !shape.transposeLhs &&
      shape.lhsStride == shape.m * shape.k) {
    shape.m *= shape.batch;
    shape.batch = 1;
  }
  return shape;
}

} // namespace ampc
