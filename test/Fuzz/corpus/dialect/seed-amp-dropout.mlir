module attributes {amp.model = "seed-dropout"} {
  amp.variable scalar @ampc.attempt : tensor<i64> {initial = dense<0> : tensor<i64>}
  amp.variable scalar @ampc.seed : tensor<i64> {initial = dense<0> : tensor<i64>}
  amp.variable parameter @w : tensor<4xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x4xf32> {amp.batched, amp.name = "x"}) -> (tensor<2x4xf32> {amp.batched, amp.name = "y"}) {
    %0 = amp.read @w : tensor<4xf32>
    %1 = amp.mul %arg0, %0 : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
    %2 = amp.read @ampc.seed : tensor<i64>
    %3 = amp.read @ampc.attempt : tensor<i64>
    %output, %mask = amp.dropout %1 seed %2 attempt %3 {ratio = 5.000000e-01 : f64, stream = 2822446240451570150 : i64} : tensor<2x4xf32>
    return %output : tensor<2x4xf32>
  }
}
