//===- Sequence.td - Lists of tensors at import -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SEQUENCE_TD
#define AMPC_DIALECT_AMP_OPS_SEQUENCE_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_SequenceOp : Amp_Op<"sequence", [Pure,
    Onnx<[OnnxSequenceOperator<"SequenceConstruct", 11>,
          OnnxSequenceOperator<"SequenceEmpty", 11>,
          OnnxSequenceOperator<"SequenceInsert", 11>,
          OnnxSequenceOperator<"SequenceErase", 11>,
          OnnxSequenceOperator<"SequenceAt", 11>,
          OnnxSequenceOperator<"SequenceLength", 11>,
          OnnxSequenceOperator<"SplitToSequence", 11>,
          OnnxSequenceOperator<"ConcatFromSequence", 11>,
          OnnxSequenceOperator<"SequenceMap", 17>,
          OnnxSequenceOperator<"Loop">,
          OnnxOperator<"Scan", 8>]>]> {
  let summary = "A list of tensors, while a file is imported";
  let description = [{
    What ONNX calls a sequence, as one value: it is carried by loops and given by branches as a
    tensor is. Operators on sequences look at the op that made their operand, so that a
    position must be known at compile time; once a graph is imported, nothing reads one any
    more, and all are gone.

    `Loop`, `Scan` and `SequenceMap` are their iterations, written out: what they give for each
    is a list.

    Constraints:
    - (sequence_c1) the tuple has the types of the elements.
  }];
  let arguments = (ins Variadic<Amp_Tensor>:$elements);
  let results = (outs AnyTuple:$result);
  let assemblyFormat = "$elements attr-dict `:` functional-type($elements, $result)";
  let builders = [OpBuilder<(ins "::mlir::ValueRange":$elements)>];
  let hasVerifier = 1;
}

def Amp_SplitOp : Amp_Op<"split", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Follow">, LinearInAll, AnyOrderAlongAxis, Uses<["Moved"]>]> {
  let summary = "Parts of a tensor, one behind the other along an axis";
  let description = [{
    The gradient is what those of the parts are together: of as many slices it would be a sum of
    tensors that are zero but for one part, work that grows with the square of their number.

    Constraints:
    - (split_c1) there is a part, and `sizes` make up the extent of `axis`.
  }];
  let arguments = (ins Amp_Tensor:$input, I64Attr:$axis, DenseI64ArrayAttr:$sizes);
  let results = (outs Variadic<Amp_Tensor>:$parts);
  let assemblyFormat = [{
    $input $sizes `along` $axis attr-dict `:` functional-type($input, $parts)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_SEQUENCE_TD
