// RUN: ampc-opt %s --amp-autocast="lists=pytorch" --cse --split-input-file | FileCheck %s
// RUN: ampc-opt %s --amp-recover-patterns --amp-autocast="lists=pytorch" --cse --split-input-file | FileCheck %s --check-prefix=RECOVERED
// RUN: ampc-opt %s --amp-recover-patterns --amp-autocast --cse --split-input-file | FileCheck %s --check-prefix=BALANCED

// PyTorch's buffers have a vote; numbers, of rank 0 or of one element, do not.

// CHECK-LABEL: @buffers_vote
func.func @buffers_vote(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>) -> (tensor<8x2xf32>, tensor<8x2xf32>, tensor<8x2xf32>) {
  // CHECK: amp.mul {{.*}} -> tensor<8x2xf32>
  // CHECK: amp.mul {{.*}} -> tensor<8x2xf16>
  // CHECK: amp.mul {{.*}} -> tensor<8x2xf16>
  %buffer = amp.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %one = amp.constant dense<2.0> : tensor<1xf32>
  %number = amp.constant dense<3.0> : tensor<f32>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %a = amp.mul %y, %buffer : (tensor<8x2xf32>, tensor<2xf32>) -> tensor<8x2xf32>
  %b = amp.mul %y, %one : (tensor<8x2xf32>, tensor<1xf32>) -> tensor<8x2xf32>
  %c = amp.mul %y, %number : (tensor<8x2xf32>, tensor<f32>) -> tensor<8x2xf32>
  return %a, %b, %c : tensor<8x2xf32>, tensor<8x2xf32>, tensor<8x2xf32>
}

// -----

// A GELU with tanh that a model spells out has a power in it, which PyTorch computes in f32, and with it all that
// is computed of it. One that calls PyTorch's own computes in f16.

// RECOVERED-LABEL: @spelled_out
// BALANCED-LABEL: @spelled_out
func.func @spelled_out(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  // RECOVERED: amp.gelu {{.*}} : tensor<8x4xf32>
  // RECOVERED: amp.gelu {{.*}} : tensor<8x4xf16>
  // BALANCED: amp.gelu {{.*}} : tensor<8x4xf16>
  // BALANCED: amp.gelu {{.*}} : tensor<8x4xf16>
  %half = amp.constant dense<0.5> : tensor<f32>
  %three = amp.constant dense<3.0> : tensor<f32>
  %c = amp.constant dense<0.044715> : tensor<f32>
  %r = amp.constant dense<0.7978845608> : tensor<f32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %p = amp.pow %y, %three : (tensor<8x4xf32>, tensor<f32>) -> tensor<8x4xf32>
  %q = amp.mul %p, %c : (tensor<8x4xf32>, tensor<f32>) -> tensor<8x4xf32>
  %s = amp.add %y, %q : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %u = amp.mul %s, %r : (tensor<8x4xf32>, tensor<f32>) -> tensor<8x4xf32>
  %t = amp.tanh %u : tensor<8x4xf32>
  %v = amp.add %t, %one : (tensor<8x4xf32>, tensor<f32>) -> tensor<8x4xf32>
  %h = amp.mul %y, %half : (tensor<8x4xf32>, tensor<f32>) -> tensor<8x4xf32>
  %g = amp.mul %h, %v : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %own = amp.gelu %y {tanh} : tensor<8x4xf32>
  return %g, %own : tensor<8x4xf32>, tensor<8x4xf32>
}
