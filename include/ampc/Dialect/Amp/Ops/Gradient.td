//===- Gradient.td - The request for gradients ----------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_GRADIENT_TD
#define AMPC_DIALECT_AMP_OPS_GRADIENT_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_GradientOp : Amp_Op<"gradient", [Pure, AttrSizedOperandSegments,
    Onnx<[OnnxOperator<"Gradient", 1, 1, "ai.onnx.preview.training">,
          OnnxOperator<"ampc.Gradient", 1, 1, "com.microsoft">]>]> {
  let summary = "Asks for the derivatives of a value";
  let description = [{
    Result i is d(sum of `seed` * `of`) / d(wrt[i]), with `seed` all ones where it is
    absent, in f32 (f64 for f64). The pass `amp-differentiate` replaces it.
  }];
  let arguments = (ins Amp_FloatTensor:$of, Optional<Amp_FloatTensor>:$seed,
                   Variadic<Amp_FloatTensor>:$wrt);
  let results = (outs Variadic<Amp_FloatTensor>:$gradients);
  let assemblyFormat = [{
    $of (`seed` $seed^ `:` type($seed))? `wrt` `(` $wrt `)` attr-dict
    `:` type($of) `,` functional-type($wrt, $gradients)
  }];
  let extraClassDeclaration = [{
    /// Replaces the op by what computes its results. No gradient passes through `before`, where it is
    /// given, nor through ops in front of it. Failure after an error.
    ::llvm::LogicalResult expand(::mlir::Operation *before = nullptr);
  }];
  let hasVerifier = 1;
}

#endif // AMPC_DIALECT_AMP_OPS_GRADIENT_TD
