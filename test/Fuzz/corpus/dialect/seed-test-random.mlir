
func.func @dropout(%x: tensor<4x5xf16>, %seed: tensor<i64>, %attempt: tensor<i64>) -> (tensor<4x5xf16>, tensor<4x5xi1>) {
  // CHECK: amp.dropout %arg0 seed %arg1 attempt %arg2 {ratio = 2.500000e-01 : f64, stream = 7 : i64} : tensor<4x5xf16>
  %0, %1 = amp.dropout %x seed %seed attempt %attempt {ratio = 0.25, stream = 7} : tensor<4x5xf16>
  return %0, %1 : tensor<4x5xf16>, tensor<4x5xi1>
}




func.func @gradient_draws_the_same_mask(%x: tensor<4xf32>, %seed: tensor<i64>, %attempt: tensor<i64>, %g: tensor<4xf32>) -> tensor<4xf32> {
  // GRADIENT: %[[DX:.*]], %{{.*}} = amp.dropout %arg3 seed %arg1 attempt %arg2 {ratio = 5.000000e-01 : f64, stream = 9 : i64} : tensor<4xf32>
  // GRADIENT: return %[[DX]]
  %0, %1 = amp.dropout %x seed %seed attempt %attempt {ratio = 0.5, stream = 9} : tensor<4xf32>
  %d = amp.gradient %0 seed %g : tensor<4xf32> wrt (%x) : tensor<4xf32>, (tensor<4xf32>) -> tensor<4xf32>
  return %d : tensor<4xf32>
}
