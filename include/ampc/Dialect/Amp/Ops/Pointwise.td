//===- Pointwise.td - What ops on single elements share -- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_POINTWISE_TD
#define AMPC_DIALECT_AMP_OPS_POINTWISE_TD

include "ampc/Dialect/Amp/AmpDialect.td"

// Precision: an op that is exact in any float type follows its operand; one with several
// operands promotes them, as they must agree.

class Amp_UnaryOp<string mnemonic, list<Trait> traits, Type type = Amp_FloatTensor,
                  string use = "Elementwise">
    : Amp_Op<mnemonic, traits # [Pure, SameOperandsAndResultType, Kernel, AnyOrder, Uses<[use]>]> {
  let arguments = (ins type:$input);
  let results = (outs type:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

class Amp_BinaryOp<string mnemonic, list<Trait> traits, Type type = Amp_Tensor,
                   TraitList uses = Uses<["Elementwise"]>>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Gradient, Kernel, AnyOrder, uses]> {
  let description = [{
    Operands of one element type broadcast to a common shape, as numpy's do.
  }];
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs type:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_POINTWISE_TD
