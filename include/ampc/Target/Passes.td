//===- Passes.td - Passes from kernels to machine code -----*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TARGET_PASSES_TD
#define AMPC_TARGET_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertHostKernels : Pass<"ampc-convert-host-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn kernels with the host schedule into functions over a range of blocks";
  let description = [{
    Every `gpu.func` of the module's `gpu.module`s becomes a `func.func` that runs the
    blocks [begin, end) of its one-dimensional grid. A block has one thread
    (`known_block_size = [1, 1, 1]`), so barriers vanish and reductions over the block
    are their operand. Workgroup and private memory, and every `memref.alloca` of
    static size, become allocas at the function's entry.

    ```mlir
    gpu.func @k(%x: memref<64xf32, #gpu.address_space<global>>) kernel { ... gpu.return }
    ```
    becomes
    ```mlir
    func.func @k(%x: memref<64xf32>, %begin: index, %end: index) {
      scf.for %block = %begin to %end step %c1 { ... }
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def ConvertGpuToHost : Pass<"ampc-convert-gpu-to-host", "::mlir::ModuleOp"> {
  let summary = "Turn kernels with the device schedule into functions for one thread";
  let description = [{
    For tests: lets a CPU execute the very kernels that go to a GPU. A `gpu.func @k(args)`
    becomes `@k(context, thread id, block id, block size, grid size, workgroup memory,
    args)`, each triple as three `index` arguments. Without barrier and shuffle, `@k`
    runs a whole block, as a loop nest around a call of `@k.thread`; otherwise it runs
    one thread, on a fiber of its own. Barriers and shuffles become calls of
    `ampc_simt_barrier`, `ampc_simt_shuffle` and `ampc_simt_shuffle_valid`, numbered so
    that threads which disagree about where they wait are found out.

    Reductions over a block or subgroup must be lowered before
    (`ampc-lower-gpu-reductions`).
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerGpuReductions : Pass<"ampc-lower-gpu-reductions"> {
  let summary = "Lower reductions over a block or subgroup to shuffles and barriers";
  let description = [{
    `gpu.all_reduce` and `gpu.subgroup_reduce` become what a device executes, for warps of
    32 lanes. The GPU and the CPU that stands in for it both run this form.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::vector::VectorDialect"];
}

def ApproximateMath : Pass<"ampc-approximate-math"> {
  let summary = "Expand f32 math functions into polynomials that vectorise";
  let description = [{
    `exp`, `exp2`, `expm1`, `log`, `log2`, `log10`, `log1p`, `tanh` and `erf` on f32 (and on
    f16 and bf16 through f32), on scalars and vectors, within 2.5 ulp. NaN, infinities, signed zeros and
    subnormal values are as IEEE 754 has them. Other functions, and f64, are left to
    the mathematical library of the target.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def ExpandNarrowFloats : Pass<"ampc-expand-narrow-floats"> {
  let summary = "Compute f16 and bf16 through f32, and round to them in integer arithmetic";
  let description = [{
    LLVM calls compiler runtime functions for f64 to f16, and takes its own expansion of
    f32 to bf16 apart into scalars. After this pass the only operations on f16 are
    conversions to and from f32, and there are none on bf16. Every conversion rounds
    once, to nearest even; NaNs stay NaNs. Where the processor does not convert f16, these
    conversions become integer arithmetic as well.
  }];
  let options = [
    Option<"hasF16", "has-f16", "bool", "true", "the processor converts f16 to and from f32">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect"];
}

def StoreBf16AsBits : Pass<"ampc-store-bf16-as-bits"> {
  let summary = "Move bf16 as 16 bits";
  let description = [{
    Runs on the llvm dialect, where bf16 is only loaded, stored, selected and passed on:
    such values become i16. LLVM would round each of them again, by calling the compiler's
    runtime, where the processor has no bf16.
  }];
}

def KeepLoopAnnotations : Pass<"ampc-keep-loop-annotations"> {
  let summary = "Hand LLVM what loops are annotated with";
  let description = [{
    `scf.for` hands `llvm.loop_annotation` on to its branch, where MLIR 22 leaves it an attribute
    that the translation does not read. It becomes the branch's own `loop_annotation`.
  }];
}

def ExpandDivisions : Pass<"ampc-expand-divisions"> {
  let summary = "Expand integer divisions that round up or down, and those of a device by constants";
  let description = [{
    The part of `arith-expand` that the llvm dialect needs. Its other expansions cost
    speed: a maximum taken apart into comparisons is no reduction to LLVM any more.

    With `by-constants` an f32 division by a positive constant becomes a product with its
    reciprocal and one correction, five instructions. A device has no instruction for the
    division; what ptxas writes out has some ten instructions and a call.
  }];
  let options = [
    Option<"byConstants", "by-constants", "bool", "false", "expand f32 divisions by constants">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def LowerHostMath : Pass<"ampc-lower-host-math", "::mlir::ModuleOp"> {
  let summary = "Call libm where the llvm dialect has only a coarse expansion";
  let description = [{
    `math.expm1` and `math.log1p`, which `convert-math-to-llvm` would turn into `exp(x) - 1`
    and `log(1 + x)`: nothing is left of them near zero.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::vector::VectorDialect"];
}

def LowerDeviceMath : Pass<"ampc-lower-device-math"> {
  let summary = "Lower math operations that a device computes itself to LLVM intrinsics";
  let description = [{
    Square root, fused multiply-add, absolute value and the roundings need no library;
    libdevice would make the square root an approximate one. The rest stays in the math
    dialect.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"];
}

def LowerTensorCores : Pass<"ampc-lower-tensor-cores"> {
  let summary = "Lower nvgpu to the nvvm dialect, with indices as wide as the other kernels have";
  let description = [{
    MLIR's convert-nvgpu-to-nvvm takes 64 bits for an index, whose casts are then left over beside
    kernels with 32.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
  let options = [Option<"indexBits", "index-bits", "unsigned", "64", "of an index">];
}

def VerifyLowered : Pass<"ampc-verify-lowered"> {
  let summary = "Check lowered kernels, the only check of a lowering";
  let description = [{
    The last pass of each lowering: what it leaves verifies, and is of the dialects that LLVM IR
    is made from. Compilations verify here and not after each pass, which took a third of the
    time of all passes; `ampc-opt` does both.
  }];
}

#endif // AMPC_TARGET_PASSES_TD
