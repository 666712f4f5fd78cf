// RUN: ampc-opt %s -plan-lower-ops=target=cuda -plan-form-kernels=target=cuda -split-input-file | FileCheck %s

// Slices, pads and concatenations join their producers and consumers.

// CHECK-LABEL: @slice_of_a_result
// CHECK: plan.kernel fused
// CHECK-NOT: plan.kernel
// CHECK: return
func.func @slice_of_a_result(%x: tensor<32x96xf32>, %b: tensor<40xf32>) -> tensor<32x40xf32> {
  %m = amp.relu %x : tensor<32x96xf32>
  %s = amp.slice %m from [0, 16] size [32, 40] step [1, 1] : (tensor<32x96xf32>) -> tensor<32x40xf32>
  %r = amp.add %s, %b : (tensor<32x40xf32>, tensor<40xf32>) -> tensor<32x40xf32>
  return %r : tensor<32x40xf32>
}

// -----

// CHECK-LABEL: @softmax_of_a_slice
// CHECK: plan.kernel fused (%{{.*}} : tensor<32x96xf32>) -> tensor<32x40xf32>
// CHECK-NOT: plan.kernel
// CHECK: return
func.func @softmax_of_a_slice(%x: tensor<32x96xf32>) -> tensor<32x40xf32> {
  %m = amp.tanh %x : tensor<32x96xf32>
  %s = amp.slice %m from [0, 16] size [32, 40] step [1, 1] : (tensor<32x96xf32>) -> tensor<32x40xf32>
  %r = amp.softmax %s along 1 : tensor<32x40xf32>
  return %r : tensor<32x40xf32>
}

// -----

// CHECK-LABEL: @pad_of_a_product
// CHECK: plan.kernel fused
// CHECK-NOT: plan.kernel
// CHECK: return
func.func @pad_of_a_product(%x: tensor<32x64xf32>, %y: tensor<36x72xf32>) -> tensor<36x72xf32> {
  %m = amp.mul %x, %x : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %p = amp.pad %m at [2, 4] in [36, 72] step [1, 1] : (tensor<32x64xf32>) -> tensor<36x72xf32>
  %r = amp.add %p, %y : (tensor<36x72xf32>, tensor<36x72xf32>) -> tensor<36x72xf32>
  return %r : tensor<36x72xf32>
}

// -----

// CHECK-LABEL: @concat_of_results
// CHECK: plan.kernel fused
// CHECK-NOT: plan.kernel
// CHECK: return
func.func @concat_of_results(%x: tensor<32x64xf32>, %y: tensor<32x32xf32>) -> tensor<32x96xf32> {
  %a = amp.exp %x : tensor<32x64xf32>
  %b = amp.tanh %y : tensor<32x32xf32>
  %c = amp.concat %a, %b along 1 : (tensor<32x64xf32>, tensor<32x32xf32>) -> tensor<32x96xf32>
  %r = amp.relu %c : tensor<32x96xf32>
  return %r : tensor<32x96xf32>
}

// -----

// What is read at two places lies in memory; each part has an operand.

// CHECK-LABEL: @concat_with_itself
// CHECK: %[[EXP:.*]] = plan.kernel fused
// CHECK: math.exp
// CHECK: plan.kernel fused (%{{.*}} = %[[EXP]] : tensor<32x64xf32>) -> tensor<32x128xf32>
// CHECK: linalg.generic {{.*}} ins(%[[A:.*]], %[[A]] : tensor<32x64xf32>, tensor<32x64xf32>)
// CHECK: return
func.func @concat_with_itself(%x: tensor<32x64xf32>) -> tensor<32x128xf32> {
  %a = amp.exp %x : tensor<32x64xf32>
  %c = amp.concat %a, %a along 1 : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x128xf32>
  return %c : tensor<32x128xf32>
}

// -----

// Another result of the same op needs all of what the slice reads a part of: that lies in memory.

// CHECK-LABEL: @a_result_and_its_slice
// CHECK: %[[ALL:.*]] = plan.kernel fused
// CHECK: math.exp
// CHECK: plan.kernel fused (%{{.*}} = %[[ALL]] : tensor<32x96xf32>) -> tensor<32x40xf32>
// CHECK: return
func.func @a_result_and_its_slice(%x: tensor<32x96xf32>) -> (tensor<32x96xf32>, tensor<32x40xf32>) {
  %m = amp.exp %x : tensor<32x96xf32>
  %s = amp.slice %m from [0, 16] size [32, 40] step [1, 1] : (tensor<32x96xf32>) -> tensor<32x40xf32>
  return %m, %s : tensor<32x96xf32>, tensor<32x40xf32>
}

// -----

// Each part of a split computes its own of what is cheap to compute: the copies do not become one
// again, which would be read at three places.

// CHECK-LABEL: @parts_of_a_sum
// CHECK: plan.kernel fused
// CHECK-COUNT-2: arith.subf
// CHECK-NOT: plan.kernel
// CHECK: return
func.func @parts_of_a_sum(%x: tensor<32x96xf32>, %b: tensor<1xf32>) -> tensor<32x48xf32> {
  %m = amp.sub %x, %b : (tensor<32x96xf32>, tensor<1xf32>) -> tensor<32x96xf32>
  %s = amp.slice %m from [0, 0] size [32, 48] step [1, 1] : (tensor<32x96xf32>) -> tensor<32x48xf32>
  %t = amp.slice %m from [0, 48] size [32, 48] step [1, 1] : (tensor<32x96xf32>) -> tensor<32x48xf32>
  %r = amp.mul %s, %t : (tensor<32x48xf32>, tensor<32x48xf32>) -> tensor<32x48xf32>
  return %r : tensor<32x48xf32>
}
