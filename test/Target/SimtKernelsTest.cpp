//===- SimtKernelsTest.cpp - Device kernels on the CPU --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Every kernel runs in the natural order of its threads and in a shuffled one.

#include "TargetTest.h"

#include "../StandIn/SimtRuntime.h"
#include "ampc/Target/SimtCompiler.h"
#include <algorithm>
#include <optional>

using namespace ampc::test;
using namespace ampc::simt;

namespace {

struct Order {
  const char *name;
  LaunchOptions options;
};
const Order kOrders[] = {{"natural", {1, 0}}, {"shuffled", {2, 12345}}};

std::unique_ptr<Library> library;

std::string run(const std::string &name, const Order &order, Dim3 grid, Dim3 block,
                std::vector<void *> buffers) {
  const ampc::SimtKernel *kernel = library->find(name);
  if (!check(kernel, "find " + name))
    return "";
  std::vector<void *> parameters;
  for (void *&b : buffers)
    parameters.push_back(&b);
  check(kernel->parameterCount == buffers.size(), "parameters of " + name);
  return launch(*kernel, grid, block, parameters.data(), order.options);
}

void runWell(const std::string &name, const Order &order, Dim3 grid, Dim3 block,
             std::vector<void *> buffers) {
  std::string error = run(name, order, grid, block, buffers);
  check(error.empty(), name, error);
}

template <typename T>
void elementwise(const std::string &name, const Order &order, double rounding) {
  constexpr int64_t n = 40963;
  auto x = randoms<T>(n, 1), y = randoms<T>(n, 2);
  y[n - 1] = T(NAN), x[4] = T(INFINITY);
  Buffer<T> z(n);
  std::vector<double> want(n);
  for (int64_t i = 0; i < n; ++i) {
    double a = double(x[i]) * 1.5 + double(y[i]);
    want[i] = (std::isnan(a) ? a : std::max(a, 0.0)) * double(x[i]);
  }
  runWell(name, order, {21}, {256}, {x.data(), y.data(), z.data()});
  compare(name + ", " + order.name, z, want, rounding, 1e-6);
}

template <typename T>
void softmax(const std::string &name, const Order &order, double rounding) {
  constexpr int64_t rows = 24, columns = 4096;
  auto x = randoms<T>(rows * columns, 3);
  x[2 * columns + 7] = T(NAN);
  Buffer<T> y(x.size());
  std::vector<double> want(x.size());
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0, top = r == 2 ? NAN : -INFINITY;
    for (int64_t i = 0; i < columns; ++i)
      top = std::isnan(top) ? top : std::max(top, double(x[r * columns + i]));
    for (int64_t i = 0; i < columns; ++i)
      sum += std::exp(double(x[r * columns + i]) - top);
    for (int64_t i = 0; i < columns; ++i)
      want[r * columns + i] = std::exp(double(x[r * columns + i]) - top) / sum;
  }
  runWell(name, order, {rows}, {256}, {x.data(), y.data()});
  compare(name + ", " + order.name, y, want, rounding, 0x1p-25);
}

void layernormBackward(const Order &order) {
  constexpr int64_t rows = 40, columns = 1024;
  auto x = randoms<f16>(rows * columns, 4), dy = randoms<f16>(rows * columns, 5);
  auto gamma = randoms<float>(columns, 6), mean = randoms<float>(rows, 7),
       rstd = randoms<float>(rows, 8);
  Buffer<f16> dx(x.size());
  std::vector<double> want(x.size());
  for (int64_t r = 0; r < rows; ++r) {
    double s1 = 0, s2 = 0;
    auto g = [&](int64_t i) { return double(dy[r * columns + i]) * gamma[i]; };
    auto xhat = [&](int64_t i) { return (double(x[r * columns + i]) - mean[r]) * rstd[r]; };
    for (int64_t i = 0; i < columns; ++i)
      s1 += g(i), s2 += g(i) * xhat(i);
    for (int64_t i = 0; i < columns; ++i)
      want[r * columns + i] = rstd[r] * (g(i) - s1 / columns - xhat(i) * (s2 / columns));
  }
  runWell("layernorm_backward", order, {rows}, {128},
          {x.data(), dy.data(), gamma.data(), mean.data(), rstd.data(), dx.data()});
  compare(std::string("layernorm_backward, ") + order.name, dx, want, 0x1p-11, 1e-4);
}

void earlyExit(const Order &order) {
  constexpr int64_t n = 1000;
  auto x = randoms<float>(n, 9);
  Buffer<float> y(n), want(n);
  int32_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t j = i / 128 * 128 + 127 - i % 128;
    want[i] = j < n ? x[j] : 0;
  }
  runWell("early_exit", order, {8}, {128}, {x.data(), y.data(), &count});
  compare(std::string("early_exit, ") + order.name, y, want, 0);
  check(count == n, "atomic count", std::to_string(count));
}

void shuffles(const Order &order) {
  Buffer<float> out(7 * 32, -7.0f), want(7 * 32, -7.0f);
  for (int i = 0; i < 32; ++i) {
    want[i] = float(i ^ 3);
    want[32 + i] = i < 3 ? -1.0f : float(i - 3);
    want[64 + i] = i + 3 < 32 ? float(i + 3) : -1.0f;
    want[96 + i] = 3;
    if (i < 8)
      want[128 + i] = float(i ^ 1);
    want[160 + i] = float(3 * (i ^ 1));
    want[192 + i] = float(i ^ 1);
  }
  runWell("shuffles", order, {1}, {32}, {out.data()});
  compare(std::string("shuffles, ") + order.name, out, want, 0);
}

/// Divisions by constants have the bits of the processor's, over all exponents and, at one of
/// them, all mantissas; a quotient that underflows may be the number beside it.
void divisions() {
  constexpr uint64_t n = 1 << 20, mantissas = 1 << 23, step = 4093; // a prime meets all low bits
  const float divisors[] = {1.41421354f, 3.0f, 0.1f, 1.99999988f};
  Buffer<float> x(n), y(4 * n);
  for (uint64_t part = 0; part <= mantissas / n; ++part) {
    for (uint64_t i = 0; i < n; ++i) {
      uint32_t bits = part == 0 ? uint32_t(i * step) : 0x3f800000u + uint32_t((part - 1) * n + i);
      std::memcpy(&x[i], &bits, sizeof(bits));
    }
    x[0] = INFINITY, x[1] = -INFINITY, x[2] = NAN, x[3] = 0.0f, x[4] = -0.0f, x[5] = 3e38f;
    runWell("divisions", kOrders[0], {n / 256}, {256}, {x.data(), y.data()});
    uint64_t wrong = 0;
    float example = 0;
    for (auto [d, divisor] : llvm::enumerate(divisors))
      for (uint64_t i = 0; i < n; ++i) {
        const float got = y[d * n + i], want = x[i] / divisor;
        const bool isEqual = std::isnan(want)
                                 ? std::isnan(got)
                                 : got == want && std::signbit(got) == std::signbit(want);
        if (isEqual ||
            (std::fabs(want) < 0x1p-100f &&
             std::fabs(got - want) <= std::nextafter(std::fabs(want), 1.0f) - std::fabs(want)))
          continue;
        ++wrong;
        example = x[i];
      }
    check(wrong == 0, "divisions by constants",
          std::to_string(wrong) + " differ, as of " + std::to_string(example));
  }
}

void mistakes() {
  Buffer<float> out(64);
  auto expect = [](const std::string &got, const std::string &want) {
    check(got.find(want) != std::string::npos, want, got);
  };
  for (const Order &order : kOrders) {
    expect(run("divergent_barrier", order, {4}, {32}, {out.data()}), "divergent barrier");
    expect(run("half_shuffle", order, {4}, {32}, {out.data()}), "deadlock");
  }
  expect(run("softmax_f16", kOrders[0], {1}, {64}, {nullptr, nullptr}),
         "launched with blocks of (64, 1, 1), compiled for (256, 1, 1)");
  expect(run("shuffles", kOrders[0], {1}, {2048}, {nullptr}), "1 to 1024 threads");
  expect(run("shuffles", kOrders[0], {1, 70000}, {32}, {nullptr}), "a grid cannot be");

  auto wrong = [&] { return std::any_of(out.begin(), out.end(), [](float v) { return v != 1; }); };
  runWell("missing_barrier", kOrders[0], {1}, {64}, {out.data()});
  check(!wrong(), "the natural order does not show a missing barrier");
  runWell("missing_barrier", kOrders[1], {1}, {64}, {out.data()});
  check(wrong(), "the shuffled order shows a missing barrier");
}

} // namespace

int main() {
  Kernels kernels(inputText("device-kernels.mlir"));
  std::string path = temporaryPath("kernels.simt.so"), ptx = "// any image", error;
  bool written = succeeded(ampc::writeSimtLibrary(path, kernels.gpuModule(), {ptx}));
  if (!check(written, "compile for the CPU", kernels.takeDiagnostics()))
    return 1;
  setenv(ampc::kSimtEnvironment, (":" + path + ":").c_str(), 1);
  auto libraries = loadLibraries(error);
  if (!check(libraries.size() == 1, "load", error))
    return 1;
  library = std::move(libraries.front());
  check(library->belongsTo(ptx.c_str()) && !library->belongsTo("// another"), "image hash");
  check(!library->find("softmax"), "no kernel of another name");
  const ampc::SimtKernel *softmaxKernel = library->find("softmax_f16");
  check(softmaxKernel && softmaxKernel->parameterBytes[1] == 24 * 4096 * 2, "bytes of a parameter");

  for (const Order &order : kOrders) {
    elementwise<f16>("elementwise_f16", order, 0x1p-10);
    elementwise<bf16>("elementwise_bf16", order, 0x1p-7);
    softmax<f16>("softmax_f16", order, 0x1p-11 + 1e-6);
    softmax<bf16>("softmax_bf16", order, 0x1p-8 + 1e-6);
    layernormBackward(order);
    earlyExit(order);
    shuffles(order);
  }
  divisions();
  mistakes();
  setenv(ampc::kSimtEnvironment, "/nonexistent.simt.so", 1);
  check(loadLibraries(error).empty() && error.find("/nonexistent.simt.so") != std::string::npos,
        "a library that is not there", error);
  library.reset();
  return failures != 0;
}
