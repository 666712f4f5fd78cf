// RUN: ampc-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func @lists
func.func @lists(%x: tensor<2x3xf32>, %n: tensor<4xi64>) {
  // CHECK: amp.sequence %arg0, %arg1 : (tensor<2x3xf32>, tensor<4xi64>) -> tuple<tensor<2x3xf32>, tensor<4xi64>>
  %0 = amp.sequence %x, %n : (tensor<2x3xf32>, tensor<4xi64>) -> tuple<tensor<2x3xf32>, tensor<4xi64>>
  // CHECK: amp.sequence : () -> tuple<>
  %1 = amp.sequence : () -> tuple<>
  return
}

// -----

func.func @sequence_c1(%x: tensor<2x3xf32>) {
  // expected-error @below {{has the type 'tuple<>', which is not that of its 1 elements}}
  %0 = amp.sequence %x : (tensor<2x3xf32>) -> tuple<>
  return
}
