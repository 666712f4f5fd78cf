//===- Reference.h - Kernels interpreted in f64 -----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_CODEGEN_REFERENCE_H
#define AMPC_TEST_CODEGEN_REFERENCE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <vector>

namespace ampc::test {

/// A tensor's elements, row-major: floats in f64, integers and booleans as they are.
struct Elements {
  mlir::RankedTensorType type;
  std::vector<double> floats;
  std::vector<int64_t> integers;

  explicit Elements(mlir::RankedTensorType type);
  bool isFloat() const;
  size_t size() const { return isFloat() ? floats.size() : integers.size(); }
  /// The bytes of a buffer in memory, and back.
  std::vector<char> toBytes() const;
  static Elements fromBytes(mlir::RankedTensorType type, const char *bytes);
};

/// Runs a function of plan.kernel ops and reshapes, one scalar at a time in f64. Nothing is
/// rounded to a narrower float type.
std::vector<Elements> interpret(mlir::func::FuncOp func, const std::vector<Elements> &arguments);

} // namespace ampc::test

#endif // AMPC_TEST_CODEGEN_REFERENCE_H
