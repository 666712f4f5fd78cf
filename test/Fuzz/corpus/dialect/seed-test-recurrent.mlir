
func.func @rnn(%x: tensor<5x2x4xf16>, %r: tensor<4x4xf16>, %h: tensor<2x4xf16>)
    -> tensor<5x2x4xf16> {
  // CHECK: amp.rnn tanh %arg0, %arg1 from %arg2 : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>) -> tensor<5x2x4xf16>
  %y = amp.rnn tanh %x, %r from %h
      : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>) -> tensor<5x2x4xf16>
  return %y : tensor<5x2x4xf16>
}

func.func @gradient(%g: tensor<5x2x4xf16>, %y: tensor<5x2x4xf16>, %r: tensor<4x4xf16>)
    -> (tensor<5x2x4xf16>, tensor<2x4xf32>) {
  // CHECK: amp.rnn_gradient relu
  %d, %h = amp.rnn_gradient relu %g, %y, %r
      : (tensor<5x2x4xf16>, tensor<5x2x4xf16>, tensor<4x4xf16>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf32>)
  return %d, %h : tensor<5x2x4xf16>, tensor<2x4xf32>
}

