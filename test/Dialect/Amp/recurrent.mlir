// RUN: ampc-opt %s | FileCheck %s
// RUN: ampc-opt %s -plan-lower-ops | FileCheck %s --check-prefix=LOWER

// What nobody reads of the results is not made.
// CHECK-LABEL: @simple
// LOWER-LABEL: @simple
// LOWER: plan.loop @loop_body times 5 carries(%arg2) over(%arg0) with(%arg1) reversed [false, false]
func.func @simple(%x: tensor<5x2x4xf16>, %r: tensor<4x4xf16>, %h: tensor<2x4xf16>)
    -> tensor<5x2x4xf16> {
  // CHECK: amp.recurrence simple(tanh) %arg0, %arg1 from %arg2 : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>) -> (tensor<5x2x4xf16>, tensor<2x4xf16>, tensor<5x2x4xf16>)
  %y:3 = amp.recurrence simple(tanh) %x, %r from %h
      : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf16>, tensor<5x2x4xf16>)
  return %y#0 : tensor<5x2x4xf16>
}

// The cell state is f32. A mask of the steps, padded to 64, is made once.
// CHECK-LABEL: @lstm
// LOWER-LABEL: @lstm
// LOWER: linalg.generic {{.*}} outs({{.*}} : tensor<5x64xi1>)
// LOWER: plan.loop @loop_body_0 times 5 carries(%arg2, %arg3)
// LOWER-SAME: reversed [true, true]
// LOWER-SAME: -> (tensor<2x4xf16>, tensor<2x4xf32>, tensor<0xi8>)
func.func @lstm(%x: tensor<5x2x16xf16>, %r: tensor<16x4xf16>, %h: tensor<2x4xf16>,
                %c: tensor<2x4xf32>, %p: tensor<3x4xf32>, %n: tensor<2xi32>)
    -> (tensor<2x4xf16>, tensor<2x4xf32>) {
  // CHECK: amp.recurrence lstm(sigmoid, tanh, leaky_relu) %arg0, %arg1 from %arg2 cell %arg3 peepholes %arg4 lengths %arg5 {alphas = array<f32: {{.*}}>, betas = array<f32: {{.*}}>, clip = 3.000000e+00 : f32, reversed}
  %y:8 = amp.recurrence lstm(sigmoid, tanh, leaky_relu) %x, %r from %h cell %c peepholes %p
      lengths %n {alphas = array<f32: 1.0, 1.0, 0.5>, betas = array<f32: 0.0, 0.0, 0.0>,
                  clip = 3.0 : f32, reversed}
      : (tensor<5x2x16xf16>, tensor<16x4xf16>, tensor<2x4xf16>, tensor<2x4xf32>, tensor<3x4xf32>,
         tensor<2xi32>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf16>, tensor<2x4xf32>, tensor<5x2x4xf32>,
          tensor<5x2x4xf16>, tensor<5x2x4xf16>, tensor<5x2x4xf16>, tensor<5x2x4xf16>)
  return %y#1, %y#2 : tensor<2x4xf16>, tensor<2x4xf32>
}

// CHECK-LABEL: @gru
// LOWER-LABEL: @gru
// LOWER: plan.loop @loop_body_1
func.func @gru(%x: tensor<5x2x12xf32>, %r: tensor<12x4xf32>, %h: tensor<2x4xf32>,
               %b: tensor<4xf32>) -> tensor<5x2x4xf32> {
  // CHECK: amp.recurrence linear_gru(sigmoid, tanh) %arg0, %arg1 from %arg2 bias %arg3 :
  %y:6 = amp.recurrence linear_gru(sigmoid, tanh) %x, %r from %h bias %b
      : (tensor<5x2x12xf32>, tensor<12x4xf32>, tensor<2x4xf32>, tensor<4xf32>)
      -> (tensor<5x2x4xf32>, tensor<2x4xf32>, tensor<5x2x4xf32>, tensor<5x2x4xf32>,
          tensor<5x2x4xf32>, tensor<5x2x4xf32>)
  return %y#0 : tensor<5x2x4xf32>
}

// The gradient goes through time the other way; what it carries is f32.
// CHECK-LABEL: @gradient
// LOWER-LABEL: @gradient
// LOWER: plan.loop @loop_body_2 times 5 {{.*}} reversed [true, true, true]
// LOWER-SAME: -> (tensor<2x4xf32>, tensor<5x2x4xf16>, tensor<0xi8>)
func.func @gradient(%g: tensor<5x2x4xf16>, %y: tensor<5x2x4xf16>, %r: tensor<4x4xf16>)
    -> (tensor<5x2x4xf16>, tensor<2x4xf32>) {
  // CHECK: amp.recurrence_gradient simple(relu) %arg2 states %arg0 saved %arg1 :
  %d, %h = amp.recurrence_gradient simple(relu) %r states %g saved %y
      : (tensor<4x4xf16>, tensor<5x2x4xf16>, tensor<5x2x4xf16>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf32>)
  return %d, %h : tensor<5x2x4xf16>, tensor<2x4xf32>
}

// An iteration is one product, not rounded, and element-wise ops.
// LOWER-LABEL: func.func private @loop_body(
// LOWER-SAME: attributes {plan.loop_body}
// LOWER: plan.matmul %arg0, %arg2 {transpose_rhs} : (tensor<2x4xf16>, tensor<4x4xf16>) -> tensor<2x4xf32>
// LOWER-NOT: plan.matmul
// LOWER: return %[[H:.*]], %[[H]]
// LOWER-LABEL: func.func private @loop_body_0(
// LOWER: plan.matmul {{.*}} : (tensor<2x4xf16>, tensor<16x4xf16>) -> tensor<2x16xf32>
// LOWER-NOT: plan.matmul
// LOWER-LABEL: func.func private @loop_body_1(
// LOWER: plan.matmul {{.*}} : (tensor<2x4xf32>, tensor<12x4xf32>) -> tensor<2x12xf32>
// LOWER-NOT: plan.matmul
// LOWER-LABEL: func.func private @loop_body_2(
// LOWER: plan.matmul {{.*}} : (tensor<2x4xf16>, tensor<4x4xf16>) -> tensor<2x4xf32>
// LOWER-NOT: plan.matmul
