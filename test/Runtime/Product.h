//===- Product.h - A product beside sums in f64 -----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_RUNTIME_PRODUCT_H
#define AMPC_TEST_RUNTIME_PRODUCT_H

#include "Elements.h"

#include "Host/Matmul.h"

#include <cmath>
#include <gtest/gtest.h>
#include <sstream>
#include <vector>

namespace ampc {

/// A matmul step with random operands.
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

inline MatmulShape makeShape(int64_t batch, int64_t m, int64_t n, int64_t k) {
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

inline std::string describe(const MatmulShape &s) {
  std::ostringstream text;
  text << s.batch << " x " << s.m << " x " << s.n << " x " << s.k << " " << nameOf(s.lhs) << " "
       << nameOf(s.rhs) << " " << nameOf(s.out) << (s.transposeLhs ? " lhs^T" : "")
       << (s.transposeRhs ? " rhs^T" : "") << (s.hasBias ? " bias" : "") << (s.relu ? " relu" : "");
  return text.str();
}

} // namespace ampc

#endif // AMPC_TEST_RUNTIME_PRODUCT_H
