// RUN: ampc-opt %s -amp-differentiate | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=host | FileCheck %s --check-prefixes=KERNEL,HOST
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=cuda | FileCheck %s --check-prefixes=KERNEL,CUDA

// Between products: one kernel forward, one by rows for the input's gradient, and one by
// columns for the gradients of both parameters, which are summed in f32. On a device that one adds
// them up in groups of rows, which another kernel merges.

// CHECK-LABEL: @between_products(
// KERNEL-LABEL: @between_products(
func.func @between_products(%a: tensor<512x256xf16>, %w: tensor<256x256xf32>, %s: tensor<256xf32>, %b: tensor<256xf32>, %v: tensor<256x64xf16>, %g: tensor<512x64xf16>)
    -> (tensor<512x64xf16>, tensor<256x256xf32>, tensor<256xf32>, tensor<256xf32>) {
  // CHECK: %[[X:.*]] = amp.matmul
  // CHECK: %[[Y:.*]], %[[M:.*]], %[[R:.*]] = amp.layer_norm %[[X]], %arg2 bias %arg3
  // CHECK: amp.matmul %[[Y]]
  // CHECK: %[[G:.*]] = amp.matmul
  // CHECK: %[[DX:.*]] = amp.layer_norm_grad %[[G]], %[[X]], %arg2, %[[M]], %[[R]] from 1 : {{.*}} -> tensor<512x256xf16>
  // CHECK: %[[D:.*]] = amp.sub %{{.*}}, %[[M]] : (tensor<512x256xf32>, tensor<512x1xf32>)
  // CHECK: %[[N:.*]] = amp.mul %[[D]], %[[R]]
  // CHECK: %[[P:.*]] = amp.mul %{{.*}}, %[[N]] : (tensor<512x256xf32>, tensor<512x256xf32>)
  // CHECK: %[[DS:.*]] = amp.reduce_sum %[[P]] [0] : {{.*}} -> tensor<256xf32>
  // CHECK: %[[DB:.*]] = amp.reduce_sum %[[G]] [0] {wide} : (tensor<512x256xf16>) -> tensor<256xf32>
  // CHECK: %[[DW:.*]] = amp.matmul %arg0, %[[DX]] {transpose_lhs, wide}
  // CHECK: return %{{.*}}, %[[DW]], %[[DS]], %[[DB]]
  // KERNEL: %[[X:.*]] = plan.matmul %arg0
  // KERNEL: %[[Y:.*]]:3 = plan.kernel fused (%{{.*}} = %[[X]] : tensor<512x256xf16>, %{{.*}} = %arg2 : tensor<256xf32>, %{{.*}} = %arg3 : tensor<256xf32>) ->
  // KERNEL: plan.matmul %[[Y]]#2, %arg4
  // KERNEL: %[[G:.*]] = plan.matmul
  // HOST-DAG: %[[DX:.*]] = plan.kernel fused ({{.*}} = %[[G]] : tensor<512x256xf16>{{.*}}) -> tensor<512x256xf16>
  // HOST-DAG: plan.kernel fused ({{.*}} = %[[G]] : tensor<512x256xf16>{{.*}}) -> (tensor<256xf32>, tensor<256xf32>)
  // HOST: plan.matmul %arg0, %[[DX]]
  // CUDA: %[[D:.*]]:3 = plan.kernel fused ({{.*}} = %[[G]] : tensor<512x256xf16>{{.*}}) -> (tensor<512x256xf16>, tensor<128x256xf32>, tensor<128x256xf32>)
  // CUDA-DAG: plan.matmul %arg0, %[[D]]#0
  // CUDA-DAG: plan.kernel multi_tensor (%{{.*}} = %[[D]]#1 : tensor<128x256xf32>, %{{.*}} = %[[D]]#2 : tensor<128x256xf32>) -> (tensor<256xf32>, tensor<256xf32>)
  // HOST-NOT: plan.kernel
  // KERNEL: return
  %lw = amp.cast %w {inserted} : tensor<256x256xf32> to tensor<256x256xf16>
  %x = amp.matmul %a, %lw : (tensor<512x256xf16>, tensor<256x256xf16>) -> tensor<512x256xf16>
  %y, %m, %r = amp.layer_norm %x, %s bias %b from 1 {epsilon = 1.0e-03 : f64} : (tensor<512x256xf16>, tensor<256xf32>, tensor<256xf32>) -> (tensor<512x256xf16>, tensor<512x1xf32>, tensor<512x1xf32>)
  %z = amp.matmul %y, %v : (tensor<512x256xf16>, tensor<256x64xf16>) -> tensor<512x64xf16>
  %t = amp.tanh %z : tensor<512x64xf16>
  %d:3 = amp.gradient %t seed %g : tensor<512x64xf16> wrt (%w, %s, %b) : tensor<512x64xf16>, (tensor<256x256xf32>, tensor<256xf32>, tensor<256xf32>) -> (tensor<256x256xf32>, tensor<256xf32>, tensor<256xf32>)
  return %t, %d#0, %d#1, %d#2 : tensor<512x64xf16>, tensor<256x256xf32>, tensor<256xf32>, tensor<256xf32>
}

// Only what is asked for is computed.

// CHECK-LABEL: @only_the_bias(
func.func @only_the_bias(%x: tensor<8x4xf32>, %s: tensor<4xf32>, %b: tensor<4xf32>, %g: tensor<8x4xf32>) -> tensor<4xf32> {
  // CHECK: amp.layer_norm
  // CHECK-NEXT: %[[DB:.*]] = amp.reduce_sum %arg3 [0]
  // CHECK-NEXT: return %[[DB]]
  %y, %m, %r = amp.layer_norm %x, %s bias %b from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %d = amp.gradient %y seed %g : tensor<8x4xf32> wrt (%b) : tensor<8x4xf32>, (tensor<4xf32>) -> tensor<4xf32>
  return %d : tensor<4xf32>
}

// The copy of a parameter in 16 bits has a gradient in f32.

// CHECK-LABEL: @low_copy_of_a_parameter(
func.func @low_copy_of_a_parameter(%p: tensor<8x4xf32>, %s: tensor<4xf32>, %g: tensor<8x4xf16>) -> tensor<8x4xf32> {
  // CHECK: %[[D:.*]] = amp.layer_norm_grad {{.*}} {wide} : {{.*}} -> tensor<8x4xf32>
  // CHECK: return %[[D]]
  %x = amp.cast %p {inserted} : tensor<8x4xf32> to tensor<8x4xf16>
  %y, %m, %r = amp.layer_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf16>, tensor<4xf32>) -> (tensor<8x4xf16>, tensor<8x1xf32>, tensor<8x1xf32>)
  %d = amp.gradient %y seed %g : tensor<8x4xf16> wrt (%p) : tensor<8x4xf16>, (tensor<8x4xf32>) -> tensor<8x4xf32>
  return %d : tensor<8x4xf32>
}

// Statistics that something reads bring gradients of their own.

// CHECK-LABEL: @statistics(
func.func @statistics(%x: tensor<8x4xf32>, %s: tensor<4xf32>, %gm: tensor<8x1xf32>) -> (tensor<8x4xf32>, tensor<4xf32>) {
  // CHECK: %[[NO:.*]] = amp.constant dense<0.0{{.*}}> : tensor<8x4xf32>
  // CHECK: %[[D:.*]] = amp.layer_norm_grad %[[NO]], {{.*}} mean_gradient %arg2 inv_std_dev_gradient %arg2 from 1
  // CHECK: %[[NONE:.*]] = amp.constant dense<0.0{{.*}}> : tensor<4xf32>
  // CHECK: return %[[D]], %[[NONE]]
  %y, %m, %r = amp.layer_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %sum = amp.add %m, %r : (tensor<8x1xf32>, tensor<8x1xf32>) -> tensor<8x1xf32>
  %d:2 = amp.gradient %sum seed %gm : tensor<8x1xf32> wrt (%x, %s) : tensor<8x1xf32>, (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<4xf32>)
  return %d#0, %d#1 : tensor<8x4xf32>, tensor<4xf32>
}
