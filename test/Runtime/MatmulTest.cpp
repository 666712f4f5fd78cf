//===- MatmulTest.cpp - Products against sums in f64 ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elements.h"

#include "Core/CpuFeatures.h"
#include "Host/Matmul.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <sstream>
#include <vector>

using namespace ampc;

namespace {

struct Product {
  Product(const MatmulShape &shape, uint64_t seed = 1)
      : shape(shape), lhs(shape.lhs, reach(shape.lhsStride, shape.m * shape.k)),
        rhs(shape.rhs, reach(shape.rhsStride, shape.k * shape.n)), bias(shape.bias, shape.n) {
    Random random(seed);
    for (Elements *operand : {&lhs, &rhs, &bias})
      for (size_t i = 0; i != operand->size(); ++i)
        operand->set(i, random.next());
  }
  size_t reach(int64_t stride, int64_t matrix) const {
    return shape.batch == 0 ? 0 : (shape.batch - 1) * stride + matrix;
  }

  Elements run(int threads) {
    // One element more, which must stay.
    Elements out(shape.out, shape.batch * shape.m * shape.n + 1);
    std::fill(out.bytes.begin(), out.bytes.end(), 0x55);
    std::vector<void *> arguments = {lhs.bytes.data(), rhs.bytes.data()};
    if (shape.hasBias)
      arguments.push_back(bias.bytes.data());
    arguments.push_back(out.bytes.data());
    ThreadPool pool(threads);
    Matmul matmul(shape, threads);
    Workspace workspace;
    workspace.reserve(matmul.requirement());
    matmul.run(arguments.data(), workspace, pool);
    for (size_t i = out.bytes.size() - sizeOf(shape.out); i != out.bytes.size(); ++i)
      EXPECT_EQ(out.bytes[i], 0x55) << "written beyond the end";
    out.bytes.resize(out.bytes.size() - sizeOf(shape.out));
    return out;
  }

  /// Compares with sums in f64, within what f32 sums and one rounding explain.
  void check(const Elements &out) const {
    double sumError = shape.out == AMPC_DTYPE_F64 ? 0x1p-53 : 0x1p-24;
    double roundingError = shape.out == AMPC_DTYPE_F16    ? 0x1p-11
                           : shape.out == AMPC_DTYPE_BF16 ? 0x1p-8
                                                          : sumError;
    // Decoded once, rows of the left and columns of the right operand.
    std::vector<double> left = lhs.decode(), right = rhs.decode();
    int64_t leftRow = shape.transposeLhs ? 1 : shape.k;
    int64_t leftStep = shape.transposeLhs ? shape.m : 1;
    int64_t rightColumn = shape.transposeRhs ? shape.k : 1;
    int64_t rightStep = shape.transposeRhs ? 1 : shape.n;
    int wrong = 0;
    for (int64_t b = 0; b != shape.batch; ++b)
      for (int64_t i = 0; i != shape.m; ++i)
        for (int64_t j = 0; j != shape.n; ++j) {
          double sum = 0, magnitude = 0;
          int64_t x = b * shape.lhsStride + i * leftRow;
          int64_t y = b * shape.rhsStride + j * rightColumn;
          for (int64_t kk = 0; kk != shape.k; ++kk) {
            double term = left[x + kk * leftStep] * right[y + kk * rightStep];
            sum += term;
            magnitude += std::fabs(term);
          }
          sum *= shape.alpha;
          magnitude *= std::fabs(shape.alpha);
          if (shape.hasBias)
            sum += bias.get(j);
          if (shape.relu)
            sum = std::max(sum, 0.0);
          double allowed =
              sumError * (magnitude * (shape.k + 2) + 4) + roundingError * std::fabs(sum) + 0x1p-24;
          double got = out.get((b * shape.m + i) * shape.n + j);
          if (!(std::fabs(got - sum) <= allowed) && wrong++ == 0)
            ADD_FAILURE() << "at " << b << ", " << i << ", " << j << ": " << got << " for " << sum
                          << ", allowed " << allowed;
        }
    EXPECT_EQ(wrong, 0);
  }

  MatmulShape shape;
  Elements lhs, rhs, bias;
};

MatmulShape makeShape(int64_t batch, int64_t m, int64_t n, int64_t k) {
  MatmulShape shape = {};
  shape.batch = batch;
  shape.m = m;
  shape.n = n;
  shape.k = k;
  shape.lhsStride = m * k;
  shape.rhsStride = k * n;
  shape.alpha = 1;
  shape.lhs = shape.rhs = shape.bias = shape.out = AMPC_DTYPE_F32;
  return shape;
}

std::string describe(const MatmulShape &s) {
  std::ostringstream text;
  text << s.batch << " x " << s.m << " x " << s.n << " x " << s.k << " " << nameOf(s.lhs) << " "
       << nameOf(s.rhs) << " " << nameOf(s.out) << (s.transposeLhs ? " lhs^T" : "")
       << (s.transposeRhs ? " rhs^T" : "") << (s.hasBias ? " bias" : "") << (s.relu ? " relu" : "");
  return text.str();
}

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
  MatmulShape wide = makeShape(1, 3, 5000, 130);
  checkAllThreads(wide);
  MatmulShape tall = makeShape(1, 5000, 3, 130);
  checkAllThreads(tall);
  MatmulShape deep = makeShape(1, 26, 35, 20000); // several panels of k
  deep.hasBias = true;
  deep.transposeLhs = true;
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

// The kernels of the narrower instruction sets, on any machine.
TEST(Matmul, EveryInstructionSetAgrees) {
  std::vector<std::pair<const char *, const GemmKernelSet *>> sets = {
      {"baseline", &baseline::gemmKernels}};
#if defined(__x86_64__)
  if (missingCpuFeatures("avx2,fma,f16c").empty())
    sets.push_back({"avx2", &avx2::gemmKernels});
  if (missingCpuFeatures("avx512f,avx512vl,avx512bw,avx512dq").empty())
    sets.push_back({"avx512", &avx512::gemmKernels});
#endif
  for (auto [name, kernels] : sets)
    for (uint32_t low : {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16})
      for (int transposes = 0; transposes != 4; ++transposes)
        for (int64_t m : {1, 6, 11, 29})
          for (int64_t n : {1, 8, 15, 33}) {
            MatmulShape shape = makeShape(1, m, n, 300);
            shape.lhs = shape.rhs = shape.out = low;
            shape.transposeLhs = transposes & 1;
            shape.transposeRhs = transposes & 2;
            SCOPED_TRACE(std::string(name) + " " + describe(shape));
            Product product(shape);
            Gemm<float> gemm(kernels->f32,
                             {m, n, 300, AMPC_DTYPE_F32, low, 1, /*biasOfRows=*/true, false}, 1);
            std::vector<float> shared(gemm.sharedElements());
            std::vector<float> scratch(gemm.scratchElements());
            Elements out(low, m * n);
            DenseOperand<float> lhs(kernels->f32, product.lhs.bytes.data(), low,
                                    shape.transposeLhs ? m : 300, !shape.transposeLhs);
            DenseOperand<float> rhs(kernels->f32, product.rhs.bytes.data(), low,
                                    shape.transposeRhs ? 300 : n, shape.transposeRhs);
            gemm.run({&lhs, &rhs, nullptr, out.bytes.data()}, shared.data(), scratch.data(), 0,
                     nullptr);
            product.check(out);
          }
}

// A bias of the rows, as convolutions have it: equal products with and without it differ by it.
TEST(Matmul, AddsTheBiasOfRows) {
  const int64_t m = 29, n = 33, k = 9000; // two parts of k
  MatmulShape shape = makeShape(1, m, n, k);
  Product product(shape);
  const GemmKernels<float> &kernels = pickGemmKernels().f32;
  std::vector<float> bias(m);
  for (int64_t i = 0; i != m; ++i)
    bias[i] = float(i) * 3 - 40;
  DenseOperand<float> lhs(kernels, product.lhs.bytes.data(), AMPC_DTYPE_F32, k, true);
  DenseOperand<float> rhs(kernels, product.rhs.bytes.data(), AMPC_DTYPE_F32, n, false);
  std::vector<float> with(m * n), without(m * n);
  for (bool hasBias : {false, true}) {
    Gemm<float> gemm(kernels, {m, n, k, AMPC_DTYPE_F32, AMPC_DTYPE_F32, 1, true, false}, 1);
    std::vector<float> shared(gemm.sharedElements()), scratch(gemm.scratchElements());
    gemm.run({&lhs, &rhs, hasBias ? bias.data() : nullptr, hasBias ? with.data() : without.data()},
             shared.data(), scratch.data(), 0, nullptr);
  }
  for (int64_t i = 0; i != m * n; ++i)
    ASSERT_EQ(with[i], without[i] + bias[i / n]) << i;
}
