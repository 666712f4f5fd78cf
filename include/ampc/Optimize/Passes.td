//===- Passes.td - Passes from ops to a program -----------*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The order they run in is the order they stand in.

#ifndef AMPC_OPTIMIZE_PASSES_TD
#define AMPC_OPTIMIZE_PASSES_TD

include "mlir/Pass/PassBase.td"

/// What a kernel costs depends on where it runs.
def Optimize_TargetOption : Option<"target", "target", "::ampc::Target",
    "::ampc::Target::Cuda", "Where the program runs",
    [{::llvm::cl::values(clEnumValN(::ampc::Target::Host, "host", "the CPU"),
                         clEnumValN(::ampc::Target::Cuda, "cuda", "a CUDA device"))}]>;

def Optimize_GpuOption : Option<"gpu", "gpu", "::ampc::Gpu",
    "::ampc::Gpu::H100", "The CUDA device that kernels are formed for",
    [{::llvm::cl::values(clEnumValN(::ampc::Gpu::A100, "a100", "NVIDIA A100"),
                         clEnumValN(::ampc::Gpu::H100, "h100", "NVIDIA H100"),
                         clEnumValN(::ampc::Gpu::H200, "h200", "NVIDIA H200"))}]>;

def StageInputs : Pass<"plan-stage-inputs", "::mlir::func::FuncOp"> {
  let summary = "Take inputs in the type that they are computed in";
  let description = [{
    An input that is only ever cast to one narrower float type is converted where it is
    staged, which saves a kernel and half of the transfer. The type that the model
    declares stays in the attribute `plan.declared_type`.

    ```mlir
    func.func @train(%x: tensor<8x4xf32>) { %y = amp.cast %x : ... to tensor<8x4xf16> ...
    ```
    becomes
    ```mlir
    func.func @train(%x: tensor<8x4xf16> {plan.declared_type = tensor<8x4xf32>}) { ...
    ```
  }];
}

def ChooseLayouts : Pass<"plan-choose-layouts", "::mlir::func::FuncOp"> {
  let summary = "Store tensors in the order that the target's libraries prefer";
  let description = [{
    Ops that prefer an order of dimensions (LayoutOpInterface) get it, and so do the ops around
    them that can compute in it; those go back for which fewer bytes are transposed then. What is
    read in another order than it is written in is transposed once, behind its definition.
    Function arguments, results and variables keep the file's order. Nothing changes where no op
    prefers one. Each op in another order is told as a remark, and so is each transpose.

    ```mlir
    %y = amp.conv %x, %w ... : (tensor<8x3x28x28xf16>, tensor<16x3x3x3xf16>) -> ...
    %z = amp.relu %y : tensor<8x16x28x28xf16>
    ```
    becomes
    ```mlir
    %xt = amp.transpose %x[0, 2, 3, 1] ...
    %wt = amp.transpose %w[0, 2, 3, 1] ...
    %yt = amp.conv %xt, %wt ... {channels_last} : (tensor<8x28x28x3xf16>, ...) -> ...
    %zt = amp.relu %yt : tensor<8x28x28x16xf16>
    %z = amp.transpose %zt[0, 3, 1, 2] ...
    ```
  }];
  let options = [Optimize_TargetOption,
                 Option<"preferChannelsLast", "prefer-channels-last", "bool", "false",
                        "Take it that all libraries prefer channels last: for tests">];
}

def LowerOps : Pass<"plan-lower-ops", "::mlir::ModuleOp"> {
  let summary = "Replace every op by what it says it computes";
  let description = [{
    Each op with KernelOpInterface becomes linalg on tensors or a library call. Constants
    with one value in all elements go into the bodies that use them; others become derived
    variables.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect",
                           "::ampc::plan::PlanDialect"];
  let options = [Optimize_TargetOption];
}

def CombineEqualOps : Pass<"plan-combine-equal-ops", "::mlir::func::FuncOp"> {
  let summary = "Compute once what several tensor ops compute";
  let description = [{
    Common subexpression elimination, in linear time also where the bodies of ops are all that
    differs.
  }];
}

def FuseEpilogues : Pass<"plan-fuse-epilogues", "::mlir::func::FuncOp"> {
  let summary = "Give library calls what they can do beside their own";
  let description = [{
    Recognises a row added to each row of a result ("bias") and `max(x, 0)` ("relu") by
    their bodies and offers them to the call, where nothing else reads what lies between
    and the target's library computes them (LibraryTable).

    So it does the sums of an operand's rows, which the call reads anyway: the gradient of a bias
    is made of what the gradient of the weights is.
  }];
  let options = [Optimize_TargetOption];
}

def ExpandProducts : Pass<"plan-expand-products", "::mlir::func::FuncOp"> {
  let summary = "Write small products as tensor ops where that saves a launch";
  let description = [{
    A product so small that a thread for each element is done in no time, and whose result
    goes into one elementwise op that the library cannot take, is computed in the kernel of
    that op. Sums and rounding are as plan.matmul says. Nothing on the host, where a call
    costs no launch.
  }];
  let options = [Optimize_TargetOption];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def FormKernels : Pass<"plan-form-kernels", "::mlir::func::FuncOp"> {
  let summary = "Group tensor ops into fused kernels";
  let description = [{
    Afterwards every tensor op stands in a `plan.kernel` of kind `fused`. Ops are grouped
    while they still are one kernel by their iteration structure: producers with
    consumers, then ops that read the same large tensor. Cheap producers are computed
    again in each kernel rather than stored. What waits for a reduction is a kernel of its
    own where one kernel would have too few blocks to fill the device (KernelCost.h). Each
    kernel is told as a remark, with the blocks and bytes that were counted for it.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::ampc::plan::PlanDialect"];
  let options = [Optimize_TargetOption, Optimize_GpuOption];
}

def DivideSums : Pass<"plan-divide-sums", "::mlir::func::FuncOp"> {
  let summary = "Add columns up in the kernel that has their rows at hand";
  let description = [{
    On a device. A kernel that adds columns up joins a kernel that merges the same rows, as the
    gradients of a norm's parameters join that of its input: each block does a group of rows, with
    phases for each row, and keeps the sums of its columns meanwhile. What is left, to add the
    groups up, is a kernel of its own for each sum, which `plan-batch-kernels` runs as one for all
    tensors. Rows are divided into equal groups, best about two for each multiprocessor; where
    their dimensions have no factors for that, or one kernel would take longer, both stay.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect", "::ampc::plan::PlanDialect"];
  let options = [Optimize_TargetOption, Optimize_GpuOption];
}

def WidenIntermediates : Pass<"plan-widen-intermediates", "::mlir::func::FuncOp"> {
  let summary = "Round values only where they are stored";
  let description = [{
    What an op of a fused kernel computes in f32 and rounds to f16 or bf16, only for other
    ops of the kernel to widen it again, stays in f32. Casts that are ops of their own are
    kept: the model or the precision lists ask for them.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def BatchKernels : Pass<"plan-batch-kernels", "::mlir::func::FuncOp"> {
  let summary = "Run kernels that are equal but for their extents as one";
  let description = [{
    Kernels whose ops treat all elements alike are flattened to one dimension; reshapes
    inside vanish. Those that are then equal but for the extents, and independent of each
    other, become one `multi_tensor` kernel: an optimizer's updates, finite checks, norms.
    So do, on a device, kernels that merge the rows of matrices, if these are few.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect", "::ampc::plan::PlanDialect"];
  let options = [Optimize_TargetOption, Optimize_GpuOption];
}

def FormSequences : Pass<"plan-form-sequences", "::mlir::func::FuncOp"> {
  let summary = "Order the program, and run neighbouring small kernels as one";
  let description = [{
    A kernel so small that one block finishes it before a launch is over shares a launch
    with its neighbours: they become a `sequence` kernel. Steps are put in the order with
    the fewest such runs, and the assignment of a variable after the readers of its old
    value where that is possible.
  }];
  let dependentDialects = ["::ampc::plan::PlanDialect"];
  let options = [Optimize_TargetOption, Optimize_GpuOption];
}

def Rematerialize : Pass<"plan-rematerialize", "::mlir::ModuleOp"> {
  let summary = "Compute steps again where memory is too small to keep their results";
  let description = [{
    Where more than `memory-limit` bytes would live at a time, results that wait there for a later
    reader are computed again in front of it, those first that cost the least time for each byte;
    with them what they are computed from, where that is gone. A remark tells how many steps that
    is, and how much longer the function takes. A limit that cannot be met is `plan-memory`'s error.

    ```mlir
    %a = plan.kernel fused (%x) ..   // read by the next step and, much later, by %g
    %b = plan.matmul %a, %w ..
    // .. the peak ..
    %c = plan.kernel fused (%x) ..   // %a again
    %g = plan.matmul %c, %y ..
    ```
  }];
  let options = [
    Option<"memoryLimit", "memory-limit", "uint64_t", "0", "Most bytes; 0 for no limit">,
    Optimize_TargetOption, Optimize_GpuOption
  ];
  let statistics = [Statistic<"numRepeated", "repeated", "Steps that are computed again">];
}

def TieUpdates : Pass<"plan-tie-updates", "::mlir::func::FuncOp"> {
  let summary = "Compute the new values of variables in the variables' buffers";
  let description = [{
    Afterwards the value of each `amp.assign @v` can be computed where @v lies: it is
    the result of a step that no reader of the old value follows, and a step that reads
    the old value itself does so element over element, with the result tied to that
    operand. Where this cannot be, a `plan.copy` at the end of the function brings the
    value there. Assignments stand at the end.
  }];
  let dependentDialects = ["::ampc::plan::PlanDialect"];
}

def TieLoops : Pass<"plan-tie-loops", "::mlir::ModuleOp"> {
  let summary = "Compute what a loop's body returns where the loop keeps it";
  let description = [{
    Afterwards each value that a body returns is the result of a step of its own, which can
    be computed in the buffer that carries it to the next iteration, or in its slice of the
    stacked output: a carried value that nobody reads any more, or else a `plan.copy`.
    Slices that would not be aligned are copied too, as kernels and libraries ask for
    alignment.
  }];
  let dependentDialects = ["::ampc::plan::PlanDialect"];
}

def PlanMemory : Pass<"plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give every buffer its place in the arena";
  let description = [{
    Variables that any function uses get a place in the state region, the same for all
    functions. Above it each function lays out its inputs, outputs and temporaries by
    their lifetimes, largest first. Views and tied results share a buffer; what is
    assigned to a variable lies where the variable does. Sets the attributes of Plan.h:
    `plan.offsets` on ops, `plan.offset` on variables and arguments, `plan.arena_bytes`
    and `plan.state_bytes` on the module.
  }];
  let options = [Option<"memoryLimit", "memory-limit", "uint64_t", "0",
                        "Most bytes the arena may have; 0 for no limit">];
}

def VerifyPlan : Pass<"plan-verify", "::mlir::ModuleOp"> {
  let summary = "Check that no step of a planned program reads what is not there";
  let description = [{
    Follows each function step by step and checks:

    - every buffer lies in the arena, aligned (plan_verify_c1); inputs and temporaries lie
      above the state region, variables inside it, apart from each other (plan_verify_c2);
    - what a step reads is what its operand stands for, written before and not overwritten
      since, in place or by another buffer (plan_verify_c3);
    - the results of a step overlap neither each other nor what it reads, but for a tied
      result, which lies where its operand does (plan_verify_c4);
    - at the end, outputs are there, each assigned variable holds its new value, and
      every other variable its old one (plan_verify_c5);
    - steps that several queues may run at the same time do not touch the same bytes, unless
      both read them; signals and waits keep the rules of module_format.h (plan_verify_c7);
    - the body of a loop writes to the buffers of the loop's results alone, keeps what it is
      given, and leaves what it returns where the loop has it (plan_verify_c8);
    - where `deterministic` asks for it, equal runs give equal bits: each step says so
      (plan_verify_c6).
  }];
  let options = [Option<"deterministic", "deterministic", "bool", "false",
                        "Refuse steps that give other bits in equal runs">];
}

#endif // AMPC_OPTIMIZE_PASSES_TD
