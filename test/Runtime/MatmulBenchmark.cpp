//===- MatmulBenchmark.cpp - How fast the host's products are -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints the best time of each product of three training steps, by type and
// number of threads. With a product on the command line prints the microseconds
// of each time it is computed, as benchmarks/host_product.py asks:
//
//   ampc-matmul-benchmark M N K -T bf16 THREADS COUNT
//
//===----------------------------------------------------------------------===//

#include "Host/Matmul.h"

#include "Core/Convert.h"
#include "Core/DType.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace ampc;

using Clock = std::chrono::steady_clock;

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

/// Computes the product until `record(seconds)` is false.
template <class Record>
static void measure(const Case &test, uint32_t dtype, int threads, Record record) {
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
  // Some numbers of each type: 1 and 1.5.
  for (auto [data, elements] : {std::pair(&lhs, test.m * test.k), {&rhs, test.k * test.n}})
    for (int64_t i = 0; i != elements; ++i) {
      double value = 1 + (i * 7 / 3 % 2) * 0.5;
      convert(data->data() + i * int64_t(sizeOf(dtype)), dtype, &value, AMPC_DTYPE_F64, 1);
    }
  ThreadPool pool(threads);
  Matmul matmul(shape, threads);
  Workspace workspace;
  workspace.reserve(matmul.requirement());
  void *arguments[] = {lhs.data(), rhs.data(), out.data()};

  double seconds;
  do {
    Clock::time_point start = Clock::now();
    matmul.run(arguments, workspace, pool);
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  } while (record(seconds));
}

static double findBest(const Case &test, uint32_t dtype, int threads) {
  double best = 1e9;
  Clock::time_point end = Clock::now() + std::chrono::milliseconds(300);
  measure(test, dtype, threads, [&](double seconds) {
    best = std::min(best, seconds);
    return Clock::now() < end;
  });
  return best;
}

static int printTimes(char **argument) {
  Case test = {std::atoi(argument[0]), std::atoi(argument[1]), std::atoi(argument[2]),
               argument[3][0] == 'T', argument[3][0] && argument[3][1] == 'T'};
  for (uint32_t dtype : {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16})
    if (std::string_view(argument[4]) == nameOf(dtype)) {
      int count = std::atoi(argument[6]);
      measure(test, dtype, std::atoi(argument[5]), [&](double seconds) {
        std::printf("%.3f\n", seconds * 1e6);
        return --count > 0;
      });
      return 0;
    }
  std::fprintf(stderr, "no type '%s'\n", argument[4]);
  return 2;
}

int main(int count, char **arguments) {
  if (count == 8)
    return printTimes(arguments + 1);
  std::printf("instruction sets:");
  for (const GemmLevel &level : usableGemmLevels())
    std::printf(" %s", level.name);
  std::printf("\n");
  for (const Case &test : kCases) {
    std::printf("%4d x %4d x %4d %s%s", int(test.m), int(test.n), int(test.k),
                test.transposeLhs ? "T" : "-", test.transposeRhs ? "T" : "-");
    for (int threads : {1, availableCores()})
      for (uint32_t dtype : {AMPC_DTYPE_F32, AMPC_DTYPE_F16, AMPC_DTYPE_BF16}) {
        double seconds = findBest(test, dtype, threads);
        std::printf("  %dx%s %9.2f us %6.1f GF/s", threads, nameOf(dtype), seconds * 1e6,
                    2.0 * test.m * test.n * test.k / seconds * 1e-9);
      }
    std::printf("\n");
  }
  return 0;
}
