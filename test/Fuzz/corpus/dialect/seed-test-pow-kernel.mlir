

func.func @square_is_a_product(%x: tensor<4xf32>) -> tensor<4xf32> {
  %two = amp.constant dense<2.0> : tensor<f32>
  %0 = amp.pow %x, %two : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

func.func @inverse_root_is_a_root(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = amp.constant dense<-0.5> : tensor<4xf32>
  %0 = amp.pow %x, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

func.func @two_exponents_are_a_power(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = amp.constant dense<[2.0, 3.0]> : tensor<2xf32>
  %0 = amp.pow %x, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
