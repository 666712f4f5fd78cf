//===- VerifyPrecision.cpp - Check the types that ops compute in ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PrecisionPolicy.h"
#include "ampc/Precision/Passes.h"
#include "mlir/IR/TypeUtilities.h"

namespace ampc {
#define GEN_PASS_DEF_VERIFYPRECISION
#include "ampc/Precision/Passes.h.inc"

namespace {
struct VerifyPrecision : impl::VerifyPrecisionBase<VerifyPrecision> {
  using VerifyPrecisionBase::VerifyPrecisionBase;

  void runOnOperation() override {
    FailureOr<PrecisionPolicy> policy =
        PrecisionPolicy::get(getOperation().getLoc(), dtype, lists, level);
    if (failed(policy))
      return signalPassFailure();
    bool ok = true;
    getOperation().walk([&](PrecisionOpInterface op) { ok &= verify(op, *policy); });
    if (!ok)
      signalPassFailure();
  }

  bool verify(PrecisionOpInterface op, const PrecisionPolicy &policy) {
    auto width = [](Value v) { return getElementTypeOrSelf(v.getType()).getIntOrFloatBitWidth(); };
    for (OpOperand &operand : op->getOpOperands()) {
      unsigned i = operand.getOperandNumber();
      if (op.getOperandPrecision(i) != OperandPrecision::Full ||
          !isa<FloatType>(getElementTypeOrSelf(operand.get().getType())) ||
          width(operand.get()) >= 32)
        continue;
      op->emitOpError("takes operand ") << i << " in f32 and is given " << operand.get().getType();
      return false; // precision_c3
    }
    SmallVector<OpOperand *> operands = computedOperands(op);
    if (operands.empty())
      return true;
    Type first = getElementTypeOrSelf(operands.front()->get().getType());
    for (OpOperand *operand : operands) {
      Type type = getElementTypeOrSelf(operand->get().getType());
      if (type == first)
        continue;
      op->emitOpError("reads operands in ") << first << " and in " << type;
      return false; // precision_c1
    }
    PrecisionPolicy::Decision decision = policy.decide(op);
    if (decision.category == Precision::Deny && width(operands.front()->get()) < 32) {
      op->emitOpError("computes in f32 (") << decision.reason << ") and reads " << first;
      return false; // precision_c2
    }
    return true;
  }
};
} // namespace
} // namespace ampc
