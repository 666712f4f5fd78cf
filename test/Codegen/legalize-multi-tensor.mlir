// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -split-input-file | FileCheck %s

// Kernels over many tensors whose nested kernels cannot share one code or run at once: each is a
// kernel of its own.

#vec = affine_map<(d0) -> (d0)>

// One needs what the other computes.

// CHECK-LABEL: @one_after_the_other
func.func @one_after_the_other(%x: tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
  // CHECK: %[[FIRST:.*]] = plan.launch @cuda_kernels::@fused_0 {{.*}}(%arg0)
  // CHECK: %[[SECOND:.*]] = plan.launch @cuda_kernels::@fused_0 {{.*}}(%[[FIRST]])
  // CHECK: return %[[FIRST]], %[[SECOND]]
  %r:2 = plan.kernel multi_tensor (%a = %x : tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
    %p = plan.kernel fused (%c = %a : tensor<6xf32>) -> tensor<6xf32> {
      %e = tensor.empty() : tensor<6xf32>
      %v = linalg.generic {indexing_maps = [#vec, #vec], iterator_types = ["parallel"]} ins(%c : tensor<6xf32>) outs(%e : tensor<6xf32>) {
      ^bb0(%i: f32, %o: f32):
        %s = math.exp %i : f32
        linalg.yield %s : f32
      } -> tensor<6xf32>
      plan.yield %v : tensor<6xf32>
    }
    %q = plan.kernel fused (%c = %p : tensor<6xf32>) -> tensor<6xf32> {
      %e = tensor.empty() : tensor<6xf32>
      %v = linalg.generic {indexing_maps = [#vec, #vec], iterator_types = ["parallel"]} ins(%c : tensor<6xf32>) outs(%e : tensor<6xf32>) {
      ^bb0(%i: f32, %o: f32):
        %s = math.exp %i : f32
        linalg.yield %s : f32
      } -> tensor<6xf32>
      plan.yield %v : tensor<6xf32>
    }
    plan.yield %p, %q : tensor<6xf32>, tensor<6xf32>
  }
  return %r#0, %r#1 : tensor<6xf32>, tensor<6xf32>
}

// -----

#vec = affine_map<(d0) -> (d0)>

// One reads what the other writes over: it reads a copy.

// CHECK-LABEL: @overwritten
func.func @overwritten(%x: tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
  // CHECK: %[[COPY:.*]] = plan.copy %arg0
  // CHECK: plan.launch @cuda_kernels::@fused_0 {{.*}}(%arg0) {{.*}} tied = array<i64: 0>
  // CHECK: plan.launch @cuda_kernels::@fused_1 {{.*}}(%[[COPY]])
  %r:2 = plan.kernel multi_tensor (%a = %x : tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>) tied [0, -1] {
    %p = plan.kernel fused (%c = %a : tensor<6xf32>) -> tensor<6xf32> {
      %e = tensor.empty() : tensor<6xf32>
      %v = linalg.generic {indexing_maps = [#vec, #vec], iterator_types = ["parallel"]} ins(%c : tensor<6xf32>) outs(%e : tensor<6xf32>) {
      ^bb0(%i: f32, %o: f32):
        %s = math.exp %i : f32
        linalg.yield %s : f32
      } -> tensor<6xf32>
      plan.yield %v : tensor<6xf32>
    }
    %q = plan.kernel fused (%c = %a : tensor<6xf32>) -> tensor<6xf32> {
      %e = tensor.empty() : tensor<6xf32>
      %v = linalg.generic {indexing_maps = [#vec, #vec], iterator_types = ["parallel"]} ins(%c : tensor<6xf32>) outs(%e : tensor<6xf32>) {
      ^bb0(%i: f32, %o: f32):
        %s = math.exp %i : f32
        linalg.yield %s : f32
      } -> tensor<6xf32>
      plan.yield %v : tensor<6xf32>
    }
    plan.yield %p, %q : tensor<6xf32>, tensor<6xf32>
  }
  return %r#0, %r#1 : tensor<6xf32>, tensor<6xf32>
}

// -----

#vec = affine_map<(d0) -> (d0)>

// One has a result that nothing reads.

// CHECK-LABEL: @unread
func.func @unread(%x: tensor<6xf32>, %y: tensor<7xf32>) -> tensor<6xf32> {
  // CHECK: %[[R:.*]] = plan.launch @cuda_kernels::@fused_0 {{.*}}(%arg0)
  // CHECK: return %[[R]]
  %r = plan.kernel multi_tensor (%a = %x : tensor<6xf32>, %b = %y : tensor<7xf32>) -> tensor<6xf32> {
    %p = plan.kernel fused (%c = %a : tensor<6xf32>) -> tensor<6xf32> {
      %e = tensor.empty() : tensor<6xf32>
      %v = linalg.generic {indexing_maps = [#vec, #vec], iterator_types = ["parallel"]} ins(%c : tensor<6xf32>) outs(%e : tensor<6xf32>) {
      ^bb0(%i: f32, %o: f32):
        %s = math.exp %i : f32
        linalg.yield %s : f32
      } -> tensor<6xf32>
      plan.yield %v : tensor<6xf32>
    }
    %q = plan.kernel fused (%c = %b : tensor<7xf32>) -> tensor<7xf32> {
      %e = tensor.empty() : tensor<7xf32>
      %v = linalg.generic {indexing_maps = [#vec, #vec], iterator_types = ["parallel"]} ins(%c : tensor<7xf32>) outs(%e : tensor<7xf32>) {
      ^bb0(%i: f32, %o: f32):
        %s = math.exp %i : f32
        linalg.yield %s : f32
      } -> tensor<7xf32>
      plan.yield %v : tensor<7xf32>
    }
    plan.yield %p : tensor<6xf32>
  }
  return %r : tensor<6xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#turned = affine_map<(d0, d1) -> (d1, d0)>

// Matrices that are turned have no loop over all elements in their order.

// CHECK-LABEL: @turned
func.func @turned(%x: tensor<4x6xf32>, %y: tensor<5x7xf32>) -> (tensor<6x4xf32>, tensor<7x5xf32>) {
  // CHECK: plan.launch @cuda_kernels::@fused_0 {{.*}}(%arg0)
  // CHECK: plan.launch @cuda_kernels::@fused_1 {{.*}}(%arg1)
  %r:2 = plan.kernel multi_tensor (%a = %x : tensor<4x6xf32>, %b = %y : tensor<5x7xf32>) -> (tensor<6x4xf32>, tensor<7x5xf32>) {
    %p = plan.kernel fused (%c = %a : tensor<4x6xf32>) -> tensor<6x4xf32> {
      %e = tensor.empty() : tensor<6x4xf32>
      %v = linalg.generic {indexing_maps = [#turned, #full], iterator_types = ["parallel", "parallel"]} ins(%c : tensor<4x6xf32>) outs(%e : tensor<6x4xf32>) {
      ^bb0(%i: f32, %o: f32):
        linalg.yield %i : f32
      } -> tensor<6x4xf32>
      plan.yield %v : tensor<6x4xf32>
    }
    %q = plan.kernel fused (%c = %b : tensor<5x7xf32>) -> tensor<7x5xf32> {
      %e = tensor.empty() : tensor<7x5xf32>
      %v = linalg.generic {indexing_maps = [#turned, #full], iterator_types = ["parallel", "parallel"]} ins(%c : tensor<5x7xf32>) outs(%e : tensor<7x5xf32>) {
      ^bb0(%i: f32, %o: f32):
        linalg.yield %i : f32
      } -> tensor<7x5xf32>
      plan.yield %v : tensor<7x5xf32>
    }
    plan.yield %p, %q : tensor<6x4xf32>, tensor<7x5xf32>
  }
  return %r#0, %r#1 : tensor<6x4xf32>, tensor<7x5xf32>
}
