//===- MatmulTest.cpp - Products against sums in f64 ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include <cmath>
#include <limits>

using namespace ampc;

namespace {

/// The result with one thread, after comparing it with that of two and three.
Elements checkAllThreads(const MatmulShape &shape) {
  SCOPED_TRACE(describe(shape));
  Product product(shape);
  Elements out = product.run(1);
  product.check(out);
  for (int threads : {2, 3})
    EXPECT_EQ(product.run(threads).bytes, out.bytes) << threads << " threads";
  return out;
}

} // namespace

// Every edge of the tiles: sizes around the strips' widths and heights.
TEST(Matmul, MatchesSumsInF64AtOddSizes) {
  for (int64_t m : {1, 5, 12, 13, 31})
    for (int64_t n : {1, 7, 16, 17, 32, 45})
      for (int64_t k : {1, 3, 8, 61})
        for (int transposes = 0; transposes != 4; ++transposes) {
          MatmulShape shape = makeShape(1, m, n, k);
          shape.transposeLhs = transposes & 1;
          shape.transposeRhs = transposes & 2;
          SCOPED_TRACE(describe(shape));
          Product product(shape, m * 100 + n);
          product.check(product.run(1));
        }
}

TEST(Matmul, MatchesInEveryType) {
  constexpr uint32_t kLow[] = {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16};
  for (uint32_t lhs : kLow)
    for (uint32_t rhs : kLow)
      for (uint32_t out : kLow)
        for (int options = 0; options != 16; ++options) {
          MatmulShape shape = makeShape(1, 19, 37, 23);
          shape.lhs = lhs;
          shape.rhs = rhs;
          shape.out = out;
          shape.transposeLhs = options & 1;
          shape.transposeRhs = options & 2;
          shape.hasBias = options & 4;
          shape.bias = options & 1 ? out : uint32_t(AMPC_DTYPE_F32);
          shape.relu = options & 8;
          shape.alpha = options & 4 ? -0.375 : 1;
          SCOPED_TRACE(describe(shape));
          Product product(shape, options);
          product.check(product.run(1));
        }
  MatmulShape shape = makeShape(1, 19, 37, 23);
  shape.lhs = shape.rhs = shape.bias = shape.out = AMPC_DTYPE_F64;
  for (int options = 0; options != 16; ++options) {
    shape.transposeLhs = options & 1;
    shape.transposeRhs = options & 2;
    shape.hasBias = options & 4;
    shape.relu = options & 8;
    shape.alpha = 1.0 / 3;
    checkAllThreads(shape);
  }
}

// More than one block of k, of columns and of rows, by every way to split.
TEST(Matmul, GivesTheSameBitsForAnyThreads) {
  for (int options = 0; options != 4; ++options) {
    MatmulShape shape = makeShape(1, 203, 301, 611);
    shape.transposeLhs = options & 1;
    shape.transposeRhs = options & 2;
    shape.hasBias = shape.relu = true;
    checkAllThreads(shape);
    shape.lhs = AMPC_DTYPE_F16;
    shape.out = AMPC_DTYPE_BF16;
    checkAllThreads(shape);
  }
  for (int options = 0; options != 4; ++options) {
    MatmulShape shape = makeShape(1, 203, 301, 611);
    shape.lhs = shape.rhs = shape.out = AMPC_DTYPE_BF16;
    shape.transposeLhs = options & 1;
    shape.transposeRhs = options & 2;
    checkAllThreads(shape);
  }
  MatmulShape wide = makeShape(1, 3, 5000, 130);
  checkAllThreads(wide);
  MatmulShape panels = makeShape(1, 40, 5000, 1100); // several of columns, each in parts
  panels.hasBias = true;
  checkAllThreads(panels);
  panels.lhs = panels.rhs = AMPC_DTYPE_BF16;
  checkAllThreads(panels);
  MatmulShape tall = makeShape(1, 5000, 3, 130);
  checkAllThreads(tall);
  MatmulShape deep = makeShape(1, 26, 35, 20000); // several panels of k
  deep.hasBias = true;
  deep.transposeLhs = true;
  checkAllThreads(deep);
  deep.lhs = deep.rhs = AMPC_DTYPE_BF16;
  checkAllThreads(deep);
  deep.lhs = deep.rhs = deep.bias = deep.out = AMPC_DTYPE_F64;
  checkAllThreads(deep);
}

TEST(Matmul, HandlesBatches) {
  for (int options = 0; options != 4; ++options) {
    MatmulShape shape = makeShape(7, 33, 21, 17);
    shape.transposeLhs = options & 1;
    shape.transposeRhs = options & 2;
    checkAllThreads(shape);
    MatmulShape many = makeShape(40, 60, 50, 64); // whole products a thread
    many.transposeLhs = options & 1;
    many.transposeRhs = options & 2;
    many.hasBias = true;
    checkAllThreads(many);
    MatmulShape sharedRight = shape;
    sharedRight.rhsStride = 0;
    checkAllThreads(sharedRight);
    MatmulShape sharedLeft = shape;
    sharedLeft.lhsStride = 0;
    checkAllThreads(sharedLeft);
    MatmulShape apart = shape; // with gaps between the matrices
    apart.lhsStride += 5;
    apart.rhsStride += 11;
    checkAllThreads(apart);
    MatmulShape few = makeShape(3, 120, 120, 130); // parts of each product
    checkAllThreads(few);
  }
}

TEST(Matmul, HandlesNoElements) {
  for (int64_t batch : {0, 1, 2})
    for (int64_t m : {0, 3})
      for (int64_t n : {0, 5})
        for (int64_t k : {0, 4}) {
          MatmulShape shape = makeShape(batch, m, n, k);
          shape.hasBias = true;
          checkAllThreads(shape);
        }
}

TEST(Matmul, KeepsWhatIsNotFinite) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (uint32_t out : {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16}) {
    MatmulShape shape = makeShape(1, 14, 33, 9);
    shape.out = out;
    shape.relu = true;
    Product product(shape);
    product.lhs.set(0 * 9 + 2, NAN);   // row 0
    product.lhs.set(1 * 9 + 0, kInf);  // row 1
    product.lhs.set(2 * 9 + 0, -kInf); // row 2
    for (int64_t j = 0; j != 33; ++j)
      product.rhs.set(j, 1);
    product.rhs.set(0 * 33 + 5, 0); // inf * 0 at column 5
    Elements result = product.run(1);
    for (int64_t j = 0; j != 33; ++j) {
      EXPECT_TRUE(std::isnan(result.get(j))) << "relu lost a NaN";
      if (j == 5) {
        EXPECT_TRUE(std::isnan(result.get(33 + j)));
        EXPECT_TRUE(std::isnan(result.get(66 + j)));
      } else {
        EXPECT_EQ(result.get(33 + j), kInf);
        EXPECT_EQ(result.get(66 + j), 0);
      }
      EXPECT_TRUE(std::isfinite(result.get(3 * 33 + j)));
    }
  }
  // A sum beyond f16 becomes infinite where it is rounded, and only there.
  MatmulShape shape = makeShape(1, 1, 1, 2);
  shape.lhs = shape.rhs = AMPC_DTYPE_F16;
  Product product(shape);
  for (int i = 0; i != 2; ++i) {
    product.lhs.set(i, 60000);
    product.rhs.set(i, 60000);
  }
  EXPECT_EQ(product.run(1).get(0), 7.2e9f);
  product.shape.out = AMPC_DTYPE_F16;
  EXPECT_EQ(product.run(1).get(0), kInf);
}

// Rounded once: a sum that f16 cannot hold is not rounded before the bias.
TEST(Matmul, RoundsOnce) {
  MatmulShape shape = makeShape(1, 1, 1, 2);
  shape.lhs = shape.rhs = shape.out = AMPC_DTYPE_F16;
  shape.hasBias = true;
  Product product(shape);
  product.lhs.set(0, 2048);
  product.rhs.set(0, 1);
  product.lhs.set(1, 1); // 2049 is halfway between two f16
  product.rhs.set(1, 1);
  product.bias.set(0, -2048);
  EXPECT_EQ(product.run(1).get(0), 1);
}
