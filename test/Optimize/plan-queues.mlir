// RUN: ampc-opt %s -split-input-file -plan-memory -plan-verify | FileCheck %s

// One after the other, all lie in two places.
// CHECK: plan.arena_bytes = 128
// CHECK-LABEL: func.func @one_queue
module {
  func.func @one_queue(%x: tensor<4xf32>) -> tensor<4xf32> {
    %a = plan.copy %x : tensor<4xf32>
    %b = plan.copy %a : tensor<4xf32>
    %c = plan.copy %b : tensor<4xf32>
    return %c : tensor<4xf32>
  }
}

// -----

// %b of queue 1 may be computed when %c is: %c takes not the place of %a, which %b reads.
// CHECK-LABEL: func.func @two_queues
// CHECK: %[[A:.*]] = plan.copy %arg0 {plan.offsets = array<i64: [[A_AT:[0-9]+]]>
// CHECK: plan.copy %[[A]] {plan.offsets = array<i64: [[B_AT:[0-9]+]]>
// CHECK-NOT: plan.offsets = array<i64: [[A_AT]]>
// CHECK-NOT: plan.offsets = array<i64: [[B_AT]]>
// CHECK: plan.copy %arg0
// CHECK: return
module {
  func.func @two_queues(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    %a = plan.copy %x {plan.signal = 7} : tensor<4xf32>
    %b = plan.copy %a {plan.queue = 1, plan.waits = array<i64: 7>} : tensor<4xf32>
    %c = plan.copy %x : tensor<4xf32>
    return %b, %c : tensor<4xf32>, tensor<4xf32>
  }
}

// -----

// The wait ends that: %c may be where %a was.
// CHECK-LABEL: func.func @after_the_wait
// CHECK: plan.copy %arg0 {plan.offsets = array<i64: [[A_AT:[0-9]+]]>
// CHECK: plan.copy
// CHECK: plan.copy {{.*}}plan.offsets = array<i64: [[A_AT]]>
module {
  func.func @after_the_wait(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    %a = plan.copy %x {plan.signal = 7} : tensor<4xf32>
    %b = plan.copy %a {plan.queue = 1, plan.waits = array<i64: 7>, plan.signal = 8} : tensor<4xf32>
    %c = plan.copy %x {plan.waits = array<i64: 8>} : tensor<4xf32>
    return %b, %c : tensor<4xf32>, tensor<4xf32>
  }
}

// -----

// A view of a part lies in the buffer, which lives as long as it does.
// CHECK-LABEL: func.func @parts
// CHECK: plan.copy %arg0 {plan.offsets = array<i64: [[AT:[0-9]+]]>
// CHECK: %[[TAIL:.*]] = plan.view %{{.*}} at 128 {plan.offsets = array<i64: [[TAIL_AT:[0-9]+]]>
// CHECK: plan.copy %arg1
// CHECK-NOT: plan.offsets = array<i64: [[AT]]>
// CHECK: plan.copy %[[TAIL]]
module {
  func.func @parts(%x: tensor<4x16xf32>, %y: tensor<4x16xf32>) -> (tensor<8xf32>, tensor<4x16xf32>) {
    %a = plan.copy %x : tensor<4x16xf32>
    %tail = plan.view %a at 128 : (tensor<4x16xf32>) -> tensor<2x4xf32>
    %b = plan.copy %y : tensor<4x16xf32>
    %c = plan.copy %tail : tensor<2x4xf32>
    %flat = tensor.collapse_shape %c [[0, 1]] : tensor<2x4xf32> into tensor<8xf32>
    return %flat, %b : tensor<8xf32>, tensor<4x16xf32>
  }
}
