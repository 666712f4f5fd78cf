//===- MathAccuracyTest.cpp - Errors of functions in ulp ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Each f32 function over a dense sweep of bit patterns against f64, and at the
// values where it has a limit. What is allowed is what was measured, rounded
// up: a change for the worse fails.
//
//===----------------------------------------------------------------------===//

#include "TargetTest.h"

#include <algorithm>
#include <limits>

using namespace ampc::test;

namespace {

struct Function {
  const char *name; // of the math op
  double (*reference)(double);
  double allowedUlp;
};

const Function kFunctions[] = {
    {"exp", [](double x) { return std::exp(x); }, 1.2},
    {"exp2", [](double x) { return std::exp2(x); }, 1.2},
    {"expm1", [](double x) { return std::expm1(x); }, 1.7},
    {"log", [](double x) { return std::log(x); }, 1.0},
    {"log2", [](double x) { return std::log2(x); }, 1.5},
    {"log10", [](double x) { return std::log10(x); }, 1.6},
    {"log1p", [](double x) { return std::log1p(x); }, 1.6},
    {"tanh", [](double x) { return std::tanh(x); }, 2.5},
    {"erf", [](double x) { return std::erf(x); }, 1.2},
    {"sin", [](double x) { return std::sin(x); }, 0.7},
    {"cos", [](double x) { return std::cos(x); }, 0.7},
    {"tan", [](double x) { return std::tan(x); }, 1.5},
    {"asin", [](double x) { return std::asin(x); }, 1.0},
    {"acos", [](double x) { return std::acos(x); }, 1.0},
    {"atan", [](double x) { return std::atan(x); }, 1.0},
    {"sinh", [](double x) { return std::sinh(x); }, 2.0},
    {"cosh", [](double x) { return std::cosh(x); }, 2.0},
    {"asinh", [](double x) { return std::asinh(x); }, 1.8},
    {"acosh", [](double x) { return std::acosh(x); }, 2.0},
    {"atanh", [](double x) { return std::atanh(x); }, 1.8},
};

constexpr int64_t kCount = 1 << 16;
// A prime, so that the sweep meets all low bits: 8.4 million values a function.
constexpr uint64_t kStep = 509;

std::string kernelFor(const Function &f, const std::string &type) {
  std::string memref = "memref<" + std::to_string(kCount) + "x" + type + ">";
  return "gpu.func @" + std::string(f.name) + "_" + type + "(%x: " + memref +
         " {llvm.noalias}, %y: " + memref +
         " {llvm.noalias}) kernel attributes {known_block_size = array<i32: 1, "
         "1, 1>} {\n"
         "%i = gpu.block_id x\n%a = memref.load %x[%i] : " +
         memref + "\n%b = math." + f.name + " %a : " + type +
         "\nmemref.store %b, %y[%i] : " + memref + "\ngpu.return\n}\n";
}

float fromBits(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

/// Distance of `got` from `want`, in units of the last place of an f32 at
/// `want`.
double ulps(float got, double want) {
  float rounded = float(want);
  if (std::isnan(want) || std::isnan(got))
    return std::isnan(want) == std::isnan(got) ? 0 : INFINITY;
  if (std::isinf(rounded) || std::isinf(got)) {
    // An overflow may set in one step early or late.
    double limit = double(std::numeric_limits<float>::max());
    return got == rounded || (std::fabs(want) > limit * (1 - 1e-6) && got * want > 0) ? 0
                                                                                      : INFINITY;
  }
  int exponent;
  std::frexp(want, &exponent);
  return std::fabs(double(got) - want) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

void sweep(HostModule &host, const Function &f) {
  std::vector<float> x(kCount), y(kCount);
  double worst = 0;
  float at = 0;
  for (uint64_t bits = 0; bits < uint64_t(1) << 32;) {
    for (float &v : x) {
      v = fromBits(uint32_t(bits));
      bits += kStep;
    }
    host.run(std::string(f.name) + "_f32", kCount, {x.data(), y.data()});
    for (int64_t i = 0; i < kCount; ++i) {
      double error = ulps(y[i], f.reference(x[i]));
      if (error > worst) {
        worst = error;
        at = x[i];
      }
    }
  }
  char detail[120];
  std::snprintf(detail, sizeof(detail), "%.3f ulp at %.9g", worst, at);
  std::printf("%-8s %s\n", f.name, detail);
  check(worst <= f.allowedUlp, std::string("accuracy of ") + f.name, detail);
}

/// Signs of zero, and the values around every limit, to the bit where f32 has
/// one answer.
void limits(HostModule &host, const Function &f) {
  const float infinity = INFINITY, tiny = fromBits(1);
  std::vector<float> x(kCount, 1.0f), y(kCount);
  const float values[] = {0.0f,   -0.0f,   infinity, -infinity, NAN,   tiny,  -tiny,
                          1e-40f, -1e-40f, 1.0f,     -1.0f,     -2.0f, 1e38f, -1e38f};
  std::copy(std::begin(values), std::end(values), x.begin());
  host.run(std::string(f.name) + "_f32", kCount, {x.data(), y.data()});
  for (size_t i = 0; i < std::size(values); ++i) {
    float want = float(f.reference(values[i]));
    char detail[120];
    std::snprintf(detail, sizeof(detail), "%s(%.9g) is %.9g, not %.9g", f.name, values[i], y[i],
                  want);
    bool special = want == 0 || !std::isfinite(want);
    check(special ? std::isnan(want) ? std::isnan(y[i])
                                     : y[i] == want && std::signbit(y[i]) == std::signbit(want)
                  : ulps(y[i], want) <= f.allowedUlp,
          "limits", detail);
  }
}

/// f64 is never approximated: its bits are libm's.
void exactF64(HostModule &host, const Function &f) {
  std::vector<double> x(kCount), y(kCount);
  for (int64_t i = 0; i < kCount; ++i)
    x[i] = std::ldexp(double(i - kCount / 2), -11);
  host.run(std::string(f.name) + "_f64", kCount, {x.data(), y.data()});
  int64_t different = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    double want = f.reference(x[i]);
    different += !(y[i] == want || (std::isnan(y[i]) && std::isnan(want)));
  }
  check(different == 0, std::string("f64 ") + f.name, std::to_string(different) + " differ");
}

} // namespace

int main() {
  std::string text = "gpu.module @host_kernels {\n";
  for (const Function &f : kFunctions)
    for (const char *type : {"f32", "f64"})
      text += kernelFor(f, type);
  HostModule host(text + "}\n");
  for (const Function &f : kFunctions) {
    sweep(host, f);
    limits(host, f);
    exactF64(host, f);
  }
  return failures != 0;
}
