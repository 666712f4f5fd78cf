// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -split-input-file | FileCheck %s

#full = affine_map<(d0, d1) -> (d0, d1)>
#turned = affine_map<(d0, d1) -> (d1, d0)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>

// What is not one kernel becomes several.

// CHECK-LABEL: @different_reductions
func.func @different_reductions(%x: tensor<32x48xf32>) -> (tensor<32xf32>, tensor<32x48xf32>) {
  // CHECK: %[[ROWS:.*]] = plan.launch @cuda_kernels::@fused_0 {{.*}} -> tensor<32xf32>
  // CHECK: %[[COLS:.*]] = plan.launch @cuda_kernels::@fused_1 {{.*}} -> tensor<48xf32>
  // CHECK: %[[LESS:.*]] = plan.launch @cuda_kernels::@fused_2 {{.*}}(%arg0, %[[COLS]])
  // CHECK: return %[[ROWS]], %[[LESS]]
  %y:2 = plan.kernel fused (%a = %x : tensor<32x48xf32>) -> (tensor<32xf32>, tensor<32x48xf32>) {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<32xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<32xf32>) -> tensor<32xf32>
    %e1 = tensor.empty() : tensor<48xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<48xf32>) -> tensor<48xf32>
    %e2 = tensor.empty() : tensor<32x48xf32>
    %r = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<32x48xf32>) outs(%f0 : tensor<32xf32>) {
    ^bb0(%i: f32, %o: f32):
      %s = arith.addf %i, %o : f32
      linalg.yield %s : f32
    } -> tensor<32xf32>
    %c = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<32x48xf32>) outs(%f1 : tensor<48xf32>) {
    ^bb0(%i: f32, %o: f32):
      %s = arith.addf %i, %o : f32
      linalg.yield %s : f32
    } -> tensor<48xf32>
    %d = linalg.generic {indexing_maps = [#full, #col, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %c : tensor<32x48xf32>, tensor<48xf32>) outs(%e2 : tensor<32x48xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %s = arith.subf %i, %j : f32
      linalg.yield %s : f32
    } -> tensor<32x48xf32>
    plan.yield %r, %d : tensor<32xf32>, tensor<32x48xf32>
  }
  return %y#0, %y#1 : tensor<32xf32>, tensor<32x48xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#turned = affine_map<(d0, d1) -> (d1, d0)>

// A value that is read at two places is stored. The operand that the sum overwrites is
// copied for the op that reads it later.

// CHECK-LABEL: @read_later
func.func @read_later(%x: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  // CHECK: %[[COPY:.*]] = plan.copy %arg0
  // CHECK: %[[EXP:.*]] = plan.launch @cuda_kernels::@fused_0 {{.*}}(%arg0) {{.*}} tied = array<i64: 0>
  // CHECK: %[[LAST:.*]] = plan.launch @cuda_kernels::@fused_1 {{.*}}(%[[EXP]], %[[COPY]])
  // CHECK: return %[[EXP]], %[[LAST]]
  %y:2 = plan.kernel fused (%a = %x : tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) tied [0, -1] {
    %e = tensor.empty() : tensor<8x8xf32>
    %r = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %s = math.exp %i : f32
      linalg.yield %s : f32
    } -> tensor<8x8xf32>
    %t = linalg.generic {indexing_maps = [#full, #turned, #full, #full], iterator_types = ["parallel", "parallel"]} ins(%r, %r, %a : tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %j: f32, %k: f32, %o: f32):
      %s = arith.addf %i, %j : f32
      %u = arith.addf %s, %k : f32
      linalg.yield %u : f32
    } -> tensor<8x8xf32>
    plan.yield %r, %t : tensor<8x8xf32>, tensor<8x8xf32>
  }
  return %y#0, %y#1 : tensor<8x8xf32>, tensor<8x8xf32>
}

// -----

// What no op of the kernel makes is copied; elements that are none need no code.

// CHECK-LABEL: @no_op
func.func @no_op(%x: tensor<6xf32>, %y: tensor<0x4xf32>) -> (tensor<6xf32>, tensor<0x4xf32>) {
  // CHECK: plan.launch @cuda_kernels::@fused_0 {{.*}}(%arg0)
  // CHECK: plan.launch @cuda_kernels::@fused_1 {{.*}}() {{.*}} -> tensor<0x4xf32>
  %r = plan.kernel fused (%a = %x : tensor<6xf32>) -> tensor<6xf32> {
    plan.yield %a : tensor<6xf32>
  }
  %s = plan.kernel fused (%a = %y : tensor<0x4xf32>) -> tensor<0x4xf32> {
    plan.yield %a : tensor<0x4xf32>
  }
  return %r, %s : tensor<6xf32>, tensor<0x4xf32>
}

// -----

#vec = affine_map<(d0) -> (d0)>

// Tensors that are treated differently are kernels of their own, in place all the same.

// CHECK-LABEL: @not_alike
func.func @not_alike(%x: tensor<6xf32>, %y: tensor<7xf32>) -> (tensor<6xf32>, tensor<7xf32>) {
  // CHECK: plan.launch @cuda_kernels::@fused_0 {{.*}}(%arg0) {{.*}} tied = array<i64: 0>
  // CHECK: plan.launch @cuda_kernels::@fused_1 {{.*}}(%arg1) {{.*}} tied = array<i64: 0>
  %r:2 = plan.kernel multi_tensor (%a = %x : tensor<6xf32>, %b = %y : tensor<7xf32>) -> (tensor<6xf32>, tensor<7xf32>) tied [0, 1] {
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
        %s = math.tanh %i : f32
        linalg.yield %s : f32
      } -> tensor<7xf32>
      plan.yield %v : tensor<7xf32>
    }
    plan.yield %p, %q : tensor<6xf32>, tensor<7xf32>
  }
  return %r#0, %r#1 : tensor<6xf32>, tensor<7xf32>
}
