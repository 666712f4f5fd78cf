//===- MatmulShapeTest.cpp - Which sums a product may give ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/MatmulShape.h"
#include "TableWriter.h"

#include <gtest/gtest.h>

using namespace ampc;
using namespace ampc::test;

namespace {

/// A product [2, 4] x [4, 3] of f16 into f32, with sums.
struct Call {
  std::vector<int64_t> integers;
  std::vector<ampc_argument_entry_t> arguments;

  explicit Call(ampc_matmul_sums_t sums)
      : integers{1, 2, 3, 4, 0, 0, 0, 0, 0, AMPC_EPILOGUE_NONE, 0x3ff0000000000000, sums},
        arguments{argumentAt(0, 16, AMPC_DTYPE_F16, AMPC_ARGUMENT_READ),
                  argumentAt(64, 24, AMPC_DTYPE_F16, AMPC_ARGUMENT_READ),
                  argumentAt(128, 24, AMPC_DTYPE_F32, AMPC_ARGUMENT_WRITE),
                  argumentAt(192, sums == AMPC_MATMUL_SUMS_LHS ? 8 : 12, AMPC_DTYPE_F32,
                             AMPC_ARGUMENT_WRITE)} {}

  std::string check() const {
    return checkMatmul({arguments.data(), arguments.size()}, {integers.data(), integers.size()});
  }
};

} // namespace

TEST(MatmulShape, SumsOfAnOperand) {
  for (ampc_matmul_sums_t sums : {AMPC_MATMUL_SUMS_LHS, AMPC_MATMUL_SUMS_RHS}) {
    Call call(sums);
    EXPECT_EQ(call.check(), "");
    MatmulShape shape = readMatmul({call.arguments.data(), call.arguments.size()},
                                   {call.integers.data(), call.integers.size()});
    EXPECT_EQ(shape.sums, sums);
    EXPECT_EQ(shape.out, uint32_t(AMPC_DTYPE_F32));
  }
}

TEST(MatmulShape, SumsThatAreWrong) {
  auto expect = [](const char *text, void (*change)(Call &)) {
    Call call(AMPC_MATMUL_SUMS_RHS);
    change(call);
    EXPECT_NE(call.check().find(text), std::string::npos) << text << " is not: " << call.check();
  };
  expect("sums of operand 0", [](Call &c) { c.integers[AMPC_MATMUL_SUMS] = 0; });
  expect("sums of operand 3", [](Call &c) { c.integers[AMPC_MATMUL_SUMS] = 3; });
  expect("beside a batch", [](Call &c) { c.integers[AMPC_MATMUL_BATCH] = 2; });
  expect("beside a batch", [](Call &c) { c.integers[AMPC_MATMUL_HAS_BIAS] = 1; });
  expect("beside a batch", [](Call &c) { c.integers[AMPC_MATMUL_EPILOGUE] = AMPC_EPILOGUE_RELU; });
  expect("a dimension of 0", [](Call &c) { c.integers[AMPC_MATMUL_M] = 0; });
  expect("a dimension of 0", [](Call &c) { c.integers[AMPC_MATMUL_K] = 0; });
  expect("arguments, not 4", [](Call &c) { c.arguments.pop_back(); });
  expect("integers, not 11", [](Call &c) { c.integers.push_back(0); });
  expect("another type", [](Call &c) { c.arguments[3].dtype = AMPC_DTYPE_F16; });
  expect("too small", [](Call &c) { c.arguments[3].bytes -= 4; });
  expect("not written", [](Call &c) { c.arguments[3].flags = AMPC_ARGUMENT_READ; });
  expect("not written", [](Call &c) { c.arguments[2].flags = AMPC_ARGUMENT_READ; });
  expect("overlaps", [](Call &c) { c.arguments[3].offset = c.arguments[2].offset; });
  expect("overlaps", [](Call &c) { c.arguments[3].offset = c.arguments[0].offset; });
}
