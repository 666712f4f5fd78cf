// RUN: ampc-opt %s -split-input-file -verify-diagnostics

// rnn_c1
func.func @weight(%x: tensor<5x2x4xf32>, %r: tensor<4x3xf32>, %h: tensor<2x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{takes [time, batch, hidden] and [hidden, hidden], but has}}
  %y = "amp.rnn"(%x, %r, %h) <{activation = 0 : i32}>
      : (tensor<5x2x4xf32>, tensor<4x3xf32>, tensor<2x4xf32>) -> tensor<5x2x4xf32>
  return
}
