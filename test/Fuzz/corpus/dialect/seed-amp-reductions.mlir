module attributes {amp.model = "seed-reductions"} {
  amp.variable parameter @w : tensor<4xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x4xf32> {amp.batched, amp.name = "x"}) -> (tensor<f32> {amp.name = "y"}) {
    %0 = amp.read @w : tensor<4xf32>
    %1 = amp.mul %arg0, %0 : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
    %2 = amp.exp %1 : tensor<2x4xf32>
    %3 = amp.reduce_mean %2 [1] {keepdims} : (tensor<2x4xf32>) -> tensor<2x1xf32>
    %4 = amp.div %2, %3 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
    %5 = amp.log %4 : tensor<2x4xf32>
    %6 = amp.reduce_sum %5 [0, 1] : (tensor<2x4xf32>) -> tensor<f32>
    return %6 : tensor<f32>
  }
}
