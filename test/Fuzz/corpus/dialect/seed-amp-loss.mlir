module attributes {amp.model = "seed-loss"} {
  amp.variable parameter @W : tensor<3x5xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x3xf32> {amp.batched, amp.name = "x"}, %arg1: tensor<2xi64> {amp.batched, amp.name = "label"}) -> (tensor<f32> {amp.name = "loss"}) {
    %0 = amp.read @W : tensor<3x5xf32>
    %1 = amp.matmul %arg0, %0 : (tensor<2x3xf32>, tensor<3x5xf32>) -> tensor<2x5xf32>
    %2 = amp.softmax_cross_entropy mean %1, %arg1 {ignore_index = -100 : i64} : (tensor<2x5xf32>, tensor<2xi64>) -> tensor<f32>
    return %2 : tensor<f32>
  }
}
