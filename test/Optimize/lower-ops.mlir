// RUN: ampc-opt %s -plan-lower-ops | FileCheck %s

// A constant with elements of its own becomes a variable, one for each value.

// CHECK: amp.variable derived @ampc.constant : tensor<3xf32>
// CHECK-SAME: {initial = dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>}
// CHECK-NOT: amp.variable

// An op becomes what it says it computes.

// CHECK-LABEL: @relu_becomes_one_generic(
func.func @relu_becomes_one_generic(%x: tensor<8x4xf16>) -> tensor<8x4xf16> {
  // CHECK: linalg.generic {{.*}}ins(%{{.*}} : tensor<8x4xf16>)
  // CHECK: arith.extf
  // CHECK: arith.maximumf
  // CHECK: arith.truncf
  // CHECK-NOT: amp.
  %r = amp.relu %x : tensor<8x4xf16>
  return %r : tensor<8x4xf16>
}

// CHECK-LABEL: @product_becomes_a_library_call(
func.func @product_becomes_a_library_call(%a: tensor<8x4xf16>, %b: tensor<2x4xf16>)
    -> tensor<8x2xf16> {
  // CHECK: plan.matmul %{{.*}}, %{{.*}} {transpose_rhs}
  %r = amp.matmul %a, %b {transpose_rhs} : (tensor<8x4xf16>, tensor<2x4xf16>) -> tensor<8x2xf16>
  return %r : tensor<8x2xf16>
}

// A constant of one value stands in the body that uses it.

// CHECK-LABEL: @uniform_constant_goes_into_the_body(
func.func @uniform_constant_goes_into_the_body(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // CHECK: linalg.generic {{.*}}ins(%{{[a-z0-9]+}} : tensor<8x4xf32>)
  // CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %{{.*}}: f32):
  // CHECK-NEXT: %[[C:.*]] = arith.constant 3.0
  // CHECK-NEXT: arith.mulf %[[X]], %[[C]]
  %c = amp.constant dense<3.0> : tensor<4xf32>
  %r = amp.mul %x, %c : (tensor<8x4xf32>, tensor<4xf32>) -> tensor<8x4xf32>
  return %r : tensor<8x4xf32>
}

// CHECK-LABEL: @equal_constants_are_one_variable(
func.func @equal_constants_are_one_variable(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  // CHECK: %[[C:.*]] = amp.read @ampc.constant
  %c = amp.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %r = amp.mul %x, %c : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %r, %c : tensor<3xf32>, tensor<3xf32>
}

// CHECK-LABEL: @constant_result_is_written_by_an_op(
func.func @constant_result_is_written_by_an_op() -> tensor<5xf32> {
  // CHECK: %[[C:.*]] = linalg.generic
  // CHECK: arith.constant 7.0
  // CHECK: return %[[C]]
  %c = amp.constant dense<7.0> : tensor<5xf32>
  return %c : tensor<5xf32>
}

// State stays as it is.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}

// CHECK-LABEL: @reads_and_assignments_stay(
func.func @reads_and_assignments_stay(%g: tensor<4xf32>) {
  // CHECK: %[[W:.*]] = amp.read @w
  // CHECK: %[[N:.*]] = linalg.generic {{.*}}ins(%[[W]],
  // CHECK: amp.assign @w, %[[N]]
  %w = amp.read @w : tensor<4xf32>
  %n = amp.add %w, %g : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  amp.assign @w, %n : tensor<4xf32>
  return
}

// What two operands have in common is no longer read twice, and what nobody uses is gone.

// CHECK-LABEL: @dead_and_double_operands_go(
func.func @dead_and_double_operands_go(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: linalg.generic {{.*}}ins(%{{[a-z0-9]+}} : tensor<4xf32>)
  // CHECK-NOT: linalg.generic
  %r = amp.mul %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %dead = amp.relu %x : tensor<4xf32>
  return %r : tensor<4xf32>
}
