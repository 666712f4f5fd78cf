

func.func @functions_of_one_number(%x: tensor<2x3xf16>) -> tensor<2x3xf16> {
  // CHECK-NEXT: amp.neg %arg0 : tensor<2x3xf16>
  // CHECK-NEXT: amp.abs
  // CHECK-NEXT: amp.sign
  // CHECK-NEXT: amp.floor
  // CHECK-NEXT: amp.ceil
  // CHECK-NEXT: amp.round
  // CHECK-NEXT: amp.exp
  // CHECK-NEXT: amp.log
  // CHECK-NEXT: amp.sqrt
  // CHECK-NEXT: amp.reciprocal
  // CHECK-NEXT: amp.erf
  // CHECK-NEXT: amp.sin
  // CHECK-NEXT: amp.cos
  %0 = amp.neg %x : tensor<2x3xf16>
  %1 = amp.abs %0 : tensor<2x3xf16>
  %2 = amp.sign %1 : tensor<2x3xf16>
  %3 = amp.floor %2 : tensor<2x3xf16>
  %4 = amp.ceil %3 : tensor<2x3xf16>
  %5 = amp.round %4 : tensor<2x3xf16>
  %6 = amp.exp %5 : tensor<2x3xf16>
  %7 = amp.log %6 : tensor<2x3xf16>
  %8 = amp.sqrt %7 : tensor<2x3xf16>
  %9 = amp.reciprocal %8 : tensor<2x3xf16>
  %10 = amp.erf %9 : tensor<2x3xf16>
  %11 = amp.sin %10 : tensor<2x3xf16>
  %12 = amp.cos %11 : tensor<2x3xf16>
  return %12 : tensor<2x3xf16>
}

func.func @activations(%x: tensor<4xf32>, %low: tensor<f32>, %high: tensor<f32>) -> tensor<4xf32> {
  // CHECK-NEXT: amp.relu %arg0 : tensor<4xf32>
  // CHECK-NEXT: amp.leaky_relu %{{.*}} {alpha = 2.500000e-01 : f32} : tensor<4xf32>
  // CHECK-NEXT: amp.elu %{{.*}} {alpha = 1.000000e+00 : f32} : tensor<4xf32>
  // CHECK-NEXT: amp.sigmoid
  // CHECK-NEXT: amp.tanh
  // CHECK-NEXT: amp.softplus
  // CHECK-NEXT: amp.gelu %{{.*}} : tensor<4xf32>
  // CHECK-NEXT: amp.gelu %{{.*}} {tanh} : tensor<4xf32>
  // CHECK-NEXT: amp.clip %{{.*}} min %arg1 max %arg2 : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  // CHECK-NEXT: amp.clip %{{.*}} max %arg2 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %0 = amp.relu %x : tensor<4xf32>
  %1 = amp.leaky_relu %0 {alpha = 0.25 : f32} : tensor<4xf32>
  %2 = amp.elu %1 {alpha = 1.0 : f32} : tensor<4xf32>
  %3 = amp.sigmoid %2 : tensor<4xf32>
  %4 = amp.tanh %3 : tensor<4xf32>
  %5 = amp.softplus %4 : tensor<4xf32>
  %6 = amp.gelu %5 : tensor<4xf32>
  %7 = amp.gelu %6 {tanh} : tensor<4xf32>
  %8 = amp.clip %7 min %low max %high : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %9 = amp.clip %8 max %high : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %9 : tensor<4xf32>
}

func.func @arithmetic_broadcasts(%a: tensor<2x1x3xbf16>, %b: tensor<4x1xbf16>) -> tensor<2x4x3xbf16> {
  // CHECK-NEXT: amp.add %arg0, %arg1 : (tensor<2x1x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  // CHECK-NEXT: amp.sub
  // CHECK-NEXT: amp.mul
  // CHECK-NEXT: amp.div
  // CHECK-NEXT: amp.pow
  // CHECK-NEXT: amp.max
  // CHECK-NEXT: amp.min
  %0 = amp.add %a, %b : (tensor<2x1x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  %1 = amp.sub %0, %b : (tensor<2x4x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  %2 = amp.mul %1, %b : (tensor<2x4x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  %3 = amp.div %2, %b : (tensor<2x4x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  %4 = amp.pow %3, %b : (tensor<2x4x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  %5 = amp.max %4, %b : (tensor<2x4x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  %6 = amp.min %5, %b : (tensor<2x4x3xbf16>, tensor<4x1xbf16>) -> tensor<2x4x3xbf16>
  return %6 : tensor<2x4x3xbf16>
}

func.func @comparisons_are_boolean(%a: tensor<3xf64>, %b: tensor<1xf64>) -> tensor<3xf64> {
  // CHECK-NEXT: amp.equal %arg0, %arg1 : (tensor<3xf64>, tensor<1xf64>) -> tensor<3xi1>
  // CHECK-NEXT: amp.less %arg0
  // CHECK-NEXT: amp.less_or_equal
  // CHECK-NEXT: amp.greater %arg0
  // CHECK-NEXT: amp.greater_or_equal
  // CHECK-NEXT: amp.is_nan %arg0 : (tensor<3xf64>) -> tensor<3xi1>
  // CHECK-NEXT: amp.is_inf %arg0 {negative} : (tensor<3xf64>) -> tensor<3xi1>
  // CHECK-NEXT: amp.and
  // CHECK-NEXT: amp.or
  // CHECK-NEXT: amp.xor
  // CHECK-NEXT: amp.not %{{.*}} : tensor<3xi1>
  // CHECK-NEXT: amp.where %{{.*}}, %arg0, %arg1 : (tensor<3xi1>, tensor<3xf64>, tensor<1xf64>) -> tensor<3xf64>
  %0 = amp.equal %a, %b : (tensor<3xf64>, tensor<1xf64>) -> tensor<3xi1>
  %1 = amp.less %a, %b : (tensor<3xf64>, tensor<1xf64>) -> tensor<3xi1>
  %2 = amp.less_or_equal %a, %b : (tensor<3xf64>, tensor<1xf64>) -> tensor<3xi1>
  %3 = amp.greater %a, %b : (tensor<3xf64>, tensor<1xf64>) -> tensor<3xi1>
  %4 = amp.greater_or_equal %a, %b : (tensor<3xf64>, tensor<1xf64>) -> tensor<3xi1>
  %5 = amp.is_nan %a : (tensor<3xf64>) -> tensor<3xi1>
  %6 = amp.is_inf %a {negative} : (tensor<3xf64>) -> tensor<3xi1>
  %7 = amp.and %0, %1 : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %8 = amp.or %2, %3 : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %9 = amp.xor %7, %8 : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %10 = amp.not %9 : tensor<3xi1>
  %11 = amp.where %10, %a, %b : (tensor<3xi1>, tensor<3xf64>, tensor<1xf64>) -> tensor<3xf64>
  return %11 : tensor<3xf64>
}
