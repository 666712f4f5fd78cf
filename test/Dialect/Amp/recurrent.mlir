// RUN: ampc-opt %s | FileCheck %s
// RUN: ampc-opt %s -plan-lower-ops | FileCheck %s --check-prefix=LOWER

// CHECK-LABEL: @rnn
// LOWER-LABEL: @rnn
// LOWER: plan.loop @loop_body times 5 carries(%arg2) over(%arg0) with(%arg1) reversed [false, false]
func.func @rnn(%x: tensor<5x2x4xf16>, %r: tensor<4x4xf16>, %h: tensor<2x4xf16>)
    -> tensor<5x2x4xf16> {
  // CHECK: amp.rnn tanh %arg0, %arg1 from %arg2 : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>) -> tensor<5x2x4xf16>
  %y = amp.rnn tanh %x, %r from %h
      : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>) -> tensor<5x2x4xf16>
  return %y : tensor<5x2x4xf16>
}

// The gradient goes through time the other way; what it carries is f32.
// CHECK-LABEL: @gradient
// LOWER-LABEL: @gradient
// LOWER: plan.loop @loop_body_0 times 5 {{.*}} reversed [true, true, true]
// LOWER-SAME: -> (tensor<2x4xf32>, tensor<5x2x4xf16>, tensor<0xi8>)
func.func @gradient(%g: tensor<5x2x4xf16>, %y: tensor<5x2x4xf16>, %r: tensor<4x4xf16>)
    -> (tensor<5x2x4xf16>, tensor<2x4xf32>) {
  // CHECK: amp.rnn_gradient relu
  %d, %h = amp.rnn_gradient relu %g, %y, %r
      : (tensor<5x2x4xf16>, tensor<5x2x4xf16>, tensor<4x4xf16>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf32>)
  return %d, %h : tensor<5x2x4xf16>, tensor<2x4xf32>
}

// An iteration is one product, not rounded, and one elementwise op.
// LOWER-LABEL: func.func private @loop_body(
// LOWER-SAME: attributes {plan.loop_body}
// LOWER: plan.matmul %arg0, %arg2 {transpose_rhs} : (tensor<2x4xf16>, tensor<4x4xf16>) -> tensor<2x4xf32>
// LOWER: linalg.generic
// LOWER-NOT: linalg.generic
// LOWER: return %[[H:.*]], %[[H]]
// LOWER-LABEL: func.func private @loop_body_0(
// LOWER: linalg.generic
// LOWER-NOT: linalg.generic
// LOWER: plan.matmul {{.*}} : (tensor<2x4xf16>, tensor<4x4xf16>) -> tensor<2x4xf32>
