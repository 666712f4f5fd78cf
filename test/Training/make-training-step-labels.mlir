// RUN: ampc-opt %s --amp-make-training-step --split-input-file | FileCheck %s

amp.variable parameter @w : tensor<4xf32> {trained, from_model}

// Only the loss reads the target: evaluation does without it.

// CHECK: func.func @eval(%{{.*}}: tensor<4xf32> {amp.name = "x"}, %{{.*}}: tensor<4xf32> {amp.label, amp.name = "target"})
func.func @main(%x: tensor<4xf32> {amp.name = "x"}, %t: tensor<4xf32> {amp.name = "target"}) -> (tensor<4xf32> {amp.name = "y"}, tensor<f32> {amp.name = "loss", amp.loss}) {
  %w = amp.read @w : tensor<4xf32>
  %y = amp.mul %w, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %d = amp.sub %y, %t : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_l2 %d [0] : (tensor<4xf32>) -> tensor<f32>
  return %y, %l : tensor<4xf32>, tensor<f32>
}

// -----

amp.variable parameter @w : tensor<4xf32> {trained, from_model}

// Where the loss is all there is, everything is needed.

// CHECK: func.func @eval(
// CHECK-NOT: amp.label
// CHECK: return
func.func @main(%x: tensor<4xf32> {amp.name = "x"}) -> (tensor<f32> {amp.name = "loss", amp.loss}) {
  %w = amp.read @w : tensor<4xf32>
  %y = amp.mul %w, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_l2 %y [0] : (tensor<4xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
