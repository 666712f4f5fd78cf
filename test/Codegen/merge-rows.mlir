// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -canonicalize -cse | FileCheck %s --check-prefix=HOST

#mat = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>

// Rows of matrices of any extents, merged by blocks for 32 times four columns each. The host has a
// kernel for each matrix.

// CUDA-LABEL: @merge_rows
// HOST-LABEL: @merge_rows
func.func @merge_rows(%x: tensor<256x768xf32>, %y: tensor<128x40xf32>) -> (tensor<768xf32>, tensor<40xf32>) {
  // 6 blocks and 1.
  // CUDA: plan.launch {{.*}} blocks [7, 1, 1] threads [256, 1, 1](%arg0, %arg1) {{.*}} -> (tensor<768xf32>, tensor<40xf32>)
  // CUDA-NOT: plan.launch
  // HOST: plan.launch {{.*}}(%arg0)
  // HOST: plan.launch {{.*}}(%arg1) {{.*}} -> tensor<40xf32>
  %r:2 = plan.kernel multi_tensor (%a = %x : tensor<256x768xf32>, %b = %y : tensor<128x40xf32>) -> (tensor<768xf32>, tensor<40xf32>) {
    %u = plan.kernel fused (%p = %a : tensor<256x768xf32>) -> tensor<768xf32> {
      %zero = arith.constant 0.0 : f32
      %m = tensor.empty() : tensor<768xf32>
      %f = linalg.fill ins(%zero : f32) outs(%m : tensor<768xf32>) -> tensor<768xf32>
      %n = linalg.generic {indexing_maps = [#mat, #col], iterator_types = ["reduction", "parallel"]} ins(%p : tensor<256x768xf32>) outs(%f : tensor<768xf32>) {
      ^bb0(%i: f32, %o: f32):
        %t = arith.addf %i, %o : f32
        linalg.yield %t : f32
      } -> tensor<768xf32>
      plan.yield %n : tensor<768xf32>
    }
    %v = plan.kernel fused (%p = %b : tensor<128x40xf32>) -> tensor<40xf32> {
      %zero = arith.constant 0.0 : f32
      %m = tensor.empty() : tensor<40xf32>
      %f = linalg.fill ins(%zero : f32) outs(%m : tensor<40xf32>) -> tensor<40xf32>
      %n = linalg.generic {indexing_maps = [#mat, #col], iterator_types = ["reduction", "parallel"]} ins(%p : tensor<128x40xf32>) outs(%f : tensor<40xf32>) {
      ^bb0(%i: f32, %o: f32):
        %t = arith.addf %i, %o : f32
        linalg.yield %t : f32
      } -> tensor<40xf32>
      plan.yield %n : tensor<40xf32>
    }
    plan.yield %u, %v : tensor<768xf32>, tensor<40xf32>
  }
  return %r#0, %r#1 : tensor<768xf32>, tensor<40xf32>
}
// Extents are the chosen tensor's. Four rows are loaded before they are added.
// CUDA: gpu.func @multi_tensor_0(
// CUDA: %[[COLUMNS:.*]] = arith.select {{.*}} : index
// CUDA: %[[OWN:.*]]:2 = scf.if {{.*}} -> (memref<?xf32, #gpu.address_space<global>>, memref<?xf32, #gpu.address_space<global>>)
// CUDA: scf.for
// CUDA-COUNT-4: vector.load %[[OWN]]#0{{.*}} {alignment = 16 : i64} : memref<?xf32{{.*}}, vector<4xf32>
// CUDA-COUNT-16: arith.addf
// CUDA: gpu.barrier
