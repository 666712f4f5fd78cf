// RUN: ampc-opt %s -plan-choose-layouts=target=cuda | FileCheck %s

// What cuDNN convolves with tensor cores has its channels last, and so have the ops around it.
// Filters and statistics of channels stay.

// CHECK-LABEL: @images_of_16_bits(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x6x5xf16>, %[[W:[^:]*]]: tensor<4x3x3x2xf16>, %[[S:[^:]*]]: tensor<4xf32>,
func.func @images_of_16_bits(%x: tensor<2x3x6x5xf16>, %w: tensor<4x3x3x2xf16>, %s: tensor<4xf32>, %b: tensor<4xf32>, %m: tensor<4xf32>, %v: tensor<4xf32>) -> (tensor<2x4x4x4xf16>, tensor<4xf32>) {
  // CHECK: %[[XT:.*]] = amp.transpose %[[X]] {{.*}} -> tensor<2x6x5x3xf16>
  // CHECK: %[[Y:.*]] = amp.conv %[[XT]], %[[W]] {{.*}} {channels_last}
  // CHECK: %[[Z:[^,]*]], %[[MEAN:[^,]*]], {{.*}} = amp.batch_norm %[[Y]], %[[S]], {{.*}} along 3 {{.*}} -> (tensor<2x4x4x4xf16>, tensor<4xf32>,
  // CHECK: %[[R:.*]] = amp.relu %[[Z]]
  // CHECK: %[[OUT:.*]] = amp.transpose %[[R]]
  // CHECK: return %[[OUT]], %[[MEAN]]
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
     : (tensor<2x3x6x5xf16>, tensor<4x3x3x2xf16>) -> tensor<2x4x4x4xf16>
  %z, %mean, %inv, %nm, %nv = amp.batch_norm %y, %s, %b running %m, %v along 1 {epsilon = 1.0e-05 : f64, momentum = 0.9 : f64}
     : (tensor<2x4x4x4xf16>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<2x4x4x4xf16>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  %r = amp.relu %z : tensor<2x4x4x4xf16>
  return %r, %mean : tensor<2x4x4x4xf16>, tensor<4xf32>
}

// A filter's gradient in f32 comes of a call that rounds it: it prefers what that does.

// CHECK-LABEL: @gradient_in_f32(
func.func @gradient_in_f32(%g: tensor<2x4x4x4xbf16>, %x: tensor<2x3x6x5xbf16>) -> tensor<4x3x3x2xf32> {
  // CHECK: amp.conv_filter_grad {{.*}} {channels_last} : (tensor<2x4x4x4xbf16>, tensor<2x6x5x3xbf16>) -> tensor<4x3x3x2xf32>
  %d = amp.conv_filter_grad %g, %x strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
     : (tensor<2x4x4x4xbf16>, tensor<2x3x6x5xbf16>) -> tensor<4x3x3x2xf32>
  return %d : tensor<4x3x3x2xf32>
}

// f32 is not computed by tensor cores.

// CHECK-LABEL: @images_in_f32(
func.func @images_in_f32(%x: tensor<2x3x6x5xf32>, %w: tensor<4x3x3x2xf32>) -> tensor<2x4x4x4xf32> {
  // CHECK-NOT: amp.transpose
  // CHECK: amp.conv %arg0, %arg1
  // CHECK-NOT: channels_last
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
     : (tensor<2x3x6x5xf32>, tensor<4x3x3x2xf32>) -> tensor<2x4x4x4xf32>
  return %y : tensor<2x4x4x4xf32>
}
