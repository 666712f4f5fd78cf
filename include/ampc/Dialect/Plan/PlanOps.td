//===- PlanOps.td - Kernels, launches and library calls -- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_PLANOPS_TD
#define AMPC_DIALECT_PLAN_PLANOPS_TD

include "ampc/Dialect/Plan/PlanDialect.td"
include "ampc/Dialect/Plan/PlanInterfaces.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []>
    : Op<Plan_Dialect, mnemonic, traits>;

def Plan_KernelKind : I32EnumAttr<"KernelKind", "What a kernel's body holds", [
    I32EnumAttrCase<"Fused", 0, "fused">,
    I32EnumAttrCase<"Sequence", 1, "sequence">,
    I32EnumAttrCase<"MultiTensor", 2, "multi_tensor">]> {
  let cppNamespace = "::ampc::plan";
}

def Plan_KernelOp : Plan_Op<"kernel", [Pure, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<StepOpInterface, ["getTiedOperand"]>]> {
  let summary = "Tensor ops that become one kernel";
  let description = [{
    The body computes the results from the block arguments, one for each operand.

    - `fused`: linalg ops (and constants, tensor.empty, linalg.fill) that share one
      iteration structure, with nothing stored in between. Index-based reads
      (tensor.extract) of block arguments are allowed.
    - `sequence`: nested `fused` kernels, run one after the other by a single block with a
      barrier in between: for work so small that a launch costs more. Values between them
      live in workspace.
    - `multi_tensor`: nested `fused` kernels that are independent and equal but for the
      extents; tensors come from a table, and one grid covers all.

    `tied[r]` is the operand that result r overwrites, element over element, or -1.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, Plan_KernelKind:$kind,
                   DenseI64ArrayAttr:$tied);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$resultTypes,
                             "::mlir::ValueRange":$inputs, "KernelKind":$kind)>];
  let extraClassDeclaration = [{
    ::mlir::Block *getBodyBlock() { return &getBody().front(); }
    ::mlir::Operation *getYield() { return getBodyBlock()->getTerminator(); }
    /// Scalar operations over all elements, those on integers included, casts not; what a
    /// loop whose bounds depend on data repeats counts once.
    int64_t countOperations();
  }];
}

def Plan_YieldOp : Plan_Op<"yield", [Pure, Terminator, ReturnLike,
                                     ParentOneOf<["KernelOp", "ScanOp", "SortOp",
                                                  "ScatterOp"]>]> {
  let summary = "What a body computes: a kernel's results, or one scalar";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Plan_ScanOp : Plan_Op<"scan", [Pure, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<StepOpInterface>]> {
  let summary = "Running merges along an axis: a kernel of its own";
  let description = [{
    Each element of the result merges those of its line up to its own place: `combiner` takes
    an element and what is merged so far, beginning with `neutral`, in whose type it computes.
    `exclusive` leaves the element itself out; `reverse` begins at the end of the line. The
    result is rounded once to its own element type.

    `combiner` is associative: parts of a line are merged on their own.
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$axis, UnitAttr:$exclusive,
                   UnitAttr:$reverse, TypedAttrInterface:$neutral);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region SizedRegion<1>:$combiner);
  let assemblyFormat = [{
    $input `along` $axis `from` $neutral attr-dict `:` functional-type($input, $result) $combiner
  }];
  let hasRegionVerifier = 1;
}

def Plan_SortOp : Plan_Op<"sort", [Pure, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<StepOpInterface>]> {
  let summary = "Sorts lines along an axis: a kernel of its own";
  let description = [{
    Each line of `sorted` has the elements of that of `keys`, in the order of `isBefore`, a
    strict weak order of two elements (f16 and bf16 as f32); only the first ones where it is
    shorter. `places` tells where in its line each stood; equal elements stay in their order.
  }];
  let arguments = (ins AnyRankedTensor:$keys, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$sorted, AnyRankedTensor:$places);
  let regions = (region SizedRegion<1>:$isBefore);
  let assemblyFormat = [{
    $keys `along` $axis attr-dict `:` functional-type($keys, results) $isBefore
  }];
  let hasRegionVerifier = 1;
}

def Plan_ScatterOp : Plan_Op<"scatter", [Pure, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<StepOpInterface>]> {
  let summary = "Updates merged into lines along an axis, one by one: a kernel of its own";
  let description = [{
    The elements of `data`, or `initial` everywhere where there are none, with those of `updates`
    merged into them in the order in which they stand along `axis`. `places` are their indices
    along it; updates whose place is out of range are left out. Their other indices are those of
    the element, so that `updates` has no more of them; `places` may have 1 for all. `merge` takes
    the element and the update.

    The result's elements are of a type that scalars compute in.
  }];
  let arguments = (ins Optional<AnyRankedTensor>:$data, AnyRankedTensor:$places,
                   AnyRankedTensor:$updates, I64Attr:$axis,
                   OptionalAttr<TypedAttrInterface>:$initial);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region SizedRegion<1>:$merge);
  let assemblyFormat = [{
    $updates `at` $places `along` $axis (`into` $data^)? (`from` $initial^)? attr-dict
    `:` functional-type(operands, results) $merge
  }];
  let hasRegionVerifier = 1;
}

def Plan_AttentionOp : Plan_Op<"attention", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<StepOpInterface>]> {
  let summary = "Attention without a matrix of scores: a kernel of its own";
  let description = [{
    What amp.attention computes, of 16-bit operands. `extents` are batch, heads, key heads, rows,
    columns (the rows of keys and values) and the size of a head. `places` tell where query, key,
    value and output lie: of each the offset of its first element in the tensor, and the distances
    of batch entries, heads and rows; a row's elements lie side by side. There are three inputs, or
    one that all three lie in. `mask` and `condition` are [batch, heads, rows, columns], or 1
    where they are the same for all.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, Optional<AnyRankedTensor>:$mask,
                   Optional<AnyRankedTensor>:$condition, Optional<AnyRankedTensor>:$seed,
                   Optional<AnyRankedTensor>:$attempt, DenseI64ArrayAttr:$extents,
                   DenseI64ArrayAttr:$places, F64Attr:$scale, F64Attr:$off, UnitAttr:$replaces,
                   OptionalAttr<F64Attr>:$ratio, OptionalAttr<I64Attr>:$stream);
  let results = (outs AnyRankedTensor:$output, AnyRankedTensor:$maximum, AnyRankedTensor:$sum);
  let assemblyFormat = [{
    $inputs (`mask` $mask^)? (`where` $condition^)? (`seed` $seed^ `attempt` $attempt)?
    `of` $extents `at` $places `scale` $scale `off` $off attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Plan_AttentionGradOp : Plan_Op<"attention_grad", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<StepOpInterface>]> {
  let summary = "The gradients of plan.attention: a kernel of its own";
  let description = [{
    What amp.attention_grad computes, with the attributes of the plan.attention. The gradients lie
    as the inputs do; `gradient` as the output does, and `delta` too, with one element for a row.
  }];
  let arguments = (ins AnyRankedTensor:$gradient, AnyRankedTensor:$maximum, AnyRankedTensor:$sum,
                   AnyRankedTensor:$delta, Variadic<AnyRankedTensor>:$inputs,
                   Optional<AnyRankedTensor>:$mask, Optional<AnyRankedTensor>:$condition,
                   Optional<AnyRankedTensor>:$seed, Optional<AnyRankedTensor>:$attempt,
                   DenseI64ArrayAttr:$extents, DenseI64ArrayAttr:$places, F64Attr:$scale,
                   F64Attr:$off, UnitAttr:$replaces, OptionalAttr<F64Attr>:$ratio,
                   OptionalAttr<I64Attr>:$stream);
  let results = (outs Variadic<AnyRankedTensor>:$gradients);
  let assemblyFormat = [{
    $gradient `with` $maximum `,` $sum `,` $delta `by` $inputs (`mask` $mask^)?
    (`where` $condition^)? (`seed` $seed^ `attempt` $attempt)? `of` $extents `at` $places
    `scale` $scale `off` $off attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Plan_LaunchOp : Plan_Op<"launch", [
    DeclareOpInterfaceMethods<StepOpInterface, ["getTiedOperand"]>]> {
  let summary = "Runs an emitted kernel";
  let description = [{
    The kernel's arguments are the buffers of `inputs`, then those of the results that are
    not tied. Results past the first `numOutputs` are workspace, dead after the launch.
  }];
  let arguments = (ins SymbolRefAttr:$kernel, Variadic<AnyRankedTensor>:$inputs,
                   DenseI64ArrayAttr:$grid, DenseI64ArrayAttr:$block,
                   DenseI64ArrayAttr:$tied, I64Attr:$numOutputs, I64Attr:$flops);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `blocks` $grid `threads` $block `(` $inputs `)` attr-dict
    `:` functional-type($inputs, $results)
  }];
}

def Plan_LoopOp : Plan_Op<"loop", [AttrSizedOperandSegments, MemoryEffectsOpInterface,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<StepOpInterface>]> {
  let summary = "Runs the steps of a body, iteration after iteration";
  let description = [{
    `body` is a private function of the module that no other loop has. It takes the carried
    values, then the slice of each of `sequences` (along dimension 0), then `invariants`; it
    returns the carried values of the next iteration, then what this one adds to each stacked
    output. The results are the last carried values, the stacked outputs, and the memory of
    the body's own buffers (`tensor<Nxi8>`, sized by `plan-memory`).

    Iteration i takes slice i, and puts its outputs there; where `reversed` says so, of each
    sequence and then of each output, it is slice `count` - 1 - i. `count` is at least 1. A
    body holds no loop.

    ```mlir
    %last, %all, %memory = plan.loop @body times 5 carries(%h) over(%x) with(%w)
        reversed [false, false] : (tensor<2x4xf32>, tensor<5x2x4xf32>, tensor<4x4xf32>)
        -> (tensor<2x4xf32>, tensor<5x2x4xf32>, tensor<0xi8>)
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$body, I64Attr:$count,
                   Variadic<AnyRankedTensor>:$initial, Variadic<AnyRankedTensor>:$sequences,
                   Variadic<AnyRankedTensor>:$invariants, DenseBoolArrayAttr:$reversed);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $body `times` $count `carries` `(` $initial `)` `over` `(` $sequences `)`
    `with` `(` $invariants `)` `reversed` $reversed attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Without effects: a loop that nobody reads goes.
    void getEffects(::llvm::SmallVectorImpl<
        ::mlir::SideEffects::EffectInstance<::mlir::MemoryEffects::Effect>> &) {}
    unsigned getNumCarried() { return getInitial().size(); }
    /// Results that are stacked.
    unsigned getNumOutputs() { return getNumResults() - getNumCarried() - 1; }
    ::mlir::OpResult getMemory() { return getOperation()->getResult(getNumResults() - 1); }
    /// Whether the slices of sequence or, behind them, output `index` go backwards.
    bool isReversed(unsigned index) { return getReversed()[index]; }
  }];
}

def Plan_CopyOp : Plan_Op<"copy", [Pure, AllTypesMatch<["input", "result"]>,
                                   DeclareOpInterfaceMethods<StepOpInterface>]> {
  let summary = "The same bytes in another buffer";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Plan_ViewOp : Plan_Op<"view", [Pure]> {
  let summary = "Some of the bytes of a buffer";
  let description = [{
    The elements from byte `offset` of the operand's buffer on, in another shape: no step,
    and nothing is moved. A multiple of AMPC_ALIGNMENT, as for all buffers.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, I64Attr:$offset);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `at` $offset attr-dict `:` functional-type($input, $result)";
  let hasVerifier = 1;
}

def Plan_Epilogue : I32EnumAttr<"Epilogue", "What follows a product", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Relu", 1, "relu">]> {
  let cppNamespace = "::ampc::plan";
}

def Plan_MatMulOp : Plan_Op<"matmul", [Pure,
    DeclareOpInterfaceMethods<StepOpInterface>,
    DeclareOpInterfaceMethods<LibraryCallOpInterface,
                              ["fuseEpilogue", "fuseSums", "isShorterThanLaunch", "expand"]>]> {
  let summary = "Matrix product by a library";
  let description = [{
    `result = epilogue(alpha * op(lhs) * op(rhs) + bias)`, accumulated in f32 (f64 for
    f64) and rounded once to the result's type. `lhs` and `rhs` have rank 2, or rank 3
    with a leading batch dimension that is equal or 1; op transposes the last two
    dimensions. `bias` has rank 1 and is added to each row.

    `sums` are those of an operand's elements, of `lhs` with `sum_lhs` and of `rhs` else, over the
    dimension that the product sums over: one for each row of `op(lhs)` or column of `op(rhs)`, of
    the result's type, and not multiplied by `alpha`. Only a product of rank 2 without bias and
    epilogue has them.
  }];
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs,
                   Optional<AnyRankedTensor>:$bias, UnitAttr:$transpose_lhs,
                   UnitAttr:$transpose_rhs,
                   DefaultValuedAttr<F64Attr, "1.0">:$alpha,
                   DefaultValuedAttr<Plan_Epilogue, "::ampc::plan::Epilogue::None">:$epilogue,
                   UnitAttr:$sum_lhs);
  let results = (outs AnyRankedTensor:$result, Optional<AnyRankedTensor>:$sums);
  let assemblyFormat = [{
    $lhs `,` $rhs (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [
    /// A product without sums.
    OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$lhs, "::mlir::Value":$rhs,
                   "::mlir::Value":$bias, "bool":$transposeLhs, "bool":$transposeRhs,
                   "const ::llvm::APFloat &":$alpha, "::ampc::plan::Epilogue":$epilogue), [{
      build($_builder, $_state, result, ::mlir::Type(), lhs, rhs, bias, transposeLhs, transposeRhs,
            alpha, epilogue, /*sum_lhs=*/false);
    }]>
  ];
  let hasVerifier = 1;
}

def Plan_ConvolutionKind : I32EnumAttr<"ConvolutionKind", "Which product a convolution computes", [
    I32EnumAttrCase<"Forward", 0, "forward">,
    I32EnumAttrCase<"InputGradient", 1, "input_gradient">,
    I32EnumAttrCase<"FilterGradient", 2, "filter_gradient">]> {
  let cppNamespace = "::ampc::plan";
}

def Plan_ConvolutionOp : Plan_Op<"convolution", [Pure,
    DeclareOpInterfaceMethods<StepOpInterface>,
    DeclareOpInterfaceMethods<LibraryCallOpInterface, ["fuseEpilogue"]>]> {
  let summary = "Two-dimensional convolution, or one of its gradients, by a library";
  let description = [{
    With x [n, c, h, w], filter [k, c / groups, r, s] and y [n, k, p, q]:

    - `forward`: `y = epilogue(x * filter + bias)` of x and filter, `bias` [k] being added
      to each channel.
    - `input_gradient`: that of x, of the gradient of y and filter.
    - `filter_gradient`: that of filter, of the gradient of y and x.

    `pads` are top, left, bottom, right; `strides` and `dilations` of rows and of columns.
    Accumulated in f32 (f64 for f64) and rounded once to the result's type.

    With `channels_last` images lie as [n, h, w, c] and [n, p, q, k]; a filter stays.
  }];
  let arguments = (ins Plan_ConvolutionKind:$kind, AnyRankedTensor:$lhs,
                   AnyRankedTensor:$rhs, Optional<AnyRankedTensor>:$bias,
                   DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                   DenseI64ArrayAttr:$dilations, I64Attr:$groups,
                   DefaultValuedAttr<Plan_Epilogue, "::ampc::plan::Epilogue::None">:$epilogue,
                   UnitAttr:$channels_last);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $kind $lhs `,` $rhs (`bias` $bias^)? `strides` $strides `pads` $pads
    `dilations` $dilations `groups` $groups attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif // AMPC_DIALECT_PLAN_PLANOPS_TD
