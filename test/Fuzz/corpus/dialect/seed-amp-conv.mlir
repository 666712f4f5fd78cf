module attributes {amp.model = "seed-conv"} {
  amp.variable parameter @W : tensor<3x2x3x3xf32> {from_model, trained}
  amp.variable parameter @b : tensor<3xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x2x6x6xf32> {amp.batched, amp.name = "x"}) -> (tensor<2x27xf32> {amp.batched, amp.name = "y"}) {
    %0 = amp.read @W : tensor<3x2x3x3xf32>
    %1 = amp.read @b : tensor<3xf32>
    %2 = amp.conv %arg0, %0 bias %1 strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<2x2x6x6xf32>, tensor<3x2x3x3xf32>, tensor<3xf32>) -> tensor<2x3x3x3xf32>
    %3 = amp.relu %2 : tensor<2x3x3x3xf32>
    %4 = amp.reshape %3 : tensor<2x3x3x3xf32> to tensor<2x27xf32>
    return %4 : tensor<2x27xf32>
  }
}
