module attributes {amp.model = "seed-mlp"} {
  amp.variable parameter @W1 : tensor<4x3xf32> {from_model, trained}
  amp.variable parameter @b1 : tensor<3xf32> {from_model, trained}
  amp.variable parameter @W2 : tensor<3x2xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x4xf32> {amp.batched, amp.name = "x"}) -> (tensor<2x2xf32> {amp.batched, amp.name = "y"}) {
    %0 = amp.read @W1 : tensor<4x3xf32>
    %1 = amp.read @b1 : tensor<3xf32>
    %2 = amp.read @W2 : tensor<3x2xf32>
    %3 = amp.matmul %arg0, %0 bias %1 : (tensor<2x4xf32>, tensor<4x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    %4 = amp.relu %3 : tensor<2x3xf32>
    %5 = amp.matmul %4, %2 : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
    return %5 : tensor<2x2xf32>
  }
}
