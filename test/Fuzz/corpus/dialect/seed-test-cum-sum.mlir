
func.func @cum_sum(%x: tensor<4x6xf16>) -> tensor<4x6xf16> {
  // CHECK: amp.cum_sum %arg0 along 1 {exclusive} : (tensor<4x6xf16>) -> tensor<4x6xf16>
  // KERNEL: %[[S:.*]] = plan.scan %arg0 along 1 from 0.000000e+00 : f32 {exclusive}
  // KERNEL-NEXT: ^bb0(%[[X:.*]]: f32, %[[M:.*]]: f32):
  // KERNEL-NEXT: %[[A:.*]] = arith.addf %[[X]], %[[M]] : f32
  // KERNEL-NEXT: plan.yield %[[A]] : f32
  // KERNEL: return %[[S]]
  %0 = amp.cum_sum %x along 1 {exclusive} : (tensor<4x6xf16>) -> tensor<4x6xf16>
  return %0 : tensor<4x6xf16>
}


func.func @differentiated(%x: tensor<4x6xf32>, %g: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // GRADIENT: %[[D:.*]] = amp.cum_sum %arg1 along 0 {exclusive, reverse} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  // GRADIENT: return %[[D]]
  %y = amp.cum_sum %x along 0 {exclusive} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %d = amp.gradient %y seed %g : tensor<4x6xf32> wrt (%x) : tensor<4x6xf32>, (tensor<4x6xf32>) -> (tensor<4x6xf32>)
  return %d : tensor<4x6xf32>
}
