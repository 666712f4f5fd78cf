
func.func @softmax_along_rows(%x: tensor<8x5xf16>) -> tensor<8x5xf16> {
  // CHECK: amp.softmax %arg0 along 1 : tensor<8x5xf16>
  // The statistics are f32; the result is rounded once.
  // KERNEL: arith.maxnumf {{.*}} : f32
  // KERNEL-NOT: arith.truncf
  // KERNEL: math.exp {{.*}} : f32
  // KERNEL-NOT: arith.truncf
  // KERNEL: arith.addf {{.*}} : f32
  // KERNEL-NOT: arith.truncf
  // KERNEL: arith.divf {{.*}} : f32
  // KERNEL-NEXT: arith.truncf
  %0 = amp.softmax %x along 1 : tensor<8x5xf16>
  return %0 : tensor<8x5xf16>
}

