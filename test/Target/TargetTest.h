//===- TargetTest.h - Shared by the unit tests of Target --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_TARGET_TARGETTEST_H
#define AMPC_TEST_TARGET_TARGETTEST_H

#include "ampc-runtime/module_format.h"
#include "ampc/Target/HostCompiler.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace ampc::test {

/// Counts failures; main() returns whether there were any.
inline int failures = 0;
/// Says what was checked and, where it does not hold, `detail`.
bool check(bool holds, const std::string &what, const std::string &detail = "");

/// A folder of this process, removed at its end.
std::string temporaryPath(const std::string &name);
std::string readFile(const std::string &path);

/// Kernels in MLIR text, with what owns them.
class Kernels {
public:
  explicit Kernels(const std::string &text);
  mlir::gpu::GPUModuleOp gpuModule();
  /// What was diagnosed since the last call.
  std::string takeDiagnostics();

private:
  mlir::MLIRContext context;
  std::string diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Reads the text of a file in test/Target/Inputs.
std::string inputText(const std::string &name);

/// A loaded train.so made of host kernels.
class HostModule {
public:
  explicit HostModule(const std::string &kernels, const HostOptions &options = {});
  ~HostModule();
  /// Runs blocks [0, blocks) of a kernel, in two calls.
  void run(const std::string &kernel, int64_t blocks, std::vector<void *> args);

  HostCode code;
  const ampc_module_v1_t *module = nullptr;

private:
  void *library = nullptr;
};

struct bf16 {
  uint16_t bits;
  bf16() = default;
  explicit bf16(float f) {
    uint32_t w;
    std::memcpy(&w, &f, 4);
    bits = std::isnan(f) ? uint16_t(w >> 16 | 0x40) : uint16_t((w + 0x7fff + (w >> 16 & 1)) >> 16);
  }
  operator float() const {
    uint32_t w = uint32_t(bits) << 16;
    float f;
    std::memcpy(&f, &w, 4);
    return f;
  }
};
using f16 = _Float16;

/// Places elements as the arena does.
template <typename T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <typename U>
  Aligned(const Aligned<U> &) {}
  T *allocate(size_t n) {
    return static_cast<T *>(::operator new(n * sizeof(T), std::align_val_t(AMPC_ALIGNMENT)));
  }
  void deallocate(T *p, size_t) { ::operator delete(p, std::align_val_t(AMPC_ALIGNMENT)); }
  bool operator==(const Aligned &) const { return true; }
  bool operator!=(const Aligned &) const { return false; }
};
template <typename T>
using Buffer = std::vector<T, Aligned<T>>;

/// Uniform in [-2, 2), the same in every run.
template <typename T>
Buffer<T> randoms(size_t n, uint32_t seed) {
  Buffer<T> v(n);
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (T &x : v) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    x = T(float(int32_t(state >> 32)) * 0x1p-30f);
  }
  return v;
}

/// Checks |got - want| <= relative |want| + absolute for each element; NaN and
/// infinities must agree.
template <typename T, typename U>
bool compare(const std::string &what, const T &got, const U &want, double relative,
             double absolute = 0) {
  size_t bad = 0, first = 0;
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    double g = double(got[i]), w = double(want[i]);
    bool ok = std::isnan(w)   ? std::isnan(g)
              : std::isinf(w) ? g == w
                              : std::fabs(g - w) <= relative * std::fabs(w) + absolute;
    if (std::isfinite(w) && std::isfinite(g) && w != 0)
      worst = std::max(worst, std::fabs(g - w) / std::fabs(w));
    if (!ok && bad++ == 0)
      first = i;
  }
  char detail[200];
  std::snprintf(detail, sizeof(detail), "%zu of %zu differ; element %zu is %.9g, not %.9g", bad,
                got.size(), first, got.empty() ? 0 : double(got[first]),
                want.empty() ? 0 : double(want[first]));
  std::printf("%-40s worst relative error %.3g\n", what.c_str(), worst);
  return check(bad == 0 && got.size() == want.size(), what, detail);
}

} // namespace ampc::test

#endif // AMPC_TEST_TARGET_TARGETTEST_H
