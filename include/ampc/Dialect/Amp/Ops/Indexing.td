//===- Indexing.td - Elements chosen by indices ---------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_INDEXING_TD
#define AMPC_DIALECT_AMP_OPS_INDEXING_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_GatherOp : Amp_Op<"gather", [Pure, InferTypeOpAdaptor, PartialGradient, Kernel,
    Computes<"Follow">, LinearInAll, Uses<["Weight", "Other"]>, TakesStoredTypes,
    Onnx<[OnnxOperator<"Gather">, OnnxOperator<"GatherND", 11>, OnnxOperator<"Compress", 9>,
          OnnxEstimator<"ArrayFeatureExtractor">]>,
    DeclareOpInterfaceMethods<BatchCheckOpInterface>]> {
  let summary = "Slices along an axis, chosen by indices";
  let description = [{
    `result[a, i, b] = input[a, indices[i], b]`, where a stands for the dimensions before
    `axis`, b for those behind it and i for all of `indices`. Of an axis of extent n, index
    -1 is the last element and -n the first.

    An index outside of [-n, n) fails the batch check; its slice is NaN,
    or the nearest one where the elements are no floats.

    Constraints:
    - (gather_c1) `axis` is a dimension of `input`.
    - (gather_c2) there is an element to choose where there are indices.
    - (gather_c3) an index known at compile time is in range.
  }];
  let arguments = (ins Amp_Tensor:$input, Amp_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `[` $indices `]` `along` $axis attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 1 ? ::ampc::OperandPrecision::Given
                        : ::ampc::OperandPrecision::Computed;
    }
  }];
}

def Amp_GatherGradOp : Amp_Op<"gather_grad", [Pure, Kernel, Computes<"Deny">]> {
  let summary = "Gradient of amp.gather by its input: adds slices up where they came from";
  let description = [{
    `result[a, j, b]` is the sum of `gradient[a, i, b]` over all i with `indices[i] == j`,
    in the order of i: the same bits in every run. Summed in f32 for f16 and bf16 and
    rounded once to the result's type, which is one of its own. An index out of range adds
    to the nearest slice.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `[` $indices `]` `along` $axis attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned) {
      return ::ampc::OperandPrecision::Given;
    }
  }];
}

def Amp_ReverseSequenceOp : Amp_Op<"reverse_sequence", [Pure, InferTypeOpAdaptor,
    PartialGradient, Kernel, Computes<"Follow">, LinearInAll,
    Onnx<[OnnxOperator<"ReverseSequence", 10>]>]> {
  let summary = "The first elements along an axis the other way round";
  let description = [{
    Of batch entry b, the first `lengths[b]` elements along `time_axis`; the others stay. A length
    above the extent counts as the extent.

    Constraints:
    - (reverse_sequence_c1) the axes are two dimensions of `input`.
    - (reverse_sequence_c2) there is a length for each batch entry.
  }];
  let arguments = (ins Amp_Tensor:$input, Amp_I64Tensor:$lengths, I64Attr:$time_axis,
                   I64Attr:$batch_axis);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `lengths` $lengths `along` $time_axis `batch` $batch_axis attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 1 ? ::ampc::OperandPrecision::Given
                        : ::ampc::OperandPrecision::Computed;
    }
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_INDEXING_TD
