//===- Resampling.td - Weighted sums of elements along axes -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_RESAMPLING_TD
#define AMPC_DIALECT_AMP_OPS_RESAMPLING_TD

include "ampc/Dialect/Amp/AmpDialect.td"

class Amp_Resampling<string mnemonic, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Gradient, Kernel, LinearByOp,
                                 Uses<["Moved"]>]> {
  let description = [{
    Each of `axes` has a table: the result has `sizes` elements along it, and each of them the
    sources `sources[starts[i] .. starts[i + 1])` along that axis of the input, with `weights`. An
    element of the result is the sum, over all combinations of its sources, of the input's element
    times the product of the weights; `fill` where it has no source along some axis. Tables stand
    one behind the other. Accumulates in f32 for f16 and bf16. The gradient has the transposed
    tables, so nothing is scattered.

    Constraints:
    - (resample_c1) axes ascend; a table has sizes + 1 starts, from 0 on, which do not descend.
    - (resample_c2) sources lie within the input's axis, and have a weight each.
    - (resample_c3) elements that are no floats have one source at most, of weight 1.
  }];
  let arguments = (ins Amp_Tensor:$input, DenseI64ArrayAttr:$axes, DenseI64ArrayAttr:$sizes,
                   DenseI64ArrayAttr:$starts, DenseI64ArrayAttr:$sources,
                   DenseF64ArrayAttr:$weights, DefaultValuedAttr<F64Attr, "0.0">:$fill);
  let results = (outs Amp_Tensor:$result);
  let assemblyFormat = [{
    $input `along` $axes `size` $sizes `starts` $starts `sources` $sources `weights` $weights
    attr-dict `:` functional-type($input, $result)
  }];
}

def Amp_ResampleOp : Amp_Resampling<"resample", [Computes<"Promote">,
                                                 Onnx<[OnnxOperator<"Col2Im", 18>, OnnxOperator<"DFT", 17>, OnnxOperator<"STFT", 17>]>]> {
  let summary = "Sums of elements along axes by tables: pads, windows put side by side or added up";
}

def Amp_ResizeOp : Amp_Resampling<"resize", [Computes<"Promote", "Deny">,
    Onnx<[OnnxOperator<"Resize", 10>, OnnxOperator<"Upsample", 1, 9>]>]> {
  let summary = "An image interpolated to another size";
}

#endif // AMPC_DIALECT_AMP_OPS_RESAMPLING_TD
