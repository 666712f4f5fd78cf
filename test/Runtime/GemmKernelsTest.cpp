//===- GemmKernelsTest.cpp - Every instruction set's products -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include "Core/Error.h"
#include "Host/WindowOperand.h"

#include <cmath>
#include <cstdlib>
#include <limits>

using namespace ampc;

namespace {

struct NamedKernels {
  std::string name;
  const GemmKernels<float> *kernels;
};

/// The kernels that can run here for two operands of type `dtype`, and for bf16
/// what stands for those that this processor may not have.
std::vector<NamedKernels> allKernels(uint32_t dtype) {
  std::vector<NamedKernels> all;
  for (const GemmLevel &level : usableGemmLevels()) {
    all.push_back({level.name, &level.kernels->f32});
    if (dtype == AMPC_DTYPE_BF16 && level.bf16)
      all.push_back({std::string(level.name) + ", not widened", level.bf16});
  }
  if (dtype == AMPC_DTYPE_BF16) {
    all.push_back({"pairs", &baseline::pairKernels});
    all.push_back({"tiles", &baseline::tileKernels});
  }
  return all;
}

void multiply(const GemmKernels<float> &kernels, const Gemm<float>::Shape &shape,
              const GemmOperands<float> &operands) {
  Gemm<float> gemm(kernels, shape, 1);
  std::vector<float> shared(gemm.sharedElements()), scratch(gemm.scratchElements());
  // What is not packed must not count.
  std::fill(shared.begin(), shared.end(), NAN);
  std::fill(scratch.begin(), scratch.end(), NAN);
  gemm.run(operands, shared.data(), scratch.data(), 0, nullptr);
}

Elements multiply(const GemmKernels<float> &kernels, const Product &product) {
  const MatmulShape &s = product.shape;
  Elements out(s.out, s.m * s.n);
  DenseOperand<float> lhs(kernels, product.lhs.bytes.data(), s.lhs, s.transposeLhs ? s.m : s.k,
                          !s.transposeLhs);
  DenseOperand<float> rhs(kernels, product.rhs.bytes.data(), s.rhs, s.transposeRhs ? s.k : s.n,
                          s.transposeRhs);
  multiply(kernels, {s.m, s.n, s.k, AMPC_DTYPE_F32, s.out, 1, /*biasOfRows=*/true, false},
           {&lhs, &rhs, nullptr, out.bytes.data()});
  return out;
}

MatmulShape makeTyped(uint32_t dtype, int64_t m, int64_t n, int64_t k, int transposes) {
  MatmulShape shape = makeShape(1, m, n, k);
  shape.lhs = shape.rhs = shape.out = dtype;
  shape.transposeLhs = transposes & 1;
  shape.transposeRhs = transposes & 2;
  return shape;
}

} // namespace

// The kernels of the narrower instruction sets, on any machine.
TEST(GemmKernels, EveryInstructionSetAgrees) {
  for (uint32_t low : {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16})
    for (auto [name, kernels] : allKernels(low))
      for (int transposes = 0; transposes != 4; ++transposes)
        for (int64_t m : {1, 6, 11, 29})
          for (int64_t n : {1, 8, 15, 33}) {
            MatmulShape shape = makeTyped(low, m, n, 300, transposes);
            SCOPED_TRACE(name + " " + describe(shape));
            Product product(shape);
            product.check(multiply(*kernels, product));
          }
}

// Where sums are exact, bf16 gives the same bits whichever kernels multiply it: every edge of
// strips and tiles, and of pairs; several parts of k.
TEST(GemmKernels, EveryInstructionForBF16GivesExactSums) {
  for (int64_t k : {1, 2, 7, 31, 32, 33, 600, 17000})
    for (int transposes = 0; transposes != 4; ++transposes)
      for (int64_t m : {1, 13, 16, 17, 47})
        for (int64_t n : {1, 16, 31, 32, 50}) {
          if (k == 17000 && (m != 17 || n != 31)) // takes long
            continue;
          MatmulShape shape = makeTyped(AMPC_DTYPE_BF16, m, n, k, transposes);
          shape.out = AMPC_DTYPE_F32;
          Product product(shape, m * 1000 + n);
          for (Elements *operand : {&product.lhs, &product.rhs})
            for (size_t i = 0; i != operand->size(); ++i)
              operand->set(i, std::round(operand->get(i) * 8));
          Elements widened =
              multiply(pickGemmKernels<float>(AMPC_DTYPE_F32, AMPC_DTYPE_F32), product);
          if (k < 100)
            product.check(widened);
          for (auto [name, kernels] : allKernels(AMPC_DTYPE_BF16))
            EXPECT_EQ(multiply(*kernels, product).bytes, widened.bytes)
                << name << " " << describe(shape);
        }
}

TEST(GemmKernels, BF16KeepsWhatIsNotFinite) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  MatmulShape shape = makeTyped(AMPC_DTYPE_BF16, 3, 5, 9, 0);
  Product product(shape);
  product.lhs.set(0 * 9 + 8, NAN);
  product.lhs.set(1 * 9 + 8, kInf);
  for (int64_t j = 0; j != 5; ++j)
    product.rhs.set(8 * 5 + j, j - 2);
  for (auto [name, kernels] : allKernels(AMPC_DTYPE_BF16)) {
    SCOPED_TRACE(name);
    Elements out = multiply(*kernels, product);
    for (int64_t j = 0; j != 5; ++j) {
      EXPECT_TRUE(std::isnan(out.get(j)));
      EXPECT_TRUE(j == 2 ? std::isnan(out.get(5 + j)) : out.get(5 + j) == (j - 2) * kInf);
      EXPECT_TRUE(std::isfinite(out.get(10 + j)));
    }
  }
}

// Images and rows in pieces are packed as matrices that hold the same are.
TEST(GemmKernels, EveryInstructionSetPacksImages) {
  auto axis = [](int64_t input, int64_t filter, int64_t stride, int64_t pad, int64_t dilation) {
    int64_t output = (input + 2 * pad - dilation * (filter - 1) - 1) / stride + 1;
    return WindowAxis({input, filter, output, stride, pad, pad, dilation});
  };
  struct Images {
    int64_t n, c;
    WindowAxis rows, columns;
  };
  const Images all[] = {
      {2, 3, axis(9, 3, 1, 1, 1), axis(8, 3, 1, 1, 1)},
      {3, 5, axis(7, 3, 1, 0, 1), axis(9, 3, 1, 0, 1)},
      {2, 2, axis(11, 3, 2, 1, 1), axis(13, 3, 2, 1, 1)},
      {1, 2, axis(12, 2, 1, 3, 4), axis(11, 4, 3, 5, 2)},
      {3, 7, axis(7, 1, 1, 0, 1), axis(5, 1, 1, 0, 1)},
      {1, 9, axis(40, 3, 1, 1, 1), axis(39, 3, 1, 1, 1)},
      {2, 3, axis(14, 13, 1, 6, 1), axis(11, 11, 1, 5, 1)}, // more taps than are handled together
  };
  for (uint32_t dtype : {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16})
    for (auto [n, c, rows, columns] : all)
      for (bool sumsTaps : {false, true})
        for (auto [name, kernels] : allKernels(dtype)) {
          int64_t plane = rows.extent * columns.extent;
          int64_t taps = c * rows.taps * columns.taps, points = n * rows.points * columns.points;
          int64_t k = sumsTaps ? taps : points, width = sumsTaps ? points : taps, m = 3;
          SCOPED_TRACE(name + " " + nameOf(dtype) + ", taps " + std::to_string(taps) +
                       (sumsTaps ? " along k" : ""));
          Elements images(dtype, n * c * plane), matrix(dtype, taps * points), left(dtype, m * k);
          Random random(7);
          for (Elements *operand : {&images, &left})
            for (size_t i = 0; i != operand->size(); ++i)
              operand->set(i, random.next());
          for (int64_t t = 0; t != taps; ++t)
            for (int64_t p = 0; p != points; ++p) {
              int64_t tr = t / columns.taps % rows.taps, tc = t % columns.taps;
              int64_t pr = p / columns.points % rows.points, pc = p % columns.points;
              if (!rows.isInside(pr, tr) || !columns.isInside(pc, tc))
                continue;
              int64_t image = p / (rows.points * columns.points);
              int64_t channel = image * c + t / (rows.taps * columns.taps);
              matrix.set(t * points + p,
                         images.get(channel * plane + rows.element(pr, tr) * columns.extent +
                                    columns.element(pc, tc)));
            }
          WindowOperand<float> windows(
              *kernels, {images.bytes.data(), dtype, c * plane, n * c * plane, rows, columns},
              sumsTaps);
          DenseOperand<float> dense(*kernels, matrix.bytes.data(), dtype, points, !sumsTaps);
          DenseOperand<float> lhs(*kernels, left.bytes.data(), dtype, k, true);
          Gemm<float>::Shape shape = {m, width, k, AMPC_DTYPE_F32, AMPC_DTYPE_F32, 1, false, false};
          std::vector<float> one(m * width), other(m * width);
          multiply(*kernels, shape, {&lhs, &windows, nullptr, one.data()});
          multiply(*kernels, shape, {&lhs, &dense, nullptr, other.data()});
          EXPECT_EQ(one, other);

          // Channels by points, on either side.
          PiecewiseOperand<float> pieces(*kernels, images.bytes.data(), dtype, plane, plane,
                                         c * plane);
          Elements turned(dtype, c * n * plane), right(dtype, n * plane * m);
          for (int64_t i = 0; i != c; ++i)
            for (int64_t p = 0; p != n * plane; ++p)
              turned.set(i * n * plane + p, images.get((p / plane * c + i) * plane + p % plane));
          for (size_t i = 0; i != right.size(); ++i)
            right.set(i, random.next());
          DenseOperand<float> flat(*kernels, turned.bytes.data(), dtype, n * plane, true);
          DenseOperand<float> few(*kernels, right.bytes.data(), dtype, m, false);
          DenseOperand<float> fewRows(*kernels, right.bytes.data(), dtype, m, false);
          std::vector<float> a(c * m), b(c * m);
          shape = {c, m, n * plane, AMPC_DTYPE_F32, AMPC_DTYPE_F32, 1, false, false};
          multiply(*kernels, shape, {&pieces, &few, nullptr, a.data()});
          multiply(*kernels, shape, {&flat, &few, nullptr, b.data()});
          EXPECT_EQ(a, b);
          shape.m = m;
          shape.n = c;
          multiply(*kernels, shape, {&fewRows, &pieces, nullptr, a.data()});
          multiply(*kernels, shape, {&fewRows, &flat, nullptr, b.data()});
          EXPECT_EQ(a, b);
        }
}

TEST(GemmKernels, TheEnvironmentNamesTheWidestInstructions) {
  ASSERT_EQ(setenv("AMPC_HOST_PRODUCTS", "baseline", 1), 0);
  EXPECT_EQ(usableGemmLevels().size(), 1u);
  setenv("AMPC_HOST_PRODUCTS", "amx", 1);
  size_t all = usableGemmLevels().size();
  setenv("AMPC_HOST_PRODUCTS", "sse9", 1);
  try {
    usableGemmLevels();
    ADD_FAILURE() << "no error";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what()).find("AMPC_HOST_PRODUCTS is 'sse9': give one of baseline"),
              std::string::npos)
        << error.what();
  }
  unsetenv("AMPC_HOST_PRODUCTS");
  EXPECT_EQ(usableGemmLevels().size(), all);
}

// A bias of the rows, as convolutions have it: equal products with and without it differ by it.
TEST(GemmKernels, AddsTheBiasOfRows) {
  const int64_t m = 29, n = 33, k = 9000; // two parts of k
  MatmulShape shape = makeShape(1, m, n, k);
  Product product(shape);
  const GemmKernels<float> &kernels = pickGemmKernels<float>(AMPC_DTYPE_F32, AMPC_DTYPE_F32);
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
