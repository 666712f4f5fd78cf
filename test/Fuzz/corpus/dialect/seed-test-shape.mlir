
func.func @movements(%x: tensor<2x3xf16>, %empty: tensor<2x0xf16>) -> tensor<9x7xf16> {
  // CHECK-NEXT: amp.reshape %arg0 : tensor<2x3xf16> to tensor<3x2x1xf16>
  // CHECK-NEXT: amp.transpose %{{.*}} [1, 2, 0] : (tensor<3x2x1xf16>) -> tensor<2x1x3xf16>
  // CHECK-NEXT: amp.broadcast %{{.*}} : tensor<2x1x3xf16> to tensor<5x2x4x3xf16>
  // CHECK-NEXT: amp.slice %{{.*}} from [4, 0, 0, 2] size [2, 1, 4, 1] step [-3, 1, 1, 1] : (tensor<5x2x4x3xf16>) -> tensor<2x1x4x1xf16>
  // CHECK-NEXT: amp.reshape
  // CHECK-NEXT: amp.concat %{{.*}}, %{{.*}}, %{{.*}} along 1 : (tensor<2x4xf16>, tensor<2x3xf16>, tensor<2x0xf16>) -> tensor<2x7xf16>
  // CHECK-NEXT: amp.pad %{{.*}} at [1, 0] in [9, 7] step [6, 1] {value = 1.500000e+00 : f64} : (tensor<2x7xf16>) -> tensor<9x7xf16>
  %0 = amp.reshape %x : tensor<2x3xf16> to tensor<3x2x1xf16>
  %1 = amp.transpose %0 [1, 2, 0] : (tensor<3x2x1xf16>) -> tensor<2x1x3xf16>
  %2 = amp.broadcast %1 : tensor<2x1x3xf16> to tensor<5x2x4x3xf16>
  %3 = amp.slice %2 from [4, 0, 0, 2] size [2, 1, 4, 1] step [-3, 1, 1, 1] : (tensor<5x2x4x3xf16>) -> tensor<2x1x4x1xf16>
  %4 = amp.reshape %3 : tensor<2x1x4x1xf16> to tensor<2x4xf16>
  %5 = amp.concat %4, %x, %empty along 1 : (tensor<2x4xf16>, tensor<2x3xf16>, tensor<2x0xf16>) -> tensor<2x7xf16>
  %6 = amp.pad %5 at [1, 0] in [9, 7] step [6, 1] {value = 1.5} : (tensor<2x7xf16>) -> tensor<9x7xf16>
  return %6 : tensor<9x7xf16>
}
