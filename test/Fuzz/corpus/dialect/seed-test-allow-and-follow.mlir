

func.func @conv(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>, %b: tensor<5xf32>) -> tensor<2x5x6x6xf32> {
  // F16: amp.conv {{.*}} : (tensor<2x3x8x8xf16>, tensor<5x3x3x3xf16>, tensor<5xf16>) -> tensor<2x5x6x6xf16>
  // BF16: amp.conv {{.*}} : (tensor<2x3x8x8xbf16>, tensor<5x3x3x3xbf16>, tensor<5xbf16>) -> tensor<2x5x6x6xbf16>
  %y = amp.conv %x, %w bias %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<5xf32>) -> tensor<2x5x6x6xf32>
  return %y : tensor<2x5x6x6xf32>
}


func.func @gather(%x: tensor<50x8xf32>, %i: tensor<4xi64>, %w: tensor<8x3xf32>) -> tensor<4x3xf32> {
  // CHECK: %[[Y:.*]] = amp.gather %arg0[%arg1] along 0 : (tensor<50x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  // CHECK: amp.cast %[[Y]]
  // CHECK: amp.matmul
  %y = amp.gather %x[%i] along 0 : (tensor<50x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  %z = amp.matmul %y, %w : (tensor<4x8xf32>, tensor<8x3xf32>) -> tensor<4x3xf32>
  return %z : tensor<4x3xf32>
}
