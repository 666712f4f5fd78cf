

func.func @between_products(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %s: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<8x4xf32> {
  // CHECK: %[[X:.*]] = amp.matmul {{.*}} -> tensor<8x4xf16>
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = amp.layer_norm %[[X]], %arg2 bias %arg3 {{.*}} : (tensor<8x4xf16>, tensor<4xf32>, tensor<4xf32>) -> (tensor<8x4xf16>, tensor<8x1xf32>, tensor<8x1xf32>)
  // CHECK: amp.matmul %[[Y]]
  // PYTORCH: amp.layer_norm {{.*}} : (tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %0 = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %y, %m, %r = amp.layer_norm %0, %s bias %b from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %1 = amp.matmul %y, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}


func.func @as_written(%x: tensor<8x4xf16>, %s: tensor<4xf16>, %d: tensor<8x4xf64>, %t: tensor<4xf64>) -> (tensor<8x4xf16>, tensor<8x4xf64>) {
  // CHECK: %[[S:.*]] = amp.cast %arg1 {inserted} : tensor<4xf16> to tensor<4xf32>
  // CHECK: amp.layer_norm %arg0, %[[S]] {{.*}} : (tensor<8x4xf16>, tensor<4xf32>) ->
  // CHECK: amp.layer_norm %arg2, %arg3 {{.*}} : (tensor<8x4xf64>, tensor<4xf64>) -> (tensor<8x4xf64>, tensor<8x1xf64>, tensor<8x1xf64>)
  %y, %m, %r = amp.layer_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf16>, tensor<4xf16>) -> (tensor<8x4xf16>, tensor<8x1xf32>, tensor<8x1xf32>)
  %z, %n, %q = amp.layer_norm %d, %t from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf64>, tensor<4xf64>) -> (tensor<8x4xf64>, tensor<8x1xf64>, tensor<8x1xf64>)
  return %y, %z : tensor<8x4xf16>, tensor<8x4xf64>
}
