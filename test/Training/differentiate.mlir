// RUN: ampc-opt %s --amp-differentiate --canonicalize --cse --split-input-file | FileCheck %s

// Every op writes its own gradient; contributions of two uses are summed.

// CHECK-LABEL: @a_value_used_twice
func.func @a_value_used_twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = amp.exp %x : tensor<4xf32>
  %m = amp.mul %e, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // d(exp(x) x) = exp(x) + exp(x) x
  // CHECK: %[[E:.*]] = amp.exp
  // CHECK: %[[SUM:.*]] = amp.add
  // CHECK: return %[[SUM]]
  %g = amp.gradient %m wrt(%x) : tensor<4xf32>, (tensor<4xf32>) -> tensor<4xf32>
  return %g : tensor<4xf32>
}

// -----

// A parameter's gradient leaves the product in f32 though its operands are f16, once a use.

// CHECK-LABEL: @a_weight_used_twice_is_summed_in_f32
func.func @a_weight_used_twice_is_summed_in_f32(%x: tensor<8x4xf16>, %w: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %w16 = amp.cast %w {inserted} : tensor<4x2xf32> to tensor<4x2xf16>
  %y = amp.matmul %x, %w16 : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
  %z = amp.matmul %x, %w16 {alpha = 2.0 : f64} : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
  %s = amp.add %y, %z : (tensor<8x2xf16>, tensor<8x2xf16>) -> tensor<8x2xf16>
  %s32 = amp.cast %s {inserted} : tensor<8x2xf16> to tensor<8x2xf32>
  %l = amp.reduce_sum %s32 [0, 1] : (tensor<8x2xf32>) -> tensor<f32>
  // CHECK-COUNT-2: amp.matmul {{.*}}wide{{.*}} -> tensor<4x2xf32>
  // CHECK: amp.add {{.*}} : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %g = amp.gradient %l wrt(%w) : tensor<f32>, (tensor<4x2xf32>) -> tensor<4x2xf32>
  return %g : tensor<4x2xf32>
}

// -----

// A transpose of the weight carries it: its gradient is f32 as well.

// CHECK-LABEL: @what_only_moves_a_parameter_hands_f32_on
func.func @what_only_moves_a_parameter_hands_f32_on(%x: tensor<8x4xf16>, %w: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w16 = amp.cast %w {inserted} : tensor<2x4xf32> to tensor<2x4xf16>
  %t = amp.transpose %w16 [1, 0] : (tensor<2x4xf16>) -> tensor<4x2xf16>
  %y = amp.matmul %x, %t : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
  %y32 = amp.cast %y {inserted} : tensor<8x2xf16> to tensor<8x2xf32>
  %l = amp.reduce_sum %y32 [0, 1] : (tensor<8x2xf32>) -> tensor<f32>
  // CHECK: amp.transpose {{.*}} : (tensor<4x2xf32>) -> tensor<2x4xf32>
  // CHECK-NOT: to tensor<2x4xf32>
  %g = amp.gradient %l wrt(%w) : tensor<f32>, (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %g : tensor<2x4xf32>
}

// -----

// So does its magnitude, whose gradient takes the sign from the weight in f16.

// CHECK-LABEL: @magnitudes_of_a_parameter
func.func @magnitudes_of_a_parameter(%x: tensor<8x4xf16>, %w: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %w16 = amp.cast %w {inserted} : tensor<4x2xf32> to tensor<4x2xf16>
  %a = amp.abs %w16 : tensor<4x2xf16>
  %y = amp.matmul %x, %a : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
  %y32 = amp.cast %y {inserted} : tensor<8x2xf16> to tensor<8x2xf32>
  %l = amp.reduce_sum %y32 [0, 1] : (tensor<8x2xf32>) -> tensor<f32>
  // CHECK: %[[S:.*]] = amp.sign {{.*}} : tensor<4x2xf16>
  // CHECK: %[[S32:.*]] = amp.cast %[[S]] : tensor<4x2xf16> to tensor<4x2xf32>
  // CHECK: amp.mul %{{.*}}, %[[S32]] : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %g = amp.gradient %l wrt(%w) : tensor<f32>, (tensor<4x2xf32>) -> tensor<4x2xf32>
  return %g : tensor<4x2xf32>
}

// -----

// No way from the value to the result: zeros.

// CHECK-LABEL: @an_unused_value_has_gradient_zero
func.func @an_unused_value_has_gradient_zero(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[Z:.*]] = amp.constant dense<0.000000e+00> : tensor<4xf32>
  // CHECK: return %[[Z]]
  %g = amp.gradient %x wrt(%y) : tensor<4xf32>, (tensor<4xf32>) -> tensor<4xf32>
  return %g : tensor<4xf32>
}

// -----

// A gradient of a gradient.

// CHECK-LABEL: @second_order
func.func @second_order(%x: tensor<f32>) -> tensor<f32> {
  %m = amp.mul %x, %x : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %c = amp.mul %m, %x : (tensor<f32>, tensor<f32>) -> tensor<f32>
  // CHECK-NOT: amp.gradient
  %g = amp.gradient %c wrt(%x) : tensor<f32>, (tensor<f32>) -> tensor<f32>
  %h = amp.gradient %g wrt(%x) : tensor<f32>, (tensor<f32>) -> tensor<f32>
  return %h : tensor<f32>
}
