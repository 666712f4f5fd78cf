//===- CpuFeatures.h - What this machine's processor can do -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_CPUFEATURES_H
#define AMPC_RUNTIME_CORE_CPUFEATURES_H

#include <string>
#include <string_view>
#include <vector>

namespace ampc {

/// Whether processor and system offer `feature`, named as LLVM names it
/// ("avx2", "fma", "avx512f", ...). False for a name not known here.
bool hasCpuFeature(std::string_view feature);

/// Who made the processor, as it says itself: "AuthenticAMD", "GenuineIntel", ..; ""
/// where that is not known.
std::string cpuVendor();

/// Those of the comma-separated `features` that are missing here.
std::vector<std::string> missingCpuFeatures(std::string_view features);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_CPUFEATURES_H
