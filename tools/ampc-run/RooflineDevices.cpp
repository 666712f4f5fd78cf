//===- RooflineDevices.cpp - What GPUs do at most -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RooflineDevices.h"

const std::array<ampc::run::RooflineDevice, 3> &ampc::run::rooflineDevices() {
  // From the NVIDIA H100 Tensor Core GPU Architecture whitepaper (SXM5; the H200 has the same
  // processors), the H200 data sheet (memory) and the A100 80GB data sheet (SXM4).
  static constexpr std::array<RooflineDevice, 3> devices = {{
      {"h100", "H100 SXM 80 GB", 3.35e12, 989.4e12, 66.9e12, 66.9e12, 33.5e12},
      {"h200", "H200 SXM 141 GB", 4.8e12, 989.4e12, 66.9e12, 66.9e12, 33.5e12},
      {"a100", "A100 SXM 80 GB", 2.039e12, 312e12, 19.5e12, 19.5e12, 9.7e12},
  }};
  return devices;
}
