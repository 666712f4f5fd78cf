

func.func @plain(%a: tensor<8x16xf32>, %b: tensor<16x4xf32>, %g: tensor<8x4xf32>) -> (tensor<8x16xf32>, tensor<16x4xf32>) {
  // CHECK-DAG: %[[DA:.*]] = amp.matmul %arg2, %arg1 {transpose_rhs} : (tensor<8x4xf32>, tensor<16x4xf32>) -> tensor<8x16xf32>
  // CHECK-DAG: %[[DB:.*]] = amp.matmul %arg0, %arg2 {transpose_lhs} : (tensor<8x16xf32>, tensor<8x4xf32>) -> tensor<16x4xf32>
  // CHECK-NOT: amp.transpose
  // CHECK: return %[[DA]], %[[DB]]
  %y = amp.matmul %a, %b : (tensor<8x16xf32>, tensor<16x4xf32>) -> tensor<8x4xf32>
  %d:2 = amp.gradient %y seed %g : tensor<8x4xf32> wrt (%a, %b) : tensor<8x4xf32>, (tensor<8x16xf32>, tensor<16x4xf32>) -> (tensor<8x16xf32>, tensor<16x4xf32>)
  return %d#0, %d#1 : tensor<8x16xf32>, tensor<16x4xf32>
}


func.func @transposed_weight(%a: tensor<8x16xf32>, %b: tensor<4x16xf32>, %g: tensor<8x4xf32>) -> (tensor<8x16xf32>, tensor<4x16xf32>) {
  // CHECK-DAG: %[[DA:.*]] = amp.matmul %arg2, %arg1 : (tensor<8x4xf32>, tensor<4x16xf32>) -> tensor<8x16xf32>
  // CHECK-DAG: %[[DB:.*]] = amp.matmul %arg2, %arg0 {transpose_lhs} : (tensor<8x4xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  // CHECK: return %[[DA]], %[[DB]]
  %y = amp.matmul %a, %b {transpose_rhs} : (tensor<8x16xf32>, tensor<4x16xf32>) -> tensor<8x4xf32>
  %d:2 = amp.gradient %y seed %g : tensor<8x4xf32> wrt (%a, %b) : tensor<8x4xf32>, (tensor<8x16xf32>, tensor<4x16xf32>) -> (tensor<8x16xf32>, tensor<4x16xf32>)
  return %d#0, %d#1 : tensor<8x16xf32>, tensor<4x16xf32>
}

func.func @both_transposed(%a: tensor<16x8xf32>, %b: tensor<4x16xf32>, %g: tensor<8x4xf32>) -> (tensor<16x8xf32>, tensor<4x16xf32>) {
  // CHECK-DAG: %[[DA:.*]] = amp.matmul %arg1, %arg2 {transpose_lhs, transpose_rhs} : (tensor<4x16xf32>, tensor<8x4xf32>) -> tensor<16x8xf32>
  // CHECK-DAG: %[[DB:.*]] = amp.matmul %arg2, %arg0 {transpose_lhs, transpose_rhs} : (tensor<8x4xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  // CHECK: return %[[DA]], %[[DB]]
  %y = amp.matmul %a, %b {transpose_lhs, transpose_rhs} : (tensor<16x8xf32>, tensor<4x16xf32>) -> tensor<8x4xf32>
  %d:2 = amp.gradient %y seed %g : tensor<8x4xf32> wrt (%a, %b) : tensor<8x4xf32>, (tensor<16x8xf32>, tensor<4x16xf32>) -> (tensor<16x8xf32>, tensor<4x16xf32>)
  return %d#0, %d#1 : tensor<16x8xf32>, tensor<4x16xf32>
}


func.func @shared_weight(%a: tensor<2x8x16xf32>, %b: tensor<16x4xf32>, %g: tensor<2x8x4xf32>) -> tensor<16x4xf32> {
  // CHECK-DAG: %[[A:.*]] = amp.reshape %arg0 : tensor<2x8x16xf32> to tensor<16x16xf32>
  // CHECK-DAG: %[[G:.*]] = amp.reshape %arg2 : tensor<2x8x4xf32> to tensor<16x4xf32>
  // CHECK: %[[DB:.*]] = amp.matmul %[[A]], %[[G]] {transpose_lhs} : (tensor<16x16xf32>, tensor<16x4xf32>) -> tensor<16x4xf32>
  // CHECK: return %[[DB]]
  %y = amp.matmul %a, %b : (tensor<2x8x16xf32>, tensor<16x4xf32>) -> tensor<2x8x4xf32>
  %d = amp.gradient %y seed %g : tensor<2x8x4xf32> wrt (%b) : tensor<2x8x4xf32>, (tensor<16x4xf32>) -> tensor<16x4xf32>
  return %d : tensor<16x4xf32>
}


func.func @low_copies(%a: tensor<8x16xf16>, %w: tensor<16x4xf32>, %c: tensor<4xf32>, %g: tensor<8x4xf16>) -> (tensor<16x4xf32>, tensor<4xf32>) {
  // CHECK-DAG: %[[DW:.*]] = amp.matmul %arg0, %arg3 {transpose_lhs, wide} : (tensor<8x16xf16>, tensor<8x4xf16>) -> tensor<16x4xf32>
  // CHECK-DAG: %[[DC:.*]] = amp.reduce_sum %arg3 [0] {wide} : (tensor<8x4xf16>) -> tensor<4xf32>
  // CHECK: return %[[DW]], %[[DC]]
  %lw = amp.cast %w {inserted} : tensor<16x4xf32> to tensor<16x4xf16>
  %lc = amp.cast %c {inserted} : tensor<4xf32> to tensor<4xf16>
  %y = amp.matmul %a, %lw bias %lc : (tensor<8x16xf16>, tensor<16x4xf16>, tensor<4xf16>) -> tensor<8x4xf16>
  %d:2 = amp.gradient %y seed %g : tensor<8x4xf16> wrt (%w, %c) : tensor<8x4xf16>, (tensor<16x4xf32>, tensor<4xf32>) -> (tensor<16x4xf32>, tensor<4xf32>)
  return %d#0, %d#1 : tensor<16x4xf32>, tensor<4xf32>
}
