//===- ConvolutionBenchmark.cpp - How fast the host's convolutions are ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints the best time of a convolution and its two gradients, into f32:
//
//   ampc-convolution-benchmark N C K GROUPS EXTENT TAPS STRIDE PAD THREADS [KIND [TYPE]]
//
//===----------------------------------------------------------------------===//

#include "Host/Convolution.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace ampc;

int main(int count, char **arguments) {
  if (count < 10 || count > 12) {
    std::fprintf(stderr, "give N C K GROUPS EXTENT TAPS STRIDE PAD THREADS [KIND [TYPE]]\n");
    return 2;
  }
  auto number = [&](int i) { return std::atoll(arguments[i]); };
  ConvolutionShape shape = {};
  shape.n = number(1);
  shape.c = number(2);
  shape.k = number(3);
  shape.groups = number(4);
  int64_t extent = number(5), taps = number(6), stride = number(7), pad = number(8);
  int64_t output = (extent + 2 * pad - taps) / stride + 1;
  shape.rows = shape.columns = {extent, taps, output, stride, pad, pad, 1};
  shape.bias = shape.out = AMPC_DTYPE_F32;
  std::string_view type = count > 11 ? arguments[11] : "f32";
  shape.lhs = shape.rhs = type == "f16"    ? AMPC_DTYPE_F16
                          : type == "bf16" ? AMPC_DTYPE_BF16
                                           : AMPC_DTYPE_F32;
  int threads = int(number(9));
  int64_t sizes[] = {shape.n * shape.c * extent * extent,
                     shape.k * (shape.c / shape.groups) * taps * taps,
                     shape.n * shape.k * output * output};
  const int operands[3][3] = {{0, 1, 2}, {2, 1, 0}, {2, 0, 1}};
  const char *names[] = {"forward", "input gradient", "filter gradient"};
  for (int kind = 0; kind != 3; ++kind) {
    if (count > 10 && kind != number(10))
      continue;
    shape.kind = ampc_convolution_kind_t(kind);
    std::vector<float> tensors[3];
    void *data[3];
    for (int i = 0; i != 3; ++i) {
      tensors[i].assign(sizes[operands[kind][i]], 1.0f / 3);
      data[i] = tensors[i].data();
    }
    ThreadPool pool(threads);
    Convolution convolution(shape, threads);
    Workspace workspace;
    workspace.reserve(convolution.requirement());
    using Clock = std::chrono::steady_clock;
    double best = 1e9;
    Clock::time_point end = Clock::now() + std::chrono::seconds(1);
    while (Clock::now() < end) {
      Clock::time_point start = Clock::now();
      convolution.run(data, workspace, pool);
      best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
    double products = double(sizes[2]) * (shape.c / shape.groups) * taps * taps;
    std::printf("%-16s %9.1f us %6.1f GF/s\n", names[kind], best * 1e6, 2e-9 * products / best);
  }
  return 0;
}
