// RUN: ampc-opt %s --amp-autocast --cse --split-input-file | FileCheck %s
// RUN: ampc-opt %s --amp-autocast="level=3" --cse --amp-verify-precision="level=3" --split-input-file | FileCheck %s --check-prefix=O3

// An operand that is denied makes its op f32; one that is allowed has no vote.

// CHECK-LABEL: @operands
func.func @operands(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>, %t: tensor<8x2xf32>) -> (tensor<8x2xf32>, tensor<8x2xf32>, tensor<8x2xf32>) {
  // CHECK: amp.matmul {{.*}} -> tensor<8x2xf32>
  // CHECK: amp.matmul {{.*}} -> tensor<8x2xf16>
  // CHECK: amp.add {{.*}} -> tensor<8x2xf16>
  %a = amp.matmul %x, %w {amp.operand_precision = [{operand = 1, category = "deny", reason = "lists"}]} : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %b = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %c = amp.add %b, %t {amp.operand_precision = [{operand = 1, category = "allow", reason = "lists"}]} : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x2xf32>
  return %a, %b, %c : tensor<8x2xf32>, tensor<8x2xf32>, tensor<8x2xf32>
}

// -----

// At O3 what the lists deny is low, norms are f32, and so is what leads to the loss.

// O3-LABEL: @all_low
func.func @all_low(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %s: tensor<4xf32>, %t: tensor<8x4xf32>) -> (tensor<f32> {amp.loss}) {
  // O3: amp.matmul {{.*}} -> tensor<8x4xf16>
  // O3: amp.exp {{.*}} : tensor<8x4xf16>
  // O3: amp.layer_norm {{.*}} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>
  // O3: amp.cast {{.*}} {inserted} : tensor<8x4xf32> to tensor<8x4xf16>
  // O3: amp.layer_norm {{.*}} : (tensor<8x4xf16>, tensor<4xf32>) -> (tensor<8x4xf16>
  // O3: amp.matmul {{.*}} -> tensor<8x4xf16>
  // O3: amp.sub {{.*}} -> tensor<8x4xf32>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %e = amp.exp %y : tensor<8x4xf32>
  %n, %m, %i = amp.layer_norm %e, %s from 1 {epsilon = 1.0e-05 : f64} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %o, %m2, %i2 = amp.layer_norm %n, %s from 1 {epsilon = 1.0e-05 : f64, amp.precision = {category = "allow", reason = "--amp-allow"}} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %z = amp.matmul %o, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %d = amp.sub %z, %t : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %l = amp.reduce_mean %d [0, 1] : (tensor<8x4xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
