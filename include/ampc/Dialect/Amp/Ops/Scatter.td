//===- Scatter.td - Elements put where indices say ---------*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SCATTER_TD
#define AMPC_DIALECT_AMP_OPS_SCATTER_TD

include "ampc/Dialect/Amp/AmpDialect.td"

class Amp_ByIndices<string mnemonic, list<Trait> traits = []>
    : Amp_Op<mnemonic, traits # [Pure, Kernel]> {
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 1 ? ::ampc::OperandPrecision::Given
                        : ::ampc::OperandPrecision::Computed;
    }
  }];
}

class Amp_Scattering<string mnemonic, list<Trait> traits = []>
    : Amp_ByIndices<mnemonic, traits # [InferTypeOpAdaptor, Computes<"Promote">,
          DeclareOpInterfaceMethods<BatchCheckOpInterface>]> {
  let description = [{
    Update [a, i, b] goes to [a, indices[a, i, b], b] of the result, where a stands for the
    dimensions before `axis` and b for those behind it. Several that go to one place do so in
    the order of i, so that two runs give the same bits; f16 and bf16 are merged in f32 and
    rounded once. Negative indices count from the end. An index out of range fails the batch
    check, and its update is left out.

    Constraints:
    - (scatter_c1) `axis` is a dimension of `input`.
    - (scatter_c2) `updates` and `indices` have one shape, with extents up to those of `input`
      along the other dimensions; there `indices` may have 1 for all.
    - (scatter_c3) an index known at compile time is in range.
  }];
  let arguments = (ins Amp_Tensor:$input, Amp_IndexTensor:$indices, Amp_Tensor:$updates,
                   I64Attr:$axis);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $updates `into` $input `[` $indices `]` `along` $axis attr-dict
    `:` functional-type(operands, results)
  }];
}

def Amp_ScatterOp : Amp_Scattering<"scatter", [Gradient, Onnx<[
    OnnxOperator<"ScatterElements", 11>, OnnxOperator<"Scatter", 9, 10>,
    OnnxOperator<"ScatterND", 11>, OnnxOperator<"MaxUnpool", 9>,
    OnnxOperator<"TensorScatter", 24>]>]> {
  let summary = "Elements replaced; the last update of a place stays";
}

def Amp_ScatterAddOp : Amp_Scattering<"scatter_add", [Gradient]> {
  let summary = "Elements increased by updates";
}

def Amp_ScatterMulOp : Amp_Scattering<"scatter_mul", [Gradient]> {
  let summary = "Elements multiplied by updates";
}

def Amp_ScatterMaxOp : Amp_Scattering<"scatter_max", [Gradient]> {
  let summary = "The largest of elements and updates; NaN where one is";
  // Its gradient, as torch.scatter_reduce's, is shared by all that are equal to the result.
}

def Amp_ScatterMinOp : Amp_Scattering<"scatter_min", [Gradient]> {
  let summary = "The smallest of elements and updates; NaN where one is";
}

def Amp_ScatterUpdatesGradOp : Amp_ByIndices<"scatter_updates_grad", [
    InferTypeOpAdaptor, Computes<"Follow">]> {
  let summary = "Gradient of amp.scatter by its updates";
  let description = [{
    The gradient at the place of each update that is the last one of its place; 0 for others,
    and for those whose index is out of range.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `[` $indices `]` `along` $axis attr-dict `:` functional-type(operands, results)
  }];
}

def Amp_GatherElementsOp : Amp_ByIndices<"gather_elements", [InferTypeOpAdaptor, Gradient,
    Computes<"Follow">, Onnx<[OnnxOperator<"GatherElements", 11>]>, TakesStoredTypes,
    DeclareOpInterfaceMethods<BatchCheckOpInterface>]> {
  let summary = "Elements along an axis, each chosen by an index of its own";
  let description = [{
    `result[a, i, b] = input[a, indices[a, i, b], b]`, where a stands for the dimensions before
    `axis` and b for those behind it. Negative indices count from the end. An index out of
    range fails the batch check; its element is NaN, or the nearest one where the elements are
    no floats.

    Constraints: those of amp.scatter, `result` in the place of `updates`.
  }];
  let arguments = (ins Amp_Tensor:$input, Amp_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `[` $indices `]` `along` $axis attr-dict `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_SCATTER_TD
