// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda | FileCheck %s

#id = affine_map<(d0) -> (d0)>

// An H100 has 132 multiprocessors. Where none has a second block, threads may have all registers that
// one leaves them (`minctasm`, one block at least); where they have, ptxas weighs blocks against
// registers.

// CHECK-LABEL: gpu.func @fused_0
// CHECK-SAME: known_grid_size = array<i32: 132, 1, 1>, nvvm.minctasm = 1 : i32
// CHECK-LABEL: gpu.func @fused_1
// CHECK-SAME: known_grid_size = array<i32: 133, 1, 1>}
func.func @blocks(%x: tensor<135168xf32>, %y: tensor<135172xf32>) -> (tensor<135168xf32>, tensor<135172xf32>) {
  %a = plan.kernel fused (%i = %x : tensor<135168xf32>) -> tensor<135168xf32> {
    %e = tensor.empty() : tensor<135168xf32>
    %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%i : tensor<135168xf32>) outs(%e : tensor<135168xf32>) {
    ^bb0(%v: f32, %o: f32):
      %n = arith.negf %v : f32
      linalg.yield %n : f32
    } -> tensor<135168xf32>
    plan.yield %r : tensor<135168xf32>
  }
  %b = plan.kernel fused (%i = %y : tensor<135172xf32>) -> tensor<135172xf32> {
    %e = tensor.empty() : tensor<135172xf32>
    %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%i : tensor<135172xf32>) outs(%e : tensor<135172xf32>) {
    ^bb0(%v: f32, %o: f32):
      %n = arith.negf %v : f32
      linalg.yield %n : f32
    } -> tensor<135172xf32>
    plan.yield %r : tensor<135172xf32>
  }
  return %a, %b : tensor<135168xf32>, tensor<135172xf32>
}
