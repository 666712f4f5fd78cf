// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -ampc-kernels=target=host | FileCheck %s --check-prefix=HOST
// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA

// One call, its bias included; on the host its activation too.

// CHECK-LABEL: @conv(
// HOST-LABEL: @conv(
// CUDA-LABEL: @conv(
func.func @conv(%x: tensor<8x3x28x28xf16>, %w: tensor<16x3x3x3xf16>, %b: tensor<16xf16>) -> tensor<8x16x14x14xf16> {
  // CHECK: amp.conv %arg0, %arg1 bias %arg2 strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<8x3x28x28xf16>, tensor<16x3x3x3xf16>, tensor<16xf16>) -> tensor<8x16x14x14xf16>
  // HOST: %[[Y:.*]] = plan.convolution forward %arg0, %arg1 bias %arg2 strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1 {epilogue = 1 : i32} : {{.*}} -> tensor<8x16x14x14xf16>
  // HOST-NEXT: return %[[Y]]
  // CUDA: plan.convolution forward {{.*}} bias %arg2 strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1 {channels_last} : (tensor<8x28x28x3xf16>, tensor<16x3x3x3xf16>, tensor<16xf16>) -> tensor<8x14x14x16xf16>
  // CUDA: plan.kernel fused {{.*}} -> tensor<8x16x14x14xf16>
  // CUDA-NOT: plan.kernel
  %y = amp.conv %x, %w bias %b strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<8x3x28x28xf16>, tensor<16x3x3x3xf16>, tensor<16xf16>) -> tensor<8x16x14x14xf16>
  %z = amp.relu %y : tensor<8x16x14x14xf16>
  return %z : tensor<8x16x14x14xf16>
}

// CHECK-LABEL: @gradients(
// GRADIENT-LABEL: @gradients(
// HOST-LABEL: @gradients(
// CUDA-LABEL: @gradients(
func.func @gradients(%x: tensor<2x4x9x9xf16>, %w: tensor<6x2x3x3xf16>, %g: tensor<2x6x9x9xf16>) -> (tensor<2x4x9x9xf16>, tensor<6x2x3x3xf32>) {
  // CHECK: amp.conv_input_grad %arg2, %arg1 strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 2 : (tensor<2x6x9x9xf16>, tensor<6x2x3x3xf16>) -> tensor<2x4x9x9xf16>
  // CHECK: amp.conv_filter_grad %arg2, %arg0 {{.*}} -> tensor<6x2x3x3xf32>
  // HOST: plan.convolution input_gradient %arg2, %arg1 strides
  // HOST: plan.convolution filter_gradient %arg2, %arg0 strides
  // CUDA: plan.convolution input_gradient {{.*}} groups 2 {channels_last} : {{.*}} -> tensor<2x9x9x4xf16>
  // CUDA: plan.convolution filter_gradient {{.*}} groups 2 {channels_last} : {{.*}} -> tensor<6x2x3x3xf16>
  // CUDA: plan.kernel fused {{.*}} -> tensor<108xf32>
  %dx = amp.conv_input_grad %g, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 2 : (tensor<2x6x9x9xf16>, tensor<6x2x3x3xf16>) -> tensor<2x4x9x9xf16>
  %dw = amp.conv_filter_grad %g, %x strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 2 : (tensor<2x6x9x9xf16>, tensor<2x4x9x9xf16>) -> tensor<6x2x3x3xf32>
  return %dx, %dw : tensor<2x4x9x9xf16>, tensor<6x2x3x3xf32>
}

// The gradient of the bias sums over images and places.

// GRADIENT-LABEL: @differentiated(
func.func @differentiated(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>, %b: tensor<5xf32>, %g: tensor<2x5x6x6xf32>) -> (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>) {
  // GRADIENT-DAG: %[[DX:.*]] = amp.conv_input_grad %arg3, %arg1
  // GRADIENT-DAG: %[[DW:.*]] = amp.conv_filter_grad %arg3, %arg0
  // GRADIENT-DAG: %[[SUM:.*]] = amp.reduce_sum %arg3 [0, 2, 3] : (tensor<2x5x6x6xf32>) -> tensor<5xf32>
  // GRADIENT: return %[[DX]], %[[DW]], %{{.*}} : tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>
  %y = amp.conv %x, %w bias %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>) -> tensor<2x5x6x6xf32>
  %d:3 = amp.gradient %y seed %g : tensor<2x5x6x6xf32> wrt (%x, %w, %b) : tensor<2x5x6x6xf32>, (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>) -> (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>)
  return %d#0, %d#1, %d#2 : tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>
}

// HOST-LABEL: @no_images(
func.func @no_images(%x: tensor<0x3x8x8xf32>, %w: tensor<5x3x3x3xf32>, %g: tensor<0x5x6x6xf32>) -> (tensor<0x5x6x6xf32>, tensor<5x3x3x3xf32>) {
  // HOST-NOT: plan.convolution
  // HOST: return
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<0x3x8x8xf32>, tensor<5x3x3x3xf32>) -> tensor<0x5x6x6xf32>
  %d = amp.conv_filter_grad %g, %x strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<0x5x6x6xf32>, tensor<0x3x8x8xf32>) -> tensor<5x3x3x3xf32>
  return %y, %d : tensor<0x5x6x6xf32>, tensor<5x3x3x3xf32>
}

// With channels last the library gets it so.

// CHECK-LABEL: @channels_last(
// HOST-LABEL: @channels_last(
// CUDA-LABEL: @channels_last(
func.func @channels_last(%x: tensor<2x9x9x4xf16>, %w: tensor<6x2x3x3xf16>, %b: tensor<6xf16>, %g: tensor<2x9x9x6xf16>) -> (tensor<2x9x9x6xf16>, tensor<2x9x9x4xf16>, tensor<6x2x3x3xf32>) {
  // CHECK: amp.conv %arg0, %arg1 bias %arg2 {{.*}} groups 2 {channels_last} : (tensor<2x9x9x4xf16>, tensor<6x2x3x3xf16>, tensor<6xf16>) -> tensor<2x9x9x6xf16>
  // HOST: plan.convolution forward %arg0, %arg1 bias %arg2 {{.*}} groups 2 {channels_last} : (tensor<2x9x9x4xf16>, tensor<6x2x3x3xf16>, tensor<6xf16>) -> tensor<2x9x9x6xf16>
  // HOST: plan.convolution input_gradient {{.*}} {channels_last} : {{.*}} -> tensor<2x9x9x4xf16>
  // HOST: plan.convolution filter_gradient {{.*}} {channels_last} : {{.*}} -> tensor<6x2x3x3xf32>
  // CUDA: plan.convolution forward %arg0, %arg1 bias %arg2 {{.*}} {channels_last} : {{.*}} -> tensor<2x9x9x6xf16>
  // CUDA: plan.convolution input_gradient {{.*}} {channels_last} : {{.*}} -> tensor<2x9x9x4xf16>
  // CUDA: %[[DW:.*]] = plan.convolution filter_gradient {{.*}} {channels_last} : {{.*}} -> tensor<6x2x3x3xf16>
  // CUDA: plan.kernel fused {{.*}} -> tensor<108xf32>
  %y = amp.conv %x, %w bias %b strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 2 {channels_last} : (tensor<2x9x9x4xf16>, tensor<6x2x3x3xf16>, tensor<6xf16>) -> tensor<2x9x9x6xf16>
  %dx = amp.conv_input_grad %g, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 2 {channels_last} : (tensor<2x9x9x6xf16>, tensor<6x2x3x3xf16>) -> tensor<2x9x9x4xf16>
  %dw = amp.conv_filter_grad %g, %x strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 2 {channels_last} : (tensor<2x9x9x6xf16>, tensor<2x9x9x4xf16>) -> tensor<6x2x3x3xf32>
  return %y, %dx, %dw : tensor<2x9x9x6xf16>, tensor<2x9x9x4xf16>, tensor<6x2x3x3xf32>
}

// The adjoint is the gradient of a convolution's input; on the host a bias is added before sums are
// rounded, which cuDNN does.
// Its gradients are a convolution and the gradient of a filter.

// CHECK-LABEL: @conv_transpose(
// HOST-LABEL: @conv_transpose(
// CUDA-LABEL: @conv_transpose(
func.func @conv_transpose(%x: tensor<2x6x4x4xf16>, %w: tensor<6x5x3x3xf16>, %b: tensor<5xf16>) -> tensor<2x5x9x9xf16> {
  // CHECK: amp.conv_transpose %arg0, %arg1 bias %arg2 size [9, 9] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1
  // HOST: %[[Y:.*]] = plan.convolution input_gradient %arg0, %arg1 {{.*}} -> tensor<2x5x9x9xf32>
  // HOST: plan.kernel fused
  // CUDA: plan.convolution input_gradient {{.*}} {channels_last} : {{.*}} -> tensor<2x9x9x5xf16>
  // CUDA: plan.kernel fused {{.*}} -> tensor<2x5x9x9xf16>
  %y = amp.conv_transpose %x, %w bias %b size [9, 9] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x6x4x4xf16>, tensor<6x5x3x3xf16>, tensor<5xf16>) -> tensor<2x5x9x9xf16>
  return %y : tensor<2x5x9x9xf16>
}

// GRADIENT-LABEL: @transpose_differentiated(
func.func @transpose_differentiated(%x: tensor<2x6x4x4xf32>, %w: tensor<6x5x3x3xf32>, %g: tensor<2x5x9x9xf32>) -> (tensor<2x6x4x4xf32>, tensor<6x5x3x3xf32>) {
  // GRADIENT-DAG: %[[DX:.*]] = amp.conv %arg2, %arg1 strides [2, 2]
  // GRADIENT-DAG: %[[DW:.*]] = amp.conv_filter_grad %arg0, %arg2 strides [2, 2]
  // GRADIENT: return %[[DX]], %[[DW]]
  %y = amp.conv_transpose %x, %w size [9, 9] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x6x4x4xf32>, tensor<6x5x3x3xf32>) -> tensor<2x5x9x9xf32>
  %d:2 = amp.gradient %y seed %g : tensor<2x5x9x9xf32> wrt (%x, %w) : tensor<2x5x9x9xf32>, (tensor<2x6x4x4xf32>, tensor<6x5x3x3xf32>) -> (tensor<2x6x4x4xf32>, tensor<6x5x3x3xf32>)
  return %d#0, %d#1 : tensor<2x6x4x4xf32>, tensor<6x5x3x3xf32>
}

// Of f64 cuDNN has no bias: it is added to the sums, which are not rounded in between. Of f32 it has,
// and channels stay where they are.

// CUDA-LABEL: @wide(
func.func @wide(%x: tensor<2x3x8x8xf64>, %w: tensor<5x3x3x3xf64>, %b: tensor<5xf64>, %u: tensor<2x3x8x8xf32>, %v: tensor<5x3x3x3xf32>, %c: tensor<5xf32>) -> (tensor<2x5x6x6xf64>, tensor<2x5x6x6xf32>) {
  // CUDA-DAG: plan.convolution forward %arg0, %arg1 strides {{.*}} groups 1 : {{.*}} -> tensor<2x5x6x6xf64>
  // CUDA-DAG: plan.kernel fused {{.*}} -> tensor<2x5x6x6xf64>
  // CUDA-DAG: plan.convolution forward %arg3, %arg4 bias %arg5 strides {{.*}} groups 1 : {{.*}} -> tensor<2x5x6x6xf32>
  %y = amp.conv %x, %w bias %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf64>, tensor<5x3x3x3xf64>, tensor<5xf64>) -> tensor<2x5x6x6xf64>
  %z = amp.conv %u, %v bias %c strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>) -> tensor<2x5x6x6xf32>
  return %y, %z : tensor<2x5x6x6xf64>, tensor<2x5x6x6xf32>
}
