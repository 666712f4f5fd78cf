//===- Roofline.h - The least time of a plan on a GPU ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_ROOFLINE_H
#define AMPC_RUN_ROOFLINE_H

#include "Json.h"
#include "RooflineDevices.h"

#include <string>

namespace ampc::run {

/// Adds to the runtime's description of a module for CUDA: to each of its `steps` the least time
/// of one run and what limits it, and `roofline`, the totals. Throws std::exception where it is not
/// the description it should be.
void addRoofline(Json &module, const RooflineDevice &device);

/// What addRoofline() added as text: a table of the steps, equal ones together and the longest
/// first, then the totals.
std::string rooflineText(const Json &module);

} // namespace ampc::run

#endif // AMPC_RUN_ROOFLINE_H
