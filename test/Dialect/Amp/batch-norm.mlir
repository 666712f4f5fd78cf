// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -ampc-kernels=target=host | FileCheck %s --check-prefix=HOST
// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -plan-lower-ops -cse | FileCheck %s --check-prefix=LOWER

// One pass over the input for both sums, in f32; one rounding of the result.

// CHECK-LABEL: @low_input(
// LOWER-LABEL: @low_input(
func.func @low_input(%x: tensor<8x3x4xf16>, %s: tensor<3xf32>, %b: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>) -> (tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>) {
  // CHECK: amp.batch_norm %arg0, %arg1, %arg2 running %arg3, %arg4 along 1 {epsilon = 1.000000e-05 : f64, momentum = 9.000000e-01 : f64} : (tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  // LOWER-COUNT-2: iterator_types = {{.*}}"reduction"
  // LOWER-NOT: "reduction"
  // LOWER: math.sqrt
  // LOWER: arith.truncf
  // LOWER-NOT: arith.truncf
  // LOWER: return
  %y, %mean, %inv, %new_mean, %new_var = amp.batch_norm %x, %s, %b running %m, %v along 1 {epsilon = 1.0e-05 : f64, momentum = 0.9 : f64} : (tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  return %y, %new_mean, %new_var : tensor<8x3x4xf16>, tensor<3xf32>, tensor<3xf32>
}

// Images of many places: on a device partial sums in many blocks, one kernel that merges them, and
// one that normalizes, which takes a following op with it; on the host a thread has whole channels.

// HOST-LABEL: @images(
// CUDA-LABEL: @images(
func.func @images(%x: tensor<64x64x56x56xf16>, %s: tensor<64xf32>, %b: tensor<64xf32>, %m: tensor<64xf32>, %v: tensor<64xf32>) -> (tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) {
  // HOST-COUNT-1: plan.kernel
  // HOST-NOT: plan.kernel
  // HOST: return
  // CUDA-COUNT-2: plan.kernel
  // CUDA-NOT: plan.kernel
  // CUDA: return
  %y, %mean, %inv, %new_mean, %new_var = amp.batch_norm %x, %s, %b running %m, %v along 1 {epsilon = 1.0e-05 : f64, momentum = 0.9 : f64} : (tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) -> (tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>)
  %z = amp.relu %y : tensor<64x64x56x56xf16>
  return %z, %mean, %inv, %new_mean, %new_var : tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>
}

// The gradient the same.

// CHECK-LABEL: @gradient(
// HOST-LABEL: @gradient(
// CUDA-LABEL: @gradient(
func.func @gradient(%g: tensor<64x64x56x56xf16>, %x: tensor<64x64x56x56xf16>, %s: tensor<64xf32>, %m: tensor<64xf32>, %r: tensor<64xf32>) -> (tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>) {
  // CHECK: amp.batch_norm_grad %arg0, %arg1, %arg2, %arg3, %arg4 along 1 : (tensor<64x64x56x56xf16>, tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) -> (tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>)
  // HOST-COUNT-1: plan.kernel
  // HOST-NOT: plan.kernel
  // HOST: return
  // CUDA-COUNT-2: plan.kernel
  // CUDA-NOT: plan.kernel
  // CUDA: return
  %dx, %ds, %db = amp.batch_norm_grad %g, %x, %s, %m, %r along 1 : (tensor<64x64x56x56xf16>, tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) -> (tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>)
  return %dx, %ds, %db : tensor<64x64x56x56xf16>, tensor<64xf32>, tensor<64xf32>
}

// In inference it is a kernel without sums.

// CHECK-LABEL: @inference(
// HOST-LABEL: @inference(
// CUDA-LABEL: @inference(
// LOWER-LABEL: @inference(
func.func @inference(%x: tensor<8x3x4xbf16>, %s: tensor<3xf32>, %b: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>) -> tensor<8x3x4xbf16> {
  // CHECK: amp.batch_norm_inference %arg0, %arg1, %arg2 by %arg3, %arg4 along 1 {epsilon = 1.000000e-05 : f64} :
  // HOST-COUNT-1: plan.kernel
  // HOST-NOT: plan.kernel
  // CUDA-COUNT-1: plan.kernel
  // CUDA-NOT: plan.kernel
  // LOWER-NOT: reduction
  %y = amp.batch_norm_inference %x, %s, %b by %m, %v along 1 {epsilon = 1.0e-05 : f64} : (tensor<8x3x4xbf16>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<8x3x4xbf16>
  return %y : tensor<8x3x4xbf16>
}
