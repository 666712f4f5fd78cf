//===- Roi.td - Regions of interest brought to one size ----*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_OPS_ROI_TD
#define AMPC_DIALECT_AMP_OPS_ROI_TD

include "ampc/Dialect/Amp/AmpDialect.td"

// Regions are [r, 4], of which each is x1, y1, x2, y2, and `images` [r] says which image each is
// of. Places in images are in f32 whatever the elements are in.
class Amp_OfRegions<string mnemonic, list<Trait> traits = []>
    : Amp_Op<mnemonic, traits # [Pure, Kernel]> {
  code forward = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned index) {
      return index == 0 ? ::ampc::OperandPrecision::Computed : ::ampc::OperandPrecision::Given;
    }
  }];
  code given = [{
    ::ampc::OperandPrecision getOperandPrecision(unsigned) {
      return ::ampc::OperandPrecision::Given;
    }
  }];
}

def Amp_RoiAlignOp : Amp_OfRegions<"roi_align", [InferTypeOpAdaptor, PartialGradient,
    Computes<"Promote">, LinearByOp, Onnx<[OnnxOperator<"RoiAlign", 10>]>,
    DeclareOpInterfaceMethods<BatchCheckOpInterface>]> {
  let summary = "Means of samples of the bins of each region";
  let description = [{
    A region, times `scale`, has `height` by `width` bins; with `half_pixel` element i lies at
    i + 0.5, without a region spans one element at least. A bin has `samples` by `samples` samples,
    or, where that is 0, one for each element that it spans along an axis, rounded up. A sample is
    interpolated between the elements around it; one more than an element outside of the image is
    0. Accumulates in f32 for f16 and bf16. There is no gradient by the regions.

    An image out of range, which negative ones are too, fails the batch check, and one is read.

    Constraints:
    - (roi_align_c1) `input` is [n, c, h, w] with elements, `rois` [r, 4], `images` [r].
    - (roi_align_c2) there is a bin at least along each axis; `samples` is not negative.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$rois, Amp_IndexTensor:$images,
                   I64Attr:$height, I64Attr:$width, I64Attr:$samples, F64Attr:$scale,
                   UnitAttr:$half_pixel);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $input `in` $rois `of` $images `size` $height `by` $width `samples` $samples
    `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = forward;
}

def Amp_RoiAlignGradOp : Amp_OfRegions<"roi_align_grad", [Computes<"Deny">]> {
  let summary = "Gradient of amp.roi_align by its input";
  let description = [{
    Each element adds up what it gets from the regions, in their order: the same bits in every run.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$rois,
                   Amp_IndexTensor:$images, I64Attr:$height, I64Attr:$width, I64Attr:$samples,
                   F64Attr:$scale, UnitAttr:$half_pixel);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `in` $rois `of` $images `size` $height `by` $width `samples` $samples
    `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = given;
}

def Amp_RoiMaxOp : Amp_OfRegions<"roi_max", [InferTypeOpAdaptor, PartialGradient,
    Computes<"Promote">, Onnx<[OnnxOperator<"MaxRoiPool">]>,
    DeclareOpInterfaceMethods<BatchCheckOpInterface>]> {
  let summary = "The largest in the bins of each region";
  let description = [{
    Of the bins and samples of amp.roi_align, the largest product of an element beside a sample with
    its weight, as ONNX defines it. With `pixels` regions are rounded to elements, their last ones
    included, and the largest is that of the elements that a bin touches; 0 where there are none.

    Constraints: those of amp.roi_align.
  }];
  let arguments = (ins Amp_FloatTensor:$input, Amp_FloatTensor:$rois, Amp_IndexTensor:$images,
                   I64Attr:$height, I64Attr:$width, I64Attr:$samples, F64Attr:$scale,
                   UnitAttr:$half_pixel, UnitAttr:$pixels);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $input `in` $rois `of` $images `size` $height `by` $width `samples` $samples
    `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = forward;
}

def Amp_RoiMaxGradOp : Amp_OfRegions<"roi_max_grad", [InferTypeOpAdaptor, Computes<"Deny">]> {
  let summary = "Gradient of amp.roi_max by its input: to the first of the largest";
  let description = [{
    Scattered in the order of the bins: the same bits in every run. The result is in the type that
    kernels compute in.
  }];
  let arguments = (ins Amp_FloatTensor:$gradient, Amp_FloatTensor:$input, Amp_FloatTensor:$rois,
                   Amp_IndexTensor:$images, I64Attr:$height, I64Attr:$width, I64Attr:$samples,
                   F64Attr:$scale, UnitAttr:$half_pixel, UnitAttr:$pixels);
  let results = (outs Amp_FloatTensor:$result);
  let assemblyFormat = [{
    $gradient `,` $input `in` $rois `of` $images `size` $height `by` $width
    `samples` $samples `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = given;
}

#endif // AMPC_DIALECT_AMP_OPS_ROI_TD
