//===- Sort.td - Elements in order -------------------------*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SORT_TD
#define AMPC_DIALECT_AMP_OPS_SORT_TD

include "ampc/Dialect/Amp/AmpDialect.td"

def Amp_TopKOp : Amp_Op<"top_k", [Pure, InferTypeOpAdaptor, Gradient, Kernel,
    Computes<"Follow">, Onnx<[OnnxOperator<"TopK">]>]> {
  let summary = "The largest elements along an axis, in order, and where they are";
  let description = [{
    Of each line along `axis` the `k` largest elements, the largest first; the smallest, the
    smallest first, if `smallest`. Equal elements stay in their order. NaN is larger than all
    numbers, as for numpy.sort and torch.topk; -0 equals 0.

    Constraints:
    - (top_k_c1) `axis` is a dimension of `input`, with at least `k` elements.
  }];
  let arguments = (ins Amp_Tensor:$input, I64Attr:$k, I64Attr:$axis, UnitAttr:$smallest);
  let results = (outs Amp_Tensor:$values, Amp_I64Tensor:$indices);
  let assemblyFormat = [{
    $k `of` $input `along` $axis attr-dict `:` functional-type($input, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_SORT_TD
