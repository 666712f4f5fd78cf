//===- CodeSize.h - How much code a kernel becomes -------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_CODESIZE_H
#define AMPC_LIB_CODEGEN_CODESIZE_H

#include "ampc/Codegen/Passes.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "mlir/IR/Operation.h"

namespace ampc::codegen {

/// What it takes to declare, load and convert a parameter.
constexpr int64_t kLinesOfParameter = 3;

/// About how many lines of PTX an operation of a gpu.func becomes, with all in its regions.
int64_t estimateLines(mlir::Operation *op);

/// About how many lines the ops of a kernel take for one point.
int64_t estimateLines(const plan::IterationStructure &s);

/// How often a schedule may write out the code of a point, `wanted` times if that is not too
/// much code; at least once.
int64_t limitCopies(const plan::IterationStructure &s, int64_t wanted);
/// As many of `lanes`, a power of 2, as limitCopies allows.
int64_t limitLanes(const plan::IterationStructure &s, int64_t lanes);
/// How many steps of `lanes` points each a loop does at once, `wanted` where they are short.
/// The order of sums does not depend on it.
int64_t limitUnroll(const plan::IterationStructure &s, int64_t lanes, int64_t wanted);

/// The most tensors, of `buffers` buffers each, that one kernel finds its way among: each
/// buffer is a parameter that is loaded, converted and chosen.
constexpr size_t mostMembers(size_t buffers) { return (kMostLines - 300) / (3 * buffers + 2); }

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_CODESIZE_H
