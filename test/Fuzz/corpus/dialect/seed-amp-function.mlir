module attributes {amp.model = "seed-function"} {
  amp.variable parameter @w : tensor<2xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x2xf32> {amp.batched, amp.name = "x"}) -> (tensor<2x2xf32> {amp.batched, amp.name = "y"}) {
    %0 = amp.read @w : tensor<2xf32>
    %1 = amp.mul %arg0, %0 : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
    %2 = amp.leaky_relu %1 {alpha = 1.000000e-01 : f32} : tensor<2x2xf32>
    %3 = amp.mul %2, %0 : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
    %4 = amp.leaky_relu %3 {alpha = 1.000000e-01 : f32} : tensor<2x2xf32>
    return %4 : tensor<2x2xf32>
  }
}
