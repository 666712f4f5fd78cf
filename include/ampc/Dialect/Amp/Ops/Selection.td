//===- Selection.td - As many results as the values decide -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_SELECTION_TD
#define AMPC_DIALECT_AMP_OPS_SELECTION_TD

include "ampc/Dialect/Amp/AmpDialect.td"

// How many results there are the values decide; shapes are static, so the model declares it:
// `size`. The op's last result, of rank 0, is how many there really are. Where that differs the
// batch check fails (AMPC_FLAG_SIZE_DIFFERS); the other results are of no use then.
class Amp_Selection<string mnemonic, list<Trait> traits>
    : Amp_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor, Kernel,
                                 DeclareOpInterfaceMethods<BatchCheckOpInterface>]>;

def Amp_TruePlacesOp : Amp_Selection<"true_places", [Computes<"Follow">]> {
  let summary = "Where the elements of a list are true, in ascending order";
  let description = [{
    Constraints:
    - (true_places_c1) `input` has rank 1; `size` is at most its extent.
  }];
  let arguments = (ins Amp_BoolTensor:$input, I64Attr:$size);
  let results = (outs Amp_I64Tensor:$places, Amp_I64Tensor:$count);
  let assemblyFormat = "$size `of` $input attr-dict `:` functional-type($input, results)";
}

def Amp_UniqueOp : Amp_Selection<"unique", [Computes<"Follow">,
    Onnx<[OnnxOperator<"Unique", 11>]>]> {
  let summary = "Which rows differ from all before them";
  let description = [{
    `firsts` has the first row of each kind, `kinds` the kind that each row is of, and `counts` how
    many rows a kind has. Kinds ascend, element by element, if `sorted`; else they stand in the
    order of their first rows. NaN equals NaN, and is above all numbers.

    Rows of one element are sorted; longer ones are each compared with all others.

    Constraints:
    - (unique_c1) `input` is [rows, elements]; `size` is at most the number of rows.
  }];
  let arguments = (ins Amp_Tensor:$input, I64Attr:$size, UnitAttr:$sorted);
  let results = (outs Amp_I64Tensor:$firsts, Amp_I64Tensor:$kinds, Amp_I64Tensor:$counts,
                      Amp_I64Tensor:$count);
  let assemblyFormat = "$size `of` $input attr-dict `:` functional-type($input, results)";
}

def Amp_NonMaxSuppressionOp : Amp_Selection<"non_max_suppression", [Computes<"Deny">,
    Onnx<[OnnxOperator<"NonMaxSuppression", 10>]>]> {
  let summary = "The boxes of each class that overlap with none of higher score";
  let description = [{
    Of `boxes` [n, b, 4] and `scores` [n, c, b]: for each image and class up to `limit` boxes, from
    the highest score down, of equal ones the first; of those whose score is above
    `score_threshold`, where that is given, each that has no intersection over union above
    `iou_threshold` with one chosen before. `selected` [size, 3] has image, class and box. A box is
    two opposite corners, y, x, y, x, or with `center` x, y, width and height.

    Constraints:
    - (non_max_suppression_c1) the shapes are as above, those of the bounds [].
  }];
  let arguments = (ins Amp_FloatTensor:$boxes, Amp_FloatTensor:$scores, Amp_I64Tensor:$limit,
                   Amp_FloatTensor:$iou_threshold, Optional<Amp_FloatTensor>:$score_threshold,
                   I64Attr:$size, UnitAttr:$center);
  let results = (outs Amp_I64Tensor:$selected, Amp_I64Tensor:$count);
  let assemblyFormat = [{
    $size `of` $boxes `,` $scores `up` `to` $limit `iou` $iou_threshold
    (`above` $score_threshold^)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif // AMPC_DIALECT_AMP_OPS_SELECTION_TD
