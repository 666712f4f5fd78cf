//===- PtxParser.h - Reads PTX -----------------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_PTXPARSER_H
#define AMPC_TEST_STANDIN_PTXPARSER_H

#include "PtxProgram.h"

namespace ampc::ptx {

/// The statements of a text. Throws TextError.
Source parse(const std::string &text);

/// The kernels of a text, ready to run. Throws TextError, for an instruction that is
/// not known too.
Module decode(const Source &source);
inline Module load(const std::string &text) { return decode(parse(text)); }

} // namespace ampc::ptx

#endif // AMPC_TEST_STANDIN_PTXPARSER_H
