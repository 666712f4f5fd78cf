// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -canonicalize -cse | FileCheck %s --check-prefix=HOST
// RUN: ampc-opt %s -ampc-emit-kernels="target=cuda code-sizes=sequence_0=5000" | FileCheck %s --check-prefix=LARGE
// RUN: not ampc-opt %s -ampc-emit-kernels="target=cuda code-sizes=sequence_0=much" 2>&1 | FileCheck %s --check-prefix=WRONG

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#vec = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>

// One block runs the phases one after the other. What they hand on is workspace, past the
// outputs; a phase of several blocks is a loop.

// CUDA-LABEL: @phases
// HOST-LABEL: @phases
func.func @phases(%x: tensor<100x40xf32>) -> tensor<f32> {
  // CUDA: plan.launch @cuda_kernels::@sequence_0 blocks [1, 1, 1] threads [256, 1, 1](%arg0)
  // CUDA-SAME: numOutputs = 1 : i64, tied = array<i64: -1, -1>
  // CUDA-SAME: -> (tensor<f32>, tensor<100xf32>)
  // HOST: plan.launch @host_kernels::@sequence_0 blocks [1, 1, 1] threads [1, 1, 1](%arg0)
  %y = plan.kernel sequence (%a = %x : tensor<100x40xf32>) -> tensor<f32> {
    %rows = plan.kernel fused (%b = %a : tensor<100x40xf32>) -> tensor<100xf32> {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<100xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<100xf32>) -> tensor<100xf32>
      %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%b : tensor<100x40xf32>) outs(%f : tensor<100xf32>) {
      ^bb0(%i: f32, %o: f32):
        %r = arith.addf %i, %o : f32
        linalg.yield %r : f32
      } -> tensor<100xf32>
      plan.yield %s : tensor<100xf32>
    }
    %all = plan.kernel fused (%b = %rows : tensor<100xf32>) -> tensor<f32> {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<f32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
      %s = linalg.generic {indexing_maps = [#vec, #none], iterator_types = ["reduction"]} ins(%b : tensor<100xf32>) outs(%f : tensor<f32>) {
      ^bb0(%i: f32, %o: f32):
        %r = arith.addf %i, %o : f32
        linalg.yield %r : f32
      } -> tensor<f32>
      plan.yield %s : tensor<f32>
    }
    plan.yield %all : tensor<f32>
  }
  return %y : tensor<f32>
}
// CUDA: gpu.func @sequence_0(%[[X:.*]]: memref<4000xf32, {{.*}}llvm.readonly}, %[[OUT:.*]]: memref<1xf32, {{.*}}, %[[ROWS:.*]]: memref<100xf32, {{[^(]*}})
// CUDA: scf.for
// CUDA: memref.store %{{.*}}, %[[ROWS]]
// CUDA: gpu.barrier
// CUDA: load %[[ROWS]]
// CUDA: memref.store %{{.*}}, %[[OUT]]
// HOST: gpu.func @sequence_0
// HOST-NOT: gpu.barrier
// HOST: gpu.return

// Code that is larger than estimated is divided among launches; a single phase is not.
// LARGE: plan.launch @cuda_kernels::@sequence_0_part0
// LARGE: plan.launch @cuda_kernels::@sequence_0_part1
// LARGE-NOT: plan.launch
// LARGE-NOT: plan.sequence
// WRONG: code-sizes: 'sequence_0=much' is not NAME=PERCENT
