
func.func @sum_spreads_its_gradient(%x: tensor<2x3xf32>, %g: tensor<2xf32>) -> tensor<2x3xf32> {
  // CHECK: %[[G:.*]] = amp.reshape %arg1 : tensor<2xf32> to tensor<2x1xf32>
  // CHECK: amp.broadcast %[[G]] : tensor<2x1xf32> to tensor<2x3xf32>
  %y = amp.reduce_sum %x [1] : (tensor<2x3xf32>) -> tensor<2xf32>
  %d = amp.gradient %y seed %g : tensor<2xf32> wrt (%x) : tensor<2xf32>, (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %d : tensor<2x3xf32>
}


func.func @mean_divides_in_f32(%x: tensor<2x100000xf16>, %g: tensor<2xf16>) -> tensor<2x100000xf32> {
  // CHECK: %[[G:.*]] = amp.cast %arg1 {{.*}}to tensor<2xf32>
  // CHECK: %[[N:.*]] = amp.constant dense<1.000000e+05> : tensor<2xf32>
  // CHECK: amp.div %[[G]], %[[N]]
  %y = amp.reduce_mean %x [1] : (tensor<2x100000xf16>) -> tensor<2xf16>
  %d = amp.gradient %y seed %g : tensor<2xf16> wrt (%x) : tensor<2xf16>, (tensor<2x100000xf16>) -> tensor<2x100000xf32>
  return %d : tensor<2x100000xf32>
}


func.func @maxima_share(%x: tensor<2x3xf32>, %g: tensor<2x1xf32>) -> tensor<2x3xf32> {
  // CHECK: %[[Y:.*]] = amp.reduce_max
  // CHECK: %[[IS:.*]] = amp.equal %arg0, %[[Y]]
  // CHECK: %[[ONES:.*]] = amp.cast %[[IS]]
  // CHECK: %[[N:.*]] = amp.reduce_sum %[[ONES]] [1] {keepdims}
  // CHECK: %[[SHARE:.*]] = amp.div %arg1, %[[N]]
  // CHECK: amp.where %[[IS]], %[[SHARE]]
  %y = amp.reduce_max %x [1] {keepdims} : (tensor<2x3xf32>) -> tensor<2x1xf32>
  %d = amp.gradient %y seed %g : tensor<2x1xf32> wrt (%x) : tensor<2x1xf32>, (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %d : tensor<2x3xf32>
}
