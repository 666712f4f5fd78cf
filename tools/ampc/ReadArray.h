//===- ReadArray.h - Arrays of numpy that fix inputs ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_READARRAY_H
#define AMPC_TOOLS_AMPC_READARRAY_H

#include <cstdint>
#include <string>
#include <vector>

namespace ampc {
/// ImportOptions::readArray: by the reader that ampc-run has, and so by its rules: f64 is rounded
/// to f32, integers convert where they fit.
std::string readArray(const std::string &file, int32_t dataType, std::vector<int64_t> &shape,
                      std::string &bytes);
} // namespace ampc

#endif // AMPC_TOOLS_AMPC_READARRAY_H
