//===- MatmulBenchmark.cpp - How fast the host's products are -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints the best time of each product of three training steps, by type and
// number of threads.
//
//===----------------------------------------------------------------------===//

#include "Host/Matmul.h"

#include "Core/DType.h"

#include <chrono>
#include <cstdio>
#include <vector>

using namespace ampc;

namespace {
struct Case {
  int64_t m, n, k;
  bool transposeLhs, transposeRhs;
};
} // namespace

// Forward, gradient of the input, gradient of the weight, layer by layer.
static constexpr Case kCases[] = {
    {100, 100, 10, false, true},    {100, 10, 100, true, false},
    {100, 10, 100, false, true},    {100, 100, 10, false, false},
    {10, 100, 100, true, false},    {64, 128, 784, false, true},
    {128, 784, 64, true, false},    {64, 10, 128, false, true},
    {256, 1024, 784, false, true},  {1024, 784, 256, true, false},
    {256, 1024, 1024, false, true}, {256, 1024, 1024, false, false},
    {1024, 1024, 256, true, false}, {1024, 1024, 1024, false, false},
};

static double measure(const Case &test, uint32_t dtype, int threads) {
  MatmulShape shape = {};
  shape.batch = 1;
  shape.m = test.m;
  shape.n = test.n;
  shape.k = test.k;
  shape.transposeLhs = test.transposeLhs;
  shape.transposeRhs = test.transposeRhs;
  shape.alpha = 1;
  shape.lhs = shape.rhs = dtype;
  shape.bias = shape.out = AMPC_DTYPE_F32;
  std::vector<char> lhs(test.m * test.k * 4), rhs(test.k * test.n * 4);
  std::vector<char> out(test.m * test.n * 4);
  ThreadPool pool(threads);
  Matmul matmul(shape, threads);
  Workspace workspace;
  workspace.reserve(matmul.requirement());
  void *arguments[] = {lhs.data(), rhs.data(), out.data()};

  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  Clock::time_point end = Clock::now() + std::chrono::milliseconds(300);
  while (Clock::now() < end) {
    Clock::time_point start = Clock::now();
    matmul.run(arguments, workspace, pool);
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
  }
  return best;
}

int main() {
  std::printf("instruction sets:");
  for (const GemmLevel &level : usableGemmLevels())
    std::printf(" %s", level.name);
  std::printf("\n");
  for (const Case &test : kCases) {
    std::printf("%4d x %4d x %4d %s%s", int(test.m), int(test.n), int(test.k),
                test.transposeLhs ? "T" : "-", test.transposeRhs ? "T" : "-");
    for (int threads : {1, availableCores()})
      for (uint32_t dtype : {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16}) {
        double seconds = measure(test, dtype, threads);
        std::printf("  %dx%s %9.2f us %6.1f GF/s", threads, nameOf(dtype), seconds * 1e6,
                    2.0 * test.m * test.n * test.k / seconds * 1e-9);
      }
    std::printf("\n");
  }
  return 0;
}
