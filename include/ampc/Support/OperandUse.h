//===- OperandUse.h - What an operand is to its op ---------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_OPERANDUSE_H
#define AMPC_SUPPORT_OPERANDUSE_H

namespace ampc {

/// What an operand is to its op, as far as it tells whether an initializer that stands there
/// is learned. docs/Parameters.md says what the import makes of it.
enum class OperandUse {
  Other,       ///< nothing is said
  Weight,      ///< where layers have weights: factors of products, filters, tables, biases
  Elementwise, ///< computed element by element with others: a weight or a constant
  NonZero,     ///< as Elementwise, and 0 must not stand there: divisors, roots, logarithms
  Setting,     ///< chosen and not learned: exponents, epsilons, bounds
  Moved,       ///< the result has the same elements in other places
};

} // namespace ampc

#endif // AMPC_SUPPORT_OPERANDUSE_H
