
func.func @all_reductions(%x: tensor<2x3x4xf32>) -> tensor<f32> {
  // CHECK-NEXT: amp.reduce_sum %arg0 [1] : (tensor<2x3x4xf32>) -> tensor<2x4xf32>
  // CHECK-NEXT: amp.reduce_mean %{{.*}} [0] {keepdims} : (tensor<2x4xf32>) -> tensor<1x4xf32>
  // CHECK-NEXT: amp.reduce_max
  // CHECK-NEXT: amp.reduce_min
  // CHECK-NEXT: amp.reduce_prod
  // CHECK-NEXT: amp.reduce_l1
  // CHECK-NEXT: amp.reduce_l2
  // CHECK-NEXT: amp.reduce_sum_square
  // CHECK-NEXT: amp.reduce_log_sum %{{.*}} [] : (tensor<1x4xf32>) -> tensor<1x4xf32>
  // CHECK-NEXT: amp.reduce_log_sum_exp %{{.*}} [0, 1] : (tensor<1x4xf32>) -> tensor<f32>
  %0 = amp.reduce_sum %x [1] : (tensor<2x3x4xf32>) -> tensor<2x4xf32>
  %1 = amp.reduce_mean %0 [0] {keepdims} : (tensor<2x4xf32>) -> tensor<1x4xf32>
  %2 = amp.reduce_max %1 [0] {keepdims} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %3 = amp.reduce_min %2 [0] {keepdims} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %4 = amp.reduce_prod %3 [0] {keepdims} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %5 = amp.reduce_l1 %4 [0] {keepdims} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %6 = amp.reduce_l2 %5 [0] {keepdims} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %7 = amp.reduce_sum_square %6 [0] {keepdims} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %8 = amp.reduce_log_sum %7 [] : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %9 = amp.reduce_log_sum_exp %8 [0, 1] : (tensor<1x4xf32>) -> tensor<f32>
  return %9 : tensor<f32>
}


func.func @sums_accumulate_in_f32(%x: tensor<8x4xf16>) -> (tensor<4xf16>, tensor<4xf32>) {
  // KERNEL: iterator_types = ["reduction", "parallel"]
  // KERNEL-NEXT: ^bb0(%{{.*}}: f16, %{{.*}}: f32):
  // KERNEL: arith.extf
  // KERNEL: arith.addf {{.*}} : f32
  // KERNEL: arith.truncf
  // KERNEL: iterator_types = ["reduction", "parallel"]
  // KERNEL-NOT: arith.truncf
  // KERNEL: return
  %0 = amp.reduce_sum %x [0] : (tensor<8x4xf16>) -> tensor<4xf16>
  %1 = amp.reduce_sum %x [0] {wide} : (tensor<8x4xf16>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf16>, tensor<4xf32>
}


func.func @squares_are_f32(%x: tensor<8x4xf16>) -> tensor<8xf16> {
  // KERNEL: arith.mulf {{.*}} : f32
  // KERNEL-NOT: arith.truncf
  // KERNEL: arith.addf {{.*}} : f32
  // KERNEL-NOT: arith.truncf
  // KERNEL: math.sqrt {{.*}} : f32
  // KERNEL-NEXT: arith.truncf
  %0 = amp.reduce_l2 %x [1] : (tensor<8x4xf16>) -> tensor<8xf16>
  return %0 : tensor<8xf16>
}
