module attributes {amp.model = "seed-attention"} {
  amp.variable parameter @Wq : tensor<4x4xf32> {from_model, trained}
  amp.variable parameter @Wk : tensor<4x4xf32> {from_model, trained}
  amp.variable parameter @g : tensor<4xf32> {from_model, trained}
  amp.variable parameter @b : tensor<4xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x3x4xf32> {amp.batched, amp.name = "x"}, %arg1: tensor<2x3x3xi1> {amp.batched, amp.name = "mask"}) -> (tensor<2x3x4xf32> {amp.batched, amp.name = "y"}) {
    %0 = amp.read @Wq : tensor<4x4xf32>
    %1 = amp.read @Wk : tensor<4x4xf32>
    %2 = amp.read @g : tensor<4xf32>
    %3 = amp.read @b : tensor<4xf32>
    %4 = amp.constant dense<-1.000000e+09> : tensor<f32>
    %5 = amp.matmul %arg0, %0 : (tensor<2x3x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4xf32>
    %6 = amp.matmul %arg0, %1 : (tensor<2x3x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4xf32>
    %7 = amp.transpose %6 [0, 2, 1] : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
    %8 = amp.matmul %5, %7 : (tensor<2x3x4xf32>, tensor<2x4x3xf32>) -> tensor<2x3x3xf32>
    %9 = amp.where %arg1, %8, %4 : (tensor<2x3x3xi1>, tensor<2x3x3xf32>, tensor<f32>) -> tensor<2x3x3xf32>
    %10 = amp.softmax %9 along 2 : tensor<2x3x3xf32>
    %11 = amp.matmul %10, %arg0 : (tensor<2x3x3xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
    %12 = amp.add %11, %arg0 : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
    %y, %mean, %inv_std_dev = amp.layer_norm %12, %2 bias %3 from 2 {epsilon = 9.9999997473787516E-6 : f64} : (tensor<2x3x4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x1xf32>, tensor<2x3x1xf32>)
    return %y : tensor<2x3x4xf32>
  }
}
