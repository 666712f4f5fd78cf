module attributes {amp.model = "seed-shapes"} {
  amp.variable parameter @E : tensor<7x3xf32> {from_model, trained}
  func.func @main(%arg0: tensor<2x2x3xf32> {amp.batched, amp.name = "x"}, %arg1: tensor<2x2xi64> {amp.batched, amp.name = "i"}) -> (tensor<2x6xf32> {amp.batched, amp.name = "y"}) {
    %0 = amp.read @E : tensor<7x3xf32>
    %1 = amp.gather %0[%arg1] along 0 : (tensor<7x3xf32>, tensor<2x2xi64>) -> tensor<2x2x3xf32>
    %2 = amp.concat %arg0, %1 along 2 : (tensor<2x2x3xf32>, tensor<2x2x3xf32>) -> tensor<2x2x6xf32>
    %3 = amp.slice %2 from [0, 0, 0] size [2, 2, 3] step [1, 1, 1] : (tensor<2x2x6xf32>) -> tensor<2x2x3xf32>
    %4 = amp.slice %2 from [0, 0, 3] size [2, 2, 3] step [1, 1, 1] : (tensor<2x2x6xf32>) -> tensor<2x2x3xf32>
    %5 = amp.sub %3, %4 : (tensor<2x2x3xf32>, tensor<2x2x3xf32>) -> tensor<2x2x3xf32>
    %6 = amp.reshape %5 : tensor<2x2x3xf32> to tensor<2x6xf32>
    %7 = amp.clip %6 : (tensor<2x6xf32>) -> tensor<2x6xf32>
    return %7 : tensor<2x6xf32>
  }
}
