// RUN: ampc-opt %s --split-input-file --plan-rematerialize=memory-limit=16400 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=TOLD --input-file=%t
// RUN: ampc-opt %s --split-input-file --plan-rematerialize=memory-limit=1000000 | FileCheck %s --check-prefix=ROOMY
// RUN: ampc-opt %s --split-input-file --plan-rematerialize | FileCheck %s --check-prefix=ROOMY

// Each matrix takes 4096 bytes. Where %d is written five are there: the input, %a, %b, %c and %d. %a
// waits for the last product, and is computed again in front of it.

// TOLD: remark: --memory-limit: @waits computes 1 steps again, which takes about {{.*}} % longer, and needs about 0.0 MiB

// CHECK-LABEL: func.func @waits(
// CHECK-SAME: %[[X:.*]]: tensor<32x32xf32>
// ROOMY-LABEL: func.func @waits(
func.func @waits(%x: tensor<32x32xf32>) -> tensor<32x32xf32> {
  // CHECK-NEXT: %[[A:.*]] = plan.copy %[[X]]
  // CHECK-NEXT: %[[B:.*]] = plan.matmul %[[A]], %[[X]]
  // CHECK-NEXT: %[[C:.*]] = plan.matmul %[[B]], %[[X]]
  // CHECK-NEXT: %[[D:.*]] = plan.matmul %[[C]], %[[B]]
  // CHECK-NEXT: %[[E:.*]] = plan.copy %[[D]]
  // CHECK-NEXT: %[[AGAIN:.*]] = plan.copy %[[X]]
  // CHECK-NEXT: %[[F:.*]] = plan.matmul %[[E]], %[[AGAIN]]
  // CHECK-NEXT: %[[G:.*]] = plan.matmul %[[F]], %[[X]]
  // CHECK-NEXT: return %[[G]]
  // ROOMY-COUNT-2: plan.copy
  // ROOMY-NOT: plan.copy
  // ROOMY: return
  %a = plan.copy %x : tensor<32x32xf32>
  %b = plan.matmul %a, %x : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %c = plan.matmul %b, %x : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %d = plan.matmul %c, %b : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %e = plan.copy %d : tensor<32x32xf32>
  %f = plan.matmul %e, %a : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %g = plan.matmul %f, %x : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  return %g : tensor<32x32xf32>
}

// -----

// A kernel is computed in part, from a result that is there: the sum, in f32. What comes out in 16
// bits is none to begin from.

// CHECK-LABEL: func.func @part(
// CHECK-SAME: %[[X:.*]]: tensor<32x32xf32>
// CHECK: %[[K:.*]]:2 = plan.kernel fused
// CHECK: %[[P:.*]] = plan.matmul %[[K]]#1
// CHECK: plan.kernel fused (%{{.*}} = %[[K]]#0
// CHECK-NOT: arith.addf
// CHECK: math.tanh
// CHECK: plan.yield
// CHECK: plan.matmul
// CHECK: return
func.func @part(%x: tensor<32x32xf32>, %y: tensor<8xf32>) -> (tensor<32x32xf32>, tensor<32x32xf32>) {
  %k:2 = plan.kernel fused (%a = %x : tensor<32x32xf32>) -> (tensor<32x32xf32>, tensor<32x32xf32>) {
    %0 = tensor.empty() : tensor<32x32xf32>
    %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<32x32xf32>) outs(%0 : tensor<32x32xf32>) {
    ^bb0(%in: f32, %out: f32):
      %s = arith.addf %in, %in : f32
      linalg.yield %s : f32
    } -> tensor<32x32xf32>
    %2 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%1 : tensor<32x32xf32>) outs(%0 : tensor<32x32xf32>) {
    ^bb0(%in: f32, %out: f32):
      %t = math.tanh %in : f32
      linalg.yield %t : f32
    } -> tensor<32x32xf32>
    plan.yield %1, %2 : tensor<32x32xf32>, tensor<32x32xf32>
  }
  %p = plan.matmul %k#1, %k#1 : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %q = plan.matmul %p, %p : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %r = plan.matmul %q, %p : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %s = plan.matmul %r, %k#1 : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  return %k#0, %s : tensor<32x32xf32>, tensor<32x32xf32>
}
