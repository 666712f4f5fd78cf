// RUN: ampc-opt %s --amp-make-training-step --split-input-file | FileCheck %s

// The loss of a step that the model spells out is what it differentiates first.

func.func @main(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  return %x : tensor<4x2xf32>
}
// CHECK-LABEL: func.func @train
// CHECK: %[[LOSS:.*]] = amp.reduce_mean %arg0 [0, 1]
// CHECK: amp.record_stats {{.*}}(%[[LOSS]],
func.func @train(%x: tensor<4x2xf32>) -> (tensor<4x2xf32>, tensor<f32>) {
  %loss = amp.reduce_mean %x [0, 1] : (tensor<4x2xf32>) -> tensor<f32>
  %other = amp.reduce_sum %x [0, 1] : (tensor<4x2xf32>) -> tensor<f32>
  %g = amp.gradient %loss wrt(%x) : tensor<f32>, (tensor<4x2xf32>) -> tensor<4x2xf32>
  return %g, %other : tensor<4x2xf32>, tensor<f32>
}

// -----

// One that arrives differentiated has its only output of one float.

func.func @main(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  return %x : tensor<4x2xf32>
}
// CHECK-LABEL: func.func @train
// CHECK: %[[SUM:.*]] = amp.reduce_sum %arg0 [0, 1] {keepdims}
// CHECK: %[[LOSS:.*]] = amp.reshape %[[SUM]] : tensor<1x1xf32> to tensor<f32>
// CHECK: amp.record_stats {{.*}}(%[[LOSS]],
func.func @train(%x: tensor<4x2xf32>) -> (tensor<4x2xf32>, tensor<1x1xf32>) {
  %sum = amp.reduce_sum %x [0, 1] {keepdims} : (tensor<4x2xf32>) -> tensor<1x1xf32>
  %sign = amp.sign %x : tensor<4x2xf32>
  return %sign, %sum : tensor<4x2xf32>, tensor<1x1xf32>
}

// -----

// Where two outputs are one float, neither is known to be the loss.

func.func @main(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  return %x : tensor<4x2xf32>
}
// CHECK-LABEL: func.func @train
// CHECK: %[[NAN:.*]] = amp.constant dense<0x7FC00000> : tensor<f32>
// CHECK: amp.record_stats {{.*}}(%[[NAN]],
func.func @train(%x: tensor<4x2xf32>) -> (tensor<f32>, tensor<f32>) {
  %sum = amp.reduce_sum %x [0, 1] : (tensor<4x2xf32>) -> tensor<f32>
  %mean = amp.reduce_mean %x [0, 1] : (tensor<4x2xf32>) -> tensor<f32>
  return %sum, %mean : tensor<f32>, tensor<f32>
}
