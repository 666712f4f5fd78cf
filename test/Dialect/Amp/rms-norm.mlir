// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -ampc-kernels=target=host | FileCheck %s --check-prefix=KERNEL
// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s --check-prefix=KERNEL
// RUN: ampc-opt %s -amp-autocast | FileCheck %s --check-prefix=CAST
// RUN: ampc-opt %s -amp-autocast="lists=pytorch" | FileCheck %s --check-prefix=PYTORCH

// One kernel each way, with one sum; f32 but for the input and the result.

// CHECK-LABEL: @low_input(
// KERNEL-LABEL: @low_input(
func.func @low_input(%x: tensor<8x48xf16>, %s: tensor<48xf32>) -> (tensor<8x48xf16>, tensor<8x1xf32>) {
  // CHECK: amp.rms_norm %arg0, %arg1 from 1 {epsilon = 1.000000e-03 : f64} : (tensor<8x48xf16>, tensor<48xf32>) -> (tensor<8x48xf16>, tensor<8x1xf32>)
  // KERNEL-COUNT-1: plan.kernel
  // KERNEL-NOT: plan.kernel
  // KERNEL: return
  %y, %r = amp.rms_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x48xf16>, tensor<48xf32>) -> (tensor<8x48xf16>, tensor<8x1xf32>)
  return %y, %r : tensor<8x48xf16>, tensor<8x1xf32>
}

// CHECK-LABEL: @gradient(
// KERNEL-LABEL: @gradient(
func.func @gradient(%g: tensor<8x48xf16>, %x: tensor<8x48xf16>, %s: tensor<48xf32>, %r: tensor<8x1xf32>) -> tensor<8x48xf16> {
  // CHECK: amp.rms_norm_grad %arg0, %arg1, %arg2, %arg3 inv_rms_gradient %arg3 from 1 :
  // KERNEL-COUNT-1: plan.kernel
  // KERNEL-NOT: plan.kernel
  // KERNEL: return
  %dx = amp.rms_norm_grad %g, %x, %s, %r inv_rms_gradient %r from 1 : (tensor<8x48xf16>, tensor<8x48xf16>, tensor<48xf32>, tensor<8x1xf32>, tensor<8x1xf32>) -> tensor<8x48xf16>
  return %dx : tensor<8x48xf16>
}

// CAST-LABEL: @between_products(
// PYTORCH-LABEL: @between_products(
func.func @between_products(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %s: tensor<4xf32>) -> tensor<8x4xf32> {
  // CAST: amp.rms_norm {{.*}} : (tensor<8x4xf16>, tensor<4xf32>) -> (tensor<8x4xf16>, tensor<8x1xf32>)
  // PYTORCH: amp.rms_norm {{.*}} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>)
  %0 = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %y, %r = amp.rms_norm %0, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>)
  %1 = amp.matmul %y, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}
