// RUN: ampc-opt %s -plan-stage-inputs | FileCheck %s

// An input that is only ever cast to one narrower float type is staged in it.

// CHECK-LABEL: func.func @cast_input_is_staged_low(
// CHECK-SAME: %[[X:.*]]: tensor<8x4xf16> {amp.name = "x", plan.declared_type = tensor<8x4xf32>}
func.func @cast_input_is_staged_low(%x: tensor<8x4xf32> {amp.name = "x"})
    -> (tensor<8x4xf16>, tensor<8x4xf16>) {
  // CHECK-NOT: amp.cast
  // CHECK: %[[R:.*]] = amp.relu %[[X]] : tensor<8x4xf16>
  %a = amp.cast %x {inserted} : tensor<8x4xf32> to tensor<8x4xf16>
  %b = amp.cast %x : tensor<8x4xf32> to tensor<8x4xf16>
  %r = amp.relu %a : tensor<8x4xf16>
  // CHECK: return %[[R]], %[[X]]
  return %r, %b : tensor<8x4xf16>, tensor<8x4xf16>
}

// Another use needs the declared type.

// CHECK-LABEL: func.func @input_of_two_types_is_kept(%{{.*}}: tensor<4xf32>)
func.func @input_of_two_types_is_kept(%x: tensor<4xf32>) -> (tensor<4xf16>, tensor<4xf32>) {
  // CHECK: amp.cast
  %a = amp.cast %x : tensor<4xf32> to tensor<4xf16>
  %b = amp.relu %x : tensor<4xf32>
  return %a, %b : tensor<4xf16>, tensor<4xf32>
}

// CHECK-LABEL: func.func @input_of_two_low_types_is_kept(%{{.*}}: tensor<4xf32>)
func.func @input_of_two_low_types_is_kept(%x: tensor<4xf32>)
    -> (tensor<4xf16>, tensor<4xbf16>) {
  %a = amp.cast %x : tensor<4xf32> to tensor<4xf16>
  %b = amp.cast %x : tensor<4xf32> to tensor<4xbf16>
  return %a, %b : tensor<4xf16>, tensor<4xbf16>
}

// Widening at the host would double the transfer; integers may not fit.

// CHECK-LABEL: func.func @widened_and_integer_inputs_are_kept(
// CHECK-SAME: tensor<4xf16>, %{{.*}}: tensor<4xi64>)
func.func @widened_and_integer_inputs_are_kept(%x: tensor<4xf16>, %i: tensor<4xi64>)
    -> (tensor<4xf32>, tensor<4xi32>) {
  %a = amp.cast %x : tensor<4xf16> to tensor<4xf32>
  %b = amp.cast %i : tensor<4xi64> to tensor<4xi32>
  return %a, %b : tensor<4xf32>, tensor<4xi32>
}
