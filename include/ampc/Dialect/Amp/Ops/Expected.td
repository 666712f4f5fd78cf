//===- Expected.td - What a batch must say of shapes ----- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_EXPECTED_TD
#define AMPC_DIALECT_AMP_OPS_EXPECTED_TD

include "ampc/Dialect/Amp/AmpDialect.td"

/// A yes or no of the batch.
def Amp_BoolScalar : Amp_Scalar<I1, "i1", "getI1Type">;

def Amp_ExpectOp : Amp_Op<"expect", [Pure, AllTypesMatch<["input", "result"]>,
    Gradient, Kernel, Computes<"Follow">, LinearInFirst, AnyOrder, Uses<["Moved", "Other"]>,
    TakesStoredTypes, DeclareOpInterfaceMethods<BatchCheckOpInterface>]> {
  let summary = "The input, of a batch in which something holds";
  let description = [{
    Operands that give a shape may come with the batch; memory is planned, so the result has the
    shape that the model declares, and `holds` says whether the batch gives that one. Where it does
    not, the batch check fails (AMPC_FLAG_SHAPE_DIFFERS); the result is of no use then.
  }];
  let arguments = (ins Amp_Tensor:$input, Amp_BoolScalar:$holds);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$input `where` $holds attr-dict `:` type($input)";
  let hasFolder = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_EXPECTED_TD
