//===- GemmDispatch.cpp - Which kernels this processor has ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/GemmDispatch.h"

#include "Core/CpuFeatures.h"
#include "Core/Error.h"
#include "ampc-runtime/module_format.h"

#include <cstdlib>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

namespace ampc {

#if defined(__x86_64__)
#define AMPC_AVX2 "avx2,fma,f16c"
#define AMPC_AVX512 AMPC_AVX2 ",avx512f,avx512vl,avx512bw,avx512dq"
#endif

// Intel's processors take four times as long for vdpbf16ps as for vfmadd231ps,
// which has half its products (measured with AMX beside it).
static constexpr GemmLevel kLevels[] = {
    {"baseline", "", &baseline::gemmKernels, nullptr, false, nullptr},
#if defined(__x86_64__)
    {"avx2", AMPC_AVX2, &avx2::gemmKernels, nullptr, false, nullptr},
    {"avx512", AMPC_AVX512, &avx512::gemmKernels, nullptr, false, nullptr},
    {"avx512bf16", AMPC_AVX512 ",avx512bf16", &avx512::gemmKernels, &avx512bf16::pairKernels, false,
     "AuthenticAMD"},
    {"amx", AMPC_AVX512 ",amx-tile,amx-bf16", &avx512::gemmKernels, &amx::tileKernels, true,
     nullptr},
#endif
};

static const char *namedByEnvironment() {
  const char *name = std::getenv("AMPC_HOST_PRODUCTS");
  return name ? name : "";
}

/// The number of levels up to the one that the environment names.
static size_t countAllowed() {
  std::string_view most = namedByEnvironment();
  if (most.empty())
    return std::size(kLevels);
  std::string names;
  for (size_t i = 0; i != std::size(kLevels); ++i) {
    if (most == kLevels[i].name)
      return i + 1;
    names += concat(i ? ", " : "", kLevels[i].name);
  }
  throw Error(AMPC_STATUS_INVALID_ARGUMENT,
              concat("AMPC_HOST_PRODUCTS is '", most, "': give one of ", names));
}

/// Asks for the registers of tiles. The system may refuse, for instance where a
/// thread has a stack for signals that cannot hold them.
static bool mayUseTiles() {
#if defined(__x86_64__)
  constexpr int kAskPermission = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kAskPermission, kTileData) == 0;
#else
  return false;
#endif
}

static bool isUsable(const GemmLevel &level) {
  return missingCpuFeatures(level.features).empty() && (!level.usesTiles || mayUseTiles());
}

std::vector<GemmLevel> usableGemmLevels() {
  std::vector<GemmLevel> levels;
  size_t count = countAllowed();
  for (size_t i = 0; i != count; ++i)
    if (isUsable(kLevels[i]))
      levels.push_back(kLevels[i]);
  return levels;
}

/// The widest level of which `matters` holds.
template <class Condition>
static const GemmLevel *findWidest(Condition matters) {
  for (size_t i = countAllowed(); i-- != 0;)
    if (matters(kLevels[i]) && isUsable(kLevels[i]))
      return &kLevels[i];
  return nullptr;
}

// Asked once: in a virtual machine the processor answers in tens of
// microseconds.
static const GemmKernelSet &widestKernels() {
  static const GemmLevel *level = findWidest([](const GemmLevel &l) { return !l.usesTiles; });
  return *level->kernels;
}

static const GemmKernels<float> *widestForBF16() {
  static const GemmLevel *level = findWidest([](const GemmLevel &l) {
    bool gains =
        !l.vendor || l.vendor == cpuVendor() || std::string_view(l.name) == namedByEnvironment();
    return l.bf16 && gains;
  });
  return level ? level->bf16 : nullptr;
}

template <>
const GemmKernels<float> &pickGemmKernels<float>(uint32_t lhs, uint32_t rhs) {
  if (lhs == AMPC_DTYPE_BF16 && rhs == AMPC_DTYPE_BF16)
    if (const GemmKernels<float> *kernels = widestForBF16())
      return *kernels;
  return widestKernels().f32;
}

template <>
const GemmKernels<double> &pickGemmKernels<double>(uint32_t, uint32_t) {
  return widestKernels().f64;
}

} // namespace ampc
