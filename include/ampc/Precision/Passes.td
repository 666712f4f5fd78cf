//===- Passes.td - Passes of mixed precision ------------- -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_PRECISION_PASSES_TD
#define AMPC_PRECISION_PASSES_TD

include "mlir/Pass/PassBase.td"

def RecoverPatterns : Pass<"amp-recover-patterns", "::mlir::ModuleOp"> {
  let summary = "Put ops in the place of what spells them out";
  let description = [{
    Exporters write a layer that their opset does not have with the ops that it has. What an op
    recognizes (`RecoveryOpInterface`) becomes the op again, which knows its gradient and keeps
    what lies between in f32. Each one is a remark, one that nearly is another with the reason, and
    the number of each kind in a function a third.

    ```mlir
    %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
    %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
    %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
    %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
    %e = amp.add %v, %epsilon : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
    %s = amp.sqrt %e : tensor<8x1xf32>
    %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
    %y = amp.mul %n, %gamma : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
    // becomes
    %y, %mean, %inverse = amp.layer_norm %x, %gamma from 1 {epsilon = 1.0e-05 : f64}
       : (tensor<8x16xf32>, tensor<16xf32>)
       -> (tensor<8x16xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
    ```
  }];
  let statistics = [Statistic<"numRecovered", "recovered", "Ops put in the place of others">];
}

def Autocast : Pass<"amp-autocast", "::mlir::ModuleOp"> {
  let summary = "Give each op the precision that its list says, with casts in between";
  let description = [{
    O1: an op of category allow computes in the low type, deny in f32, promote in the
    widest type of its float operands (rank-0 operands and constants have no vote), follow
    in what it is given. O2: everything but deny computes in the low type, and what deny
    ops return to the model is cast back. O3: the same, and what the lists deny computes in the low
    type too, but for norms. O0: a model in 16 bits computes as it is written,
    but for what leads from the last allow op to the loss, which is f32. f64 and integers are never touched; results of
    functions, and values that ops without a category use, keep their type. What the user
    asked for an op (`amp.precision`) comes before the lists. Each decision is a remark.

    ```mlir
    %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
    %e = amp.exp %y : tensor<8x2xf32>
    // becomes
    %x16 = amp.cast %x {inserted} : tensor<8x4xf32> to tensor<8x4xf16>
    %w16 = amp.cast %w {inserted} : tensor<4x2xf32> to tensor<4x2xf16>
    %y = amp.matmul %x16, %w16 : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
    %y32 = amp.cast %y {inserted} : tensor<8x2xf16> to tensor<8x2xf32>
    %e = amp.exp %y32 : tensor<8x2xf32>
    ```
  }];
  let options = [
    Option<"level", "level", "int64_t", "1", "0 for O0, to 3 for O3">,
    Option<"dtype", "dtype", "std::string", "\"f16\"", "f16 or bf16">,
    Option<"lists", "lists", "std::string", "\"balanced\"", "balanced or pytorch">
  ];
  let statistics = [
    Statistic<"numLow", "low", "Ops that compute in the low type">,
    Statistic<"numCasts", "casts", "Casts inserted">
  ];
}

def WeighIslands : Pass<"amp-weigh-islands", "::mlir::ModuleOp"> {
  let summary = "Give back to f32 what costs more in 16 bits than it saves";
  let description = [{
    After autocast with lists that weigh nothing. An island is products (`ProductOpInterface`) that
    compute in 16 bits and read each other's results, or one cast of no weight. It saves bytes, and
    time on tensor cores where their rows fill vectors of 16 bytes. It costs what its casts from f32
    move; those that no kernel absorbs, since a library computes what they read or the model gives
    it, cost a launch as well. Where that is more than is saved, the products go back to f32. In the
    other functions of the module they do what they do in @train. What the user decided stays, and
    so does what gives a product of the user's its operand.

    The estimate errs towards 16 bits. Of what is fused later it knows that kernels absorb casts,
    and that inputs which are only cast are converted where they are staged.

    Before, casts of inputs go in front of ops that move elements, so that inputs can be staged.

    Each island that is dropped is a remark with both figures, in microseconds on `gpu`; so is each
    that stays although a cast of it is a launch.

    ```mlir
    %x16 = amp.cast %x {inserted} : tensor<8x4xf32> to tensor<8x4xf16> // %x is read in f32, too
    %y = amp.matmul %x16, %w16 : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
    // becomes
    %y32 = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
    %y = amp.cast %y32 {inserted} : tensor<8x2xf32> to tensor<8x2xf16>
    ```
  }];
  let options = [
    Option<"gpu", "gpu", "::ampc::Gpu", "::ampc::Gpu::H100", "The CUDA device that is weighed for",
           [{::llvm::cl::values(clEnumValN(::ampc::Gpu::A100, "a100", "NVIDIA A100"),
                                clEnumValN(::ampc::Gpu::H100, "h100", "NVIDIA H100"),
                                clEnumValN(::ampc::Gpu::H200, "h200", "NVIDIA H200"))}]>
  ];
  let statistics = [
    Statistic<"numDropped", "dropped", "Products that go back to f32">,
    Statistic<"numHoisted", "hoisted", "Casts in front of ops that move elements">
  ];
}

def MergeProducts : Pass<"amp-merge-products", "::mlir::ModuleOp"> {
  let summary = "Compute together what reads one value with weights in the low type";
  let description = [{
    Ops that read one value, each with low copies of parameters of its own (`MergeOpInterface`),
    become one with the copies one behind the other, which is how `amp-keep-low-copies` then keeps
    them: a wider product runs closer to the device's limit, reads the value once, and gives its
    gradient as one. The parts lie in a row of the result; at worst their gradients are moved to get
    there, so that ops stay apart where that is more than merging saves. Each is a remark.

    ```mlir
    %q = amp.matmul %x, %a {transpose_rhs}
       : (tensor<64x8xbf16>, tensor<8x8xbf16>) -> tensor<64x8xbf16>
    %k = amp.matmul %x, %b {transpose_rhs}
       : (tensor<64x8xbf16>, tensor<8x8xbf16>) -> tensor<64x8xbf16>
    // becomes
    %ab = amp.concat %a, %b along 0 : (tensor<8x8xbf16>, tensor<8x8xbf16>) -> tensor<16x8xbf16>
    %qk = amp.matmul %x, %ab {transpose_rhs}
       : (tensor<64x8xbf16>, tensor<16x8xbf16>) -> tensor<64x16xbf16>
    %q, %k = amp.split %qk [8, 8] along 1
       : (tensor<64x16xbf16>) -> (tensor<64x8xbf16>, tensor<64x8xbf16>)
    ```
  }];
  let statistics = [Statistic<"numMerged", "merged", "Ops merged into others">];
}

def ScaleLoss : Pass<"amp-scale-loss", "::mlir::ModuleOp"> {
  let summary = "Scale the loss, unscale and check the gradients";
  let description = [{
    Every gradient of @train is taken of the scaled loss and passes one `amp.unscale`
    before anything else reads it. With `dynamic`, `amp.update_scale` keeps the scale; it and the
    tracker stay as they are where gradients are not finite and the loss is not either, for no
    scale helps that.
    In a step that arrives differentiated the scale enters at `amp.seed` instead, and leaves what
    `amp.parameter_gradient` marks.
    `mode=check` only looks for non-finite gradients, unless `check-finite` is off; it leaves
    a step without gradients to `amp-guard-updates`. `mode=auto` is dynamic where @train
    computes anything in f16, else check.
  }];
  let options = [
    Option<"mode", "mode", "std::string", "\"dynamic\"", "dynamic, static, check or auto">,
    Option<"initial", "initial", "double", "65536.0", "The scale to start with">,
    Option<"growth", "growth", "double", "2.0", "">,
    Option<"backoff", "backoff", "double", "0.5", "">,
    Option<"interval", "interval", "int64_t", "2000", "Good steps before it grows">,
    Option<"checkFinite", "check-finite", "bool", "true", "Without a scale, check the gradients">
  ];
}

def KeepLowCopies : Pass<"amp-keep-low-copies", "::mlir::ModuleOp"> {
  let summary = "Keep the low-precision copy of a master from one step to the next";
  let description = [{
    A variable that functions read only to cast it to the low type gets a copy in that
    type. Whoever assigns the master assigns the copy; @refresh makes the copies from the
    masters when those come from somewhere else. The copy is never saved.
  }];
}

def VerifyPrecision : Pass<"amp-verify-precision", "::mlir::ModuleOp"> {
  let summary = "Check that each op computes in the type it asks for";
  let description = [{
    Fails on: float operands of one op in different types (precision_c1); a deny op that
    reads 16 bits (precision_c2); an operand that must be f32 and is not (precision_c3).
  }];
  let options = [
    Option<"dtype", "dtype", "std::string", "\"f16\"", "f16 or bf16">,
    Option<"lists", "lists", "std::string", "\"balanced\"", "balanced or pytorch">,
    Option<"level", "level", "int64_t", "1", "1 for O1, to 3 for O3">
  ];
}

def RecordPrecision : Pass<"amp-record-precision", "::mlir::ModuleOp"> {
  let summary = "Read what autocast made of the forward graph";
  let description = [{
    For reports (PrecisionGraph.h). Without one to fill, as in a test, it prints a line for each op
    that stands for a node: what it reads and gives, and the casts around it with their bytes.
  }];
}

#endif // AMPC_PRECISION_PASSES_TD
