//===- BatchReduction.td - What becomes of samples ------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_BATCHREDUCTION_TD
#define AMPC_DIALECT_AMP_BATCHREDUCTION_TD

include "mlir/IR/OpBase.td"

def BatchReductionOpInterface : OpInterface<"BatchReductionOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    An op that reduces its first operand. By that it is known whether a loss grows with the batch.
  }];
  let methods = [
    InterfaceMethod<[{
        Whether the result is a sum over the leading dimension of the first operand, not a mean;
        nullopt where that dimension is kept.
      }],
      "::std::optional<bool>", "addsUpSamples">
  ];
}

#endif // AMPC_DIALECT_AMP_BATCHREDUCTION_TD
