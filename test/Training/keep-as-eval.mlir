// RUN: ampc-opt %s --amp-keep-as-eval | FileCheck %s

// The graph as it stands is @eval; what a model's training_info brought goes, and nothing is
// trained.

// CHECK: amp.variable parameter @w : tensor<4xf32> {from_model}
// CHECK: amp.variable state @running_mean
// CHECK-LABEL: func.func @eval(
// CHECK: amp.read @w
// CHECK-NOT: func.func
amp.variable parameter @w : tensor<4xf32> {from_model, trained}
amp.variable state @running_mean : tensor<4xf32> {from_model}

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = amp.read @w : tensor<4xf32>
  %y = amp.mul %x, %w : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

func.func @train(%g: tensor<4xf32>) {
  amp.assign @w, %g : tensor<4xf32>
  return
}

func.func @init() {
  %zero = amp.constant dense<0.0> : tensor<4xf32>
  amp.assign @w, %zero : tensor<4xf32>
  return
}
