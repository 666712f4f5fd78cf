//===- PrecisionPolicy.h - The lists in force ----------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_PRECISION_PRECISIONPOLICY_H
#define AMPC_LIB_PRECISION_PRECISIONPOLICY_H

#include "ampc/Dialect/Amp/AmpBase.h"

namespace ampc {

/// The lists in force, and what they say of an op.
class PrecisionPolicy {
public:
  /// Failure, after an error at `loc`, for names that are not known.
  static FailureOr<PrecisionPolicy> get(Location loc, StringRef dtype, StringRef lists,
                                        int64_t level);

  struct Decision {
    Precision category;
    std::string reason; ///< where the category comes from
  };
  Decision decide(PrecisionOpInterface op) const;

  FloatType lowType() const { return low; }

  /// Whether the user has taken an operand's vote: its type does not make a promote op f32.
  static bool isVoteless(OpOperand &operand);
  /// Whether an operand takes part in deciding the type of a promote op; as the function of that
  /// name, but that PyTorch's constants do.
  bool hasVote(Value operand) const;

private:
  FloatType low;
  PrecisionProfile profile;
  int64_t level = 1;
};

/// Float operands of `op` whose type the policy decides (`OperandPrecision::Computed`).
SmallVector<OpOperand *> computedOperands(PrecisionOpInterface op);

/// Whether an operand takes part in deciding the type of a promote op: rank 0 and
/// constants do not.
bool hasVote(Value operand);

/// Whether the user asked for the precision of `op`, or the import did for what it spells out.
bool isDecidedByUser(Operation *op);

/// Gives the results of `op` the types that follow from those of its operands. Failure after an
/// error.
LogicalResult inferResultTypes(Operation *op);

} // namespace ampc

#endif // AMPC_LIB_PRECISION_PRECISIONPOLICY_H
