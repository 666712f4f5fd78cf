module attributes {amp.model = "seed-opset6"} {
  amp.variable parameter @w : tensor<4xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x4xf32> {amp.batched, amp.name = "x"}) -> (tensor<2x4xf32> {amp.batched, amp.name = "y"}) {
    %0 = amp.read @w : tensor<4xf32>
    %1 = amp.add %arg0, %0 : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
    %2 = amp.elu %1 {alpha = 1.000000e+00 : f32} : tensor<2x4xf32>
    return %2 : tensor<2x4xf32>
  }
}
