
func.func @product_with_bias(%a: tensor<8x16xf16>, %b: tensor<4x16xf16>, %c: tensor<4xf16>) -> tensor<8x4xf16> {
  // CHECK: amp.matmul %arg0, %arg1 bias %arg2 {alpha = 5.000000e-01 : f64, transpose_rhs} : (tensor<8x16xf16>, tensor<4x16xf16>, tensor<4xf16>) -> tensor<8x4xf16>
  // KERNEL: plan.matmul %arg0, %arg1 bias %arg2 {alpha = 5.000000e-01 : f64, transpose_rhs}
  %0 = amp.matmul %a, %b bias %c {alpha = 0.5, transpose_rhs} : (tensor<8x16xf16>, tensor<4x16xf16>, tensor<4xf16>) -> tensor<8x4xf16>
  return %0 : tensor<8x4xf16>
}

func.func @wide_product_has_the_type_of_the_accumulator(%a: tensor<8x16xbf16>, %b: tensor<16x4xbf16>) -> tensor<8x4xf32> {
  // CHECK: amp.matmul %arg0, %arg1 {wide} : (tensor<8x16xbf16>, tensor<16x4xbf16>) -> tensor<8x4xf32>
  %0 = amp.matmul %a, %b {wide} : (tensor<8x16xbf16>, tensor<16x4xbf16>) -> tensor<8x4xf32>
  return %0 : tensor<8x4xf32>
}


func.func @shared_matrix_is_one_product(%a: tensor<2x3x8x16xf32>, %b: tensor<16x4xf32>, %c: tensor<4xf32>) -> tensor<2x3x8x4xf32> {
  // KERNEL: %[[A:.*]] = tensor.collapse_shape %arg0 {{.*}} into tensor<48x16xf32>
  // KERNEL: %[[Y:.*]] = plan.matmul %[[A]], %arg1 bias %arg2 : {{.*}} -> tensor<48x4xf32>
  // KERNEL: tensor.expand_shape %[[Y]] {{.*}} into tensor<2x3x8x4xf32>
  %0 = amp.matmul %a, %b bias %c : (tensor<2x3x8x16xf32>, tensor<16x4xf32>, tensor<4xf32>) -> tensor<2x3x8x4xf32>
  return %0 : tensor<2x3x8x4xf32>
}

func.func @batches_are_one_dimension(%a: tensor<2x3x8x16xf32>, %b: tensor<2x3x16x4xf32>) -> tensor<2x3x8x4xf32> {
  // KERNEL: plan.matmul %{{.*}}, %{{.*}} : (tensor<6x8x16xf32>, tensor<6x16x4xf32>) -> tensor<6x8x4xf32>
  %0 = amp.matmul %a, %b : (tensor<2x3x8x16xf32>, tensor<2x3x16x4xf32>) -> tensor<2x3x8x4xf32>
  return %0 : tensor<2x3x8x4xf32>
}


func.func @shared_matrix_with_transposed_batches(%a: tensor<6x16x8xf32>, %b: tensor<16x4xf32>) -> tensor<6x8x4xf32> {
  // KERNEL: plan.matmul %{{.*}}, %{{.*}} {transpose_lhs} : (tensor<6x16x8xf32>, tensor<1x16x4xf32>) -> tensor<6x8x4xf32>
  %0 = amp.matmul %a, %b {transpose_lhs} : (tensor<6x16x8xf32>, tensor<16x4xf32>) -> tensor<6x8x4xf32>
  return %0 : tensor<6x8x4xf32>
}

func.func @batches_that_broadcast_in_part_are_written_out(%a: tensor<2x1x8x16xf32>, %b: tensor<3x16x4xf32>) -> tensor<2x3x8x4xf32> {
  // KERNEL: linalg.generic {{.*}} outs(%{{.*}} : tensor<2x3x8x16xf32>)
  // KERNEL: linalg.generic {{.*}} outs(%{{.*}} : tensor<2x3x16x4xf32>)
  // KERNEL: plan.matmul %{{.*}}, %{{.*}} : (tensor<6x8x16xf32>, tensor<6x16x4xf32>) -> tensor<6x8x4xf32>
  %0 = amp.matmul %a, %b : (tensor<2x1x8x16xf32>, tensor<3x16x4xf32>) -> tensor<2x3x8x4xf32>
  return %0 : tensor<2x3x8x4xf32>
}

func.func @sum_over_nothing_is_the_bias(%a: tensor<2x0xf32>, %b: tensor<0x4xf32>, %c: tensor<4xf32>) -> tensor<2x4xf32> {
  // KERNEL-NOT: plan.matmul
  // KERNEL: linalg.generic {{.*}}ins(%arg2 : tensor<4xf32>)
  %0 = amp.matmul %a, %b bias %c : (tensor<2x0xf32>, tensor<0x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}
