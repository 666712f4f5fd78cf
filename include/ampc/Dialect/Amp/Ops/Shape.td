//===- Shape.td - Ops that move elements ----------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SHAPE_TD
#define AMPC_DIALECT_AMP_OPS_SHAPE_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_ReshapeOp : Amp_Op<"reshape", [Pure, SameOperandsAndResultElementType, Gradient,
    Kernel, Computes<"Follow">, LinearInAll, Uses<["Moved"]>,
    TakesStoredTypes,
    Onnx<[OnnxOperator<"Reshape">, OnnxOperator<"Flatten">, OnnxOperator<"Squeeze">,
          OnnxOperator<"Unsqueeze">, OnnxSequenceOperator<"Identity">, OnnxOperator<"Shape">,
          OnnxOperator<"Size">, OnnxEstimator<"ZipMap">]>]> {
  let summary = "The same elements in row-major order under another shape";
  let description = [{
    Shapes are known at compile time, so ONNX's questions about them import as constants.
  }];
  let arguments = (ins Amp_Tensor:$input);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let builders = [OpBuilder<(ins "::mlir::Value":$input,
                             "::llvm::ArrayRef<int64_t>":$shape)>];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Amp_TransposeOp : Amp_Op<"transpose", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Follow">, LinearInAll, LayoutByOp, Uses<["Moved"]>, TakesStoredTypes,
    Onnx<[OnnxOperator<"Transpose">, OnnxOperator<"DepthToSpace">,
          OnnxOperator<"SpaceToDepth">]>]> {
  let summary = "Dimension i of the result is dimension permutation[i] of the input";
  let arguments = (ins Amp_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` functional-type($input, $result)";
  let hasFolder = 1;
}

def Amp_BroadcastOp : Amp_Op<"broadcast", [Pure, SameOperandsAndResultElementType,
    Gradient, Kernel, Computes<"Follow">, LinearInAll, AnyOrder, Uses<["Moved"]>,
    TakesStoredTypes,
    Onnx<[OnnxOperator<"Expand", 8>, OnnxOperator<"Tile">,
          OnnxOperator<"ConstantOfShape", 9>]>]> {
  let summary = "Repeats dimensions of extent 1, and adds leading ones, as numpy does";
  let arguments = (ins Amp_Tensor:$input);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let builders = [OpBuilder<(ins "::mlir::Value":$input,
                             "::llvm::ArrayRef<int64_t>":$shape)>];
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_SHAPE_TD
