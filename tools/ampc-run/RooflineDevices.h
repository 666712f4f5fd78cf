//===- RooflineDevices.h - What GPUs do at most ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_ROOFLINEDEVICES_H
#define AMPC_RUN_ROOFLINEDEVICES_H

#include <array>

namespace ampc::run {

/// What a GPU does in a second at most, by its vendor. These are peaks and not what good programs
/// reach (an H200 was seen to copy at 4.3 of its 4.8 TB/s): that depends on shapes, data and
/// clocks, and a time that a program can beat is no least one.
struct RooflineDevice {
  const char *name;  ///< on the command line
  const char *title; ///< the product
  double memory;     ///< bytes of its own memory, read and written together
  // Floating-point operations; a fused multiply-add is two.
  double lowProducts; ///< products of f16 or bf16: tensor cores, no sparsity
  double f32;         ///< products and kernels: no f32 is computed in TF32
  double f64Products; ///< tensor cores
  double f64;         ///< kernels
};

/// The GPUs that --roofline knows.
const std::array<RooflineDevice, 3> &rooflineDevices();

/// Seconds that a kernel in a CUDA graph takes which does next to nothing and waits for the one
/// before: 70 us for a graph of 80 (documentation of CUDA.jl, "Graphs", on a GPU that it does not
/// name). It was not measured on the devices here.
constexpr double secondsPerLaunch = 0.875e-6;

} // namespace ampc::run

#endif // AMPC_RUN_ROOFLINEDEVICES_H
