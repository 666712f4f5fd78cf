

func.func @added_row_becomes_the_bias(%a: tensor<8x16xf16>, %b: tensor<16x4xf16>, %c: tensor<4xf16>) -> tensor<8x4xf16> {
  // CHECK-NEXT: %[[Y:.*]] = amp.matmul %arg0, %arg1 bias %arg2 : {{.*}} -> tensor<8x4xf16>
  // CHECK-NEXT: return %[[Y]]
  %0 = amp.matmul %a, %b : (tensor<8x16xf16>, tensor<16x4xf16>) -> tensor<8x4xf16>
  %1 = amp.add %c, %0 : (tensor<4xf16>, tensor<8x4xf16>) -> tensor<8x4xf16>
  return %1 : tensor<8x4xf16>
}

