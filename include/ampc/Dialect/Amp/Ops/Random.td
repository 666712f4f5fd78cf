//===- Random.td - Ops that draw random numbers ---------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_RANDOM_TD
#define AMPC_DIALECT_AMP_OPS_RANDOM_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_DropoutOp : Amp_Op<"dropout", [Pure, InferTypeOpAdaptor, PartialGradient, Kernel,
    Computes<"Follow">, Onnx<[OnnxTrainingOperator<"Dropout", 1, 0>]>,
    DeclareOpInterfaceMethods<TrainingModeOpInterface>]> {
  let summary = "Keeps each element with probability 1 - ratio";
  let description = [{
    `output = mask ? input / (1 - ratio) : 0`. Whether element i is kept is a function of
    (seed, attempt, stream, i) alone, so the gradient draws the same mask again and
    nothing is stored. In inference the identity.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_I64Scalar:$seed, Amp_I64Scalar:$attempt,
                   F64Attr:$ratio, I64Attr:$stream);
  let results = (outs Amp_FloatTensor:$output, Amp_BoolTensor:$mask);
  let assemblyFormat = [{
    $input `seed` $seed `attempt` $attempt attr-dict `:` type($input)
  }];
  let extraClassDeclaration = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned) {
      return ::ampc::OperandPrecision::Given;
    }
  }];
}

def Amp_RandomOp : Amp_Op<"random", [Pure, Kernel,
    Onnx<[OnnxOperator<"RandomUniform">, OnnxOperator<"RandomUniformLike">,
          OnnxOperator<"RandomNormal">, OnnxOperator<"RandomNormalLike">,
          OnnxOperator<"Bernoulli", 15>, OnnxOperator<"Multinomial", 7>]>]> {
  let summary = "Numbers that are equally likely in [0, 1)";
  let description = [{
    Multiples of 2^-24, each a function of (seed, attempt, stream, its place) alone, as for
    amp.dropout: the same whatever precision is computed in. Other distributions import as
    functions of them.
  }];
  let arguments = (ins Amp_I64Scalar:$seed, Amp_I64Scalar:$attempt, I64Attr:$stream);
  let results = (outs StaticShapeTensorOf<[F32]>:$result);
  let assemblyFormat = "`seed` $seed `attempt` $attempt attr-dict `:` type($result)";
}

#endif // AMPC_DIALECT_AMP_OPS_RANDOM_TD
