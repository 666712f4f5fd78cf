// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @list(%x: tensor<4xf32>, %h: tensor<4xi1>) -> tensor<4xf32> {
  // expected-error @+1 {{operand #1 must be i1 tensor of rank 0, but got 'tensor<4xi1>'}}
  %y = "amp.expect"(%x, %h) : (tensor<4xf32>, tensor<4xi1>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @another_shape(%x: tensor<4xf32>, %h: tensor<i1>) -> tensor<2x2xf32> {
  // expected-error @+1 {{all of {input, result} have same type}}
  %y = "amp.expect"(%x, %h) : (tensor<4xf32>, tensor<i1>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}
