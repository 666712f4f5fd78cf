// RUN: ampc-opt %s --amp-drop-unused-variables | FileCheck %s --implicit-check-not=unread_

// Constants and derived copies that no function names go. Parameters, state and scalars are the
// user's to save and load, and stay; so does what is only assigned.

// CHECK-DAG: @parameter
// CHECK-DAG: @state
// CHECK-DAG: @scalar
// CHECK-DAG: @read_constant
// CHECK-DAG: @assigned_copy
// CHECK: func.func @eval
amp.variable parameter @parameter : tensor<4xf32> {from_model}
amp.variable constant @unread_constant : tensor<4xf32> {from_model}
amp.variable state @state : tensor<4xf32> {initial = dense<0.0> : tensor<4xf32>}
amp.variable scalar @scalar : tensor<f32> {initial = dense<1.0> : tensor<f32>}
amp.variable derived @unread_copy : tensor<4xf16>
amp.variable constant @read_constant : tensor<4xf32> {from_model}
amp.variable derived @assigned_copy : tensor<4xf32>

func.func @eval() -> tensor<4xf32> {
  %c = amp.read @read_constant : tensor<4xf32>
  return %c : tensor<4xf32>
}

func.func @refresh() {
  %c = amp.read @read_constant : tensor<4xf32>
  amp.assign @assigned_copy, %c : tensor<4xf32>
  return
}
