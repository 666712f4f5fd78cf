// RUN: ampc-opt %s --split-input-file --amp-check-evaluation | FileCheck %s

// Labels and indices are looked at in evaluation too, and the inputs that they come from are
// marked: 2 for labels, 8 for indices.

// CHECK: amp.variable derived @ampc.eval_flags : tensor<f32>
// CHECK-LABEL: func.func @eval
// CHECK-SAME: %arg0: tensor<5xi64> {amp.checked = 8 : i64, amp.name = "tokens"}
// CHECK-SAME: %arg1: tensor<5xi32> {amp.checked = 2 : i64, amp.name = "target"}
// CHECK-SAME: %arg2: tensor<7x4xf32> {amp.name = "table"}
func.func @eval(%tokens: tensor<5xi64> {amp.name = "tokens"}, %target: tensor<5xi32> {amp.name = "target"}, %table: tensor<7x4xf32> {amp.name = "table"}) -> tensor<f32> {
  %rows = amp.gather %table[%tokens] along 0 : (tensor<7x4xf32>, tensor<5xi64>) -> tensor<5x4xf32>
  %wide = amp.cast %target : tensor<5xi32> to tensor<5xi64>
  %loss = amp.softmax_cross_entropy mean %rows, %wide : (tensor<5x4xf32>, tensor<5xi64>) -> tensor<f32>
  // CHECK: %[[SUM:.*]] = amp.add
  // CHECK: amp.assign @ampc.eval_flags, %[[SUM]]
  return %loss : tensor<f32>
}

// -----

// Nothing can be wrong with known indices.

// CHECK-NOT: eval_flags
func.func @eval(%table: tensor<7x4xf32>) -> tensor<2x4xf32> {
  %i = amp.constant dense<[1, 3]> : tensor<2xi64>
  %rows = amp.gather %table[%i] along 0 : (tensor<7x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return %rows : tensor<2x4xf32>
}
