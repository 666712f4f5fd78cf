//===- HostKernelsTest.cpp - Host kernels against plain loops in f64 ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TargetTest.h"

#include <algorithm>
#include <chrono>
#include <functional>

using namespace ampc::test;

namespace {

constexpr int64_t kElements = 100003, kChunks = 25;
constexpr int64_t kRows = 37, kRowLength = 1003;
constexpr int64_t kColumnRows = 1003, kColumns = 130, kColumnBlocks = 3;

/// Largest relative error of one rounding to T.
template <typename T>
constexpr double kRounding = 0;
template <>
constexpr double kRounding<f16> = 0x1p-11;
template <>
constexpr double kRounding<bf16> = 0x1p-8;
template <>
constexpr double kRounding<float> = 0x1p-24;
template <>
constexpr double kRounding<double> = 0x1p-53;

std::string instantiate(std::string text, const std::string &type) {
  const bool isF64 = type == "f64", same = isF64 || type == "f32";
  auto replaceAll = [&](const std::string &from, const std::string &to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  };
  // A type that is computed in needs no conversion: a bitcast that folds away.
  replaceAll("@EXT", same ? "arith.bitcast" : "arith.extf");
  replaceAll("@TRUNC", same ? "arith.bitcast" : "arith.truncf");
  replaceAll("_@T", "_" + type);
  replaceAll("x@T", "x" + type);
  replaceAll("@T", type);
  replaceAll("@C", isF64 ? "f64" : "f32");
  return text;
}

template <typename T>
void elementwise(HostModule &host, const std::string &type) {
  auto x = randoms<T>(kElements, 1), y = randoms<T>(kElements, 2);
  // Non-finite values, and one whose result overflows f16.
  x[5] = T(NAN), y[6] = T(INFINITY), x[7] = T(-INFINITY), x[8] = T(60000.0f);
  y[9] = T(NAN), x[10] = T(0.0f), y[10] = T(INFINITY);
  Buffer<T> z(kElements);
  Buffer<double> want(kElements);
  for (int64_t i = 0; i < kElements; ++i) {
    double a = double(x[i]) * 1.5 + double(y[i]);
    want[i] = (std::isnan(a) ? a : std::max(a, 0.0)) * double(x[i]);
    // A result beyond the type's range is infinite.
    if (sizeof(T) < 8)
      want[i] = double(T(float(want[i])));
  }
  host.run("elementwise_" + type, kChunks, {x.data(), y.data(), z.data()});
  compare("elementwise " + type, z, want, 2 * kRounding<T>, sizeof(T) == 8 ? 1e-15 : 1e-6);
}

template <typename T>
void softmax(HostModule &host, const std::string &type) {
  auto x = randoms<T>(kRows * kRowLength, 3);
  for (T &v : x)
    v = T(float(v) * 8);
  x[3 * kRowLength + 17] = T(NAN);        // the whole row is NaN
  x[4 * kRowLength + 18] = T(-INFINITY);  // its probability is 0
  x[5 * kRowLength + 1002] = T(INFINITY); // inf - inf in this row
  Buffer<T> y(x.size());
  Buffer<double> want(x.size());
  for (int64_t r = 0; r < kRows; ++r) {
    const T *row = &x[r * kRowLength];
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < kRowLength; ++i)
      top = std::isnan(top) || std::isnan(double(row[i])) ? NAN : std::max(top, double(row[i]));
    for (int64_t i = 0; i < kRowLength; ++i)
      sum += std::exp(double(row[i]) - top);
    for (int64_t i = 0; i < kRowLength; ++i)
      want[r * kRowLength + i] = std::exp(double(row[i]) - top) / sum;
  }
  host.run("softmax_" + type, kRows, {x.data(), y.data()});
  compare("softmax " + type, y, want, kRounding<T> + 1e-6, 0x1p-25);
}

template <typename T>
void columns(HostModule &host, const std::string &type) {
  auto x = randoms<T>(kColumnRows * kColumns, 4);
  x[7 * kColumns + 70] = T(INFINITY);
  Buffer<float> y(kColumns);
  Buffer<double> want(kColumns);
  for (int64_t i = 0; i < kColumnRows * kColumns; ++i)
    want[i % kColumns] += double(x[i]);
  host.run("columns_" + type, kColumnBlocks, {x.data(), y.data()});
  compare("columns " + type, y, want, 1e-5, 1e-4);
}

void guardedAndTable(HostModule &host) {
  auto x = randoms<float>(1001, 5);
  Buffer<float> y(1001);
  Buffer<double> want(1001);
  for (int64_t i = 0; i < 1001; ++i)
    want[i] = std::erf(double(x[i]));
  host.run("guarded", 1024, {x.data(), y.data()});
  compare("guarded erf", y, want, 1e-6);

  Buffer<float> z(1001, -1.0f);
  int64_t table[2][3] = {{600, int64_t(x.data()), int64_t(z.data())},
                         {401, int64_t(x.data() + 600), int64_t(z.data() + 600)}};
  host.run("table", 2, {table});
  for (int64_t i = 0; i < 1001; ++i)
    want[i] = 2 * double(x[i]);
  compare("table of addresses", z, want, 0);
}

/// Bit patterns in a row, around ties, NaNs and both ends of the range.
void rounding(HostModule &host) {
  constexpr int64_t n = 65536;
  Buffer<float> x(n);
  Buffer<bf16> y(n), yWant(n);
  for (int64_t i = 0; i < n; ++i) {
    // Every upper half, with a lower half at or beside the tie.
    uint32_t bits = uint32_t(i) << 16 | (i % 4 == 0   ? 0x8000
                                         : i % 4 == 1 ? 0x7fff
                                         : i % 4 == 2 ? 0x8001
                                                      : 1);
    std::memcpy(&x[i], &bits, 4);
    yWant[i] = bf16(x[i]);
  }
  host.run("f32_to_bf16", n, {x.data(), y.data()});
  compare("f32 to bf16", y, yWant, 0);

  // Just beside a tie of the narrow type, by less than an f32 can tell: one
  // rounding and two differ.
  Buffer<double> d(n);
  Buffer<f16> z(n);
  Buffer<double> bWant(n), hWant(n);
  int64_t twice = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int keep = i % 2 ? 8 : 11; // significant bits of bf16, f16
    double mantissa = double((i >> 3) % (1 << (keep - 1))) + double(1 << (keep - 1));
    double tie = std::ldexp(mantissa + 0.5, int(i % 40) - 20 - keep);
    d[i] = tie * (1 + (i % 3 - 1.0) * 0x1p-40) * (i % 5 ? 1 : -1);
    if (i % 1000 == 0)
      d[i] = i % 2000 ? 1e300 : NAN;
    auto round = [&](int bits, int lowest, double top) {
      int exponent;
      std::frexp(d[i], &exponent);
      int unit = std::max(exponent - bits, lowest);
      double r = std::ldexp(std::nearbyint(std::ldexp(d[i], -unit)), unit);
      return std::fabs(r) > top ? std::copysign(INFINITY, d[i]) : r;
    };
    bWant[i] = std::isnan(d[i]) ? NAN : round(8, -133, 3.4e38);
    hWant[i] = std::isnan(d[i]) ? NAN : round(11, -24, 65504);
    twice += double(bf16(float(d[i]))) != bWant[i] && !std::isnan(d[i]);
  }
  host.run("f64_to_narrow", n, {d.data(), y.data(), z.data()});
  compare("f64 to bf16", y, bWant, 0);
  compare("f64 to f16", z, hWant, 0);
  check(twice > 1000, "the values tell one rounding from two", std::to_string(twice));
}

void narrow(HostModule &host) {
  auto x = randoms<bf16>(1000, 6);
  for (bf16 &v : x)
    v = bf16(float(v) * 20);
  auto y = randoms<f16>(1000, 7);
  Buffer<int64_t> n(1000), nWant(1000);
  Buffer<double> z(1000), want(1000);
  for (int64_t i = 0; i < 1000; ++i) {
    nWant[i] = int64_t(float(bf16(float(x[i]) + float(x[i]))));
    want[i] = double(f16(float(f16(std::exp(float(y[i])))) * float(f16(float(nWant[i])))));
  }
  host.run("narrow", 1000, {x.data(), y.data(), n.data(), z.data()});
  compare("arithmetic on bf16", n, nWant, 0);
  compare("arithmetic on f16", z, want, 0x1p-10);
}

/// What lies in a caller's hands is diagnosed.
void mistakes() {
  auto diagnose = [](const std::string &body, const std::string &want) {
    Kernels kernels("gpu.module @host_kernels {\n" + body + "\n}");
    bool compiled = succeeded(ampc::compileHostKernels(kernels.gpuModule()));
    std::string got = kernels.takeDiagnostics();
    check(!compiled && got.find(want) != std::string::npos, want, got);
  };
  diagnose("gpu.func @k(%x: f32) kernel attributes {known_block_size = "
           "array<i32: 1, 1, 1>} "
           "{ gpu.return }",
           "takes memrefs only, not 'f32'");
  diagnose("gpu.func @k() kernel attributes {known_block_size = array<i32: 32, "
           "1, 1>} "
           "{ gpu.return }",
           "known_block_size must be 1, 1, 1");
  ampc::HostOptions options;
  options.cpu = "x86-64-v3";
  HostModule older("gpu.module @host_kernels { gpu.func @k(%x: memref<4xf32>) "
                   "kernel attributes "
                   "{known_block_size = array<i32: 1, 1, 1>} { gpu.return } }",
                   options);
  check(older.code.features.find("avx2") != std::string::npos &&
            older.code.features.find("avx512") == std::string::npos,
        "features of x86-64-v3", older.code.features);
}

double seconds(const std::function<void()> &f) {
  double best = 1e30;
  for (int i = 0; i < 30; ++i) {
    auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

template <typename T>
void benchmark(HostModule &host, const std::string &type) {
  auto x = randoms<T>(kElements, 1), y = randoms<T>(kElements, 2), z = y;
  double e =
      seconds([&] { host.run("elementwise_" + type, kChunks, {x.data(), y.data(), z.data()}); });
  std::printf("elementwise %-5s %7.3f ns an element\n", type.c_str(), e * 1e9 / kElements);
  if (type == "f64")
    return;
  auto rows = randoms<T>(kRows * kRowLength, 3), out = rows;
  double s = seconds([&] { host.run("softmax_" + type, kRows, {rows.data(), out.data()}); });
  std::printf("softmax     %-5s %7.3f ns an element\n", type.c_str(),
              s * 1e9 / (kRows * kRowLength));
  auto columns = randoms<T>(kColumnRows * kColumns, 4);
  Buffer<float> sums(kColumns);
  double c =
      seconds([&] { host.run("columns_" + type, kColumnBlocks, {columns.data(), sums.data()}); });
  std::printf("columns     %-5s %7.3f ns an element\n", type.c_str(),
              c * 1e9 / (kColumnRows * kColumns));
}

} // namespace

int main(int argc, char **argv) {
  std::string text = "gpu.module @host_kernels {\n";
  for (const char *type : {"f32", "f16", "bf16", "f64"}) {
    text += instantiate(inputText("host-elementwise.mlir"), type);
    if (std::string(type) != "f64")
      text += instantiate(inputText("host-rows.mlir"), type);
  }
  auto start = std::chrono::steady_clock::now();
  HostModule host(text + "}\n");
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%zu kernels compiled and linked in %.0f ms\n", host.code.symbols.size(),
              took.count() * 1e3);
  if (argc > 1 && std::string(argv[1]) == "--benchmark") {
    benchmark<float>(host, "f32");
    benchmark<f16>(host, "f16");
    benchmark<bf16>(host, "bf16");
    benchmark<double>(host, "f64");
    return 0;
  }
  elementwise<float>(host, "f32");
  elementwise<f16>(host, "f16");
  elementwise<bf16>(host, "bf16");
  elementwise<double>(host, "f64");
  softmax<float>(host, "f32");
  softmax<f16>(host, "f16");
  softmax<bf16>(host, "bf16");
  columns<float>(host, "f32");
  columns<f16>(host, "f16");
  columns<bf16>(host, "bf16");

  HostModule special(inputText("host-special.mlir"));
  guardedAndTable(special);
  rounding(special);
  narrow(special);
  mistakes();
  return failures != 0;
}
