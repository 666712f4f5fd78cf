// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=HOST

#full = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>

// The gradient of relu and that of the bias before it: all blocks write what is elementwise, and
// partial sums; the last one of a tile adds them, on the host a second stage. The tied result is
// that of all blocks.

// CUDA-LABEL: @relu_bias_backward
// HOST-LABEL: @relu_bias_backward
func.func @relu_bias_backward(%dy: tensor<20000x256xf16>, %y: tensor<20000x256xf16>) -> (tensor<20000x256xf16>, tensor<256xf32>) {
  // CUDA: %[[BOTH:.*]]:3 = plan.launch @cuda_kernels::@fused_0 blocks {{\[}}[[S:[0-9]+]], 1, 1] threads [256, 1, 1](%arg0, %arg1)
  // CUDA-SAME: numOutputs = 2 : i64, tied = array<i64: 0, -1, -1>
  // CUDA-SAME: -> (tensor<20000x256xf16>, tensor<256xf32>, tensor<[[S]]x256xf32>)
  // CUDA-NEXT: return %[[BOTH]]#0, %[[BOTH]]#1
  // HOST: plan.launch @host_kernels::@fused_0_partial blocks [64, 1, 1]
  // HOST: plan.launch @host_kernels::@fused_0_final blocks [1, 1, 1]
  %r:2 = plan.kernel fused (%a = %dy : tensor<20000x256xf16>, %b = %y : tensor<20000x256xf16>) -> (tensor<20000x256xf16>, tensor<256xf32>) tied [0, -1] {
    %zero = arith.constant 0.0 : f32
    %low = arith.constant 0.0 : f16
    %e0 = tensor.empty() : tensor<256xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<256xf32>) -> tensor<256xf32>
    %e1 = tensor.empty() : tensor<20000x256xf16>
    %dx = linalg.generic {indexing_maps = [#full, #full, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %b : tensor<20000x256xf16>, tensor<20000x256xf16>) outs(%e1 : tensor<20000x256xf16>) {
    ^bb0(%i: f16, %j: f16, %o: f16):
      %p = arith.cmpf ogt, %j, %low : f16
      %s = arith.select %p, %i, %low : f16
      linalg.yield %s : f16
    } -> tensor<20000x256xf16>
    %sum = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%dx : tensor<20000x256xf16>) outs(%f0 : tensor<256xf32>) {
    ^bb0(%i: f16, %o: f32):
      %w = arith.extf %i : f16 to f32
      %s = arith.addf %w, %o : f32
      linalg.yield %s : f32
    } -> tensor<256xf32>
    plan.yield %dx, %sum : tensor<20000x256xf16>, tensor<256xf32>
  }
  return %r#0, %r#1 : tensor<20000x256xf16>, tensor<256xf32>
}
// CUDA: gpu.func @fused_0(%[[DY:[^:]*]]: memref<5120000xf16, {{.*}} {llvm.align = 64 : i64}, %[[Y:[^:]*]]: memref<5120000xf16, {{.*}}llvm.readonly}, %[[OUT:[^:]*]]: memref<256xf32, {{.*}}llvm.noalias}, %[[PARTS:[^:]*]]: memref<{{[^{]*}}{llvm.align = 64 : i64})
// CUDA: scf.for {{.*}} iter_args
// CUDA-DAG: vector.load %[[DY]]{{.*}} vector<8xf16>
// CUDA-DAG: vector.load %[[Y]]{{.*}} vector<8xf16>
// CUDA: vector.store %{{.*}}, %[[DY]]
// CUDA: gpu.barrier
// CUDA: memref.store %{{.*}}, %[[PARTS]]
// CUDA: llvm.atomicrmw uinc_wrap
// CUDA: scf.if
// CUDA: scf.for
// CUDA: memref.load %[[PARTS]]
// CUDA: gpu.barrier
// CUDA: {{memref|vector}}.store %{{.*}}, %[[OUT]]

// Memory is read in its order: the loop over the columns is the innermost.

// HOST: gpu.func @fused_0_partial
// HOST: %[[ACC:.*]] = memref.alloca() : memref<256xf32>
// HOST: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c4
// HOST: scf.for %[[COL:.*]] = %c0 to %c256 step %c1 {
// HOST: memref.load %[[ACC]][%[[COL]]]
// HOST-COUNT-4: arith.addf {{.*}} fastmath<reassoc,contract>
// HOST: memref.store %{{.*}}, %[[ACC]][%[[COL]]]
// HOST-COUNT-4: memref.store %{{.*}}, %arg0

// -----

#full = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#keep = affine_map<(d0, d1, d2) -> (d0, d2)>

// A reduction in the middle: what waits for it is a second loop over the column.

// CUDA-LABEL: @middle
// HOST-LABEL: @middle
func.func @middle(%x: tensor<4x10x64xf32>) -> tensor<4x10x64xf32> {
  // CUDA: plan.launch @cuda_kernels::@fused_0 blocks [2, 1, 1] threads [256, 1, 1]
  // HOST: plan.launch @host_kernels::@fused_0 blocks [1, 1, 1]
  %y = plan.kernel fused (%a = %x : tensor<4x10x64xf32>) -> tensor<4x10x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4x64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4x64xf32>) -> tensor<4x64xf32>
    %e1 = tensor.empty() : tensor<4x10x64xf32>
    %sum = linalg.generic {indexing_maps = [#full, #keep], iterator_types = ["parallel", "reduction", "parallel"]} ins(%a : tensor<4x10x64xf32>) outs(%f0 : tensor<4x64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %s = arith.addf %i, %o : f32
      linalg.yield %s : f32
    } -> tensor<4x64xf32>
    %n = linalg.generic {indexing_maps = [#full, #keep, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a, %sum : tensor<4x10x64xf32>, tensor<4x64xf32>) outs(%e1 : tensor<4x10x64xf32>) {
    ^bb0(%i: f32, %s: f32, %o: f32):
      %r = arith.divf %i, %s : f32
      linalg.yield %r : f32
    } -> tensor<4x10x64xf32>
    plan.yield %n : tensor<4x10x64xf32>
  }
  return %y : tensor<4x10x64xf32>
}
// CUDA: gpu.func @fused_0
// CUDA: arith.addf
// CUDA: gpu.barrier
// CUDA: arith.divf
// CUDA: vector.store {{.*}} vector<4xf32>
// HOST: gpu.func @fused_0
// HOST: arith.addf
// HOST: arith.divf
