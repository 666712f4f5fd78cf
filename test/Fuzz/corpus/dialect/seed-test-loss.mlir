
func.func @losses(%x: tensor<4x5x2xf32>, %t: tensor<4x2xi64>, %w: tensor<5xf32>, %g: tensor<f32>) -> tensor<4x5x2xf32> {
  // CHECK-NEXT: amp.softmax_cross_entropy none %arg0, %arg1 : (tensor<4x5x2xf32>, tensor<4x2xi64>) -> tensor<4x2xf32>
  // CHECK-NEXT: amp.softmax_cross_entropy mean %arg0, %arg1 weights %arg2 {ignore_index = -100 : i64} : {{.*}} -> tensor<f32>
  // CHECK-NEXT: amp.nll_loss sum %arg0, %arg1 : {{.*}} -> tensor<f32>
  // CHECK-NEXT: amp.softmax_cross_entropy_grad mean %arg3, %arg0, %arg1 weights %arg2 {ignore_index = -100 : i64}
  // CHECK-NEXT: amp.nll_loss_grad sum %arg3, %arg1 : (tensor<f32>, tensor<4x2xi64>) -> tensor<4x5x2xf32>
  %0 = amp.softmax_cross_entropy none %x, %t : (tensor<4x5x2xf32>, tensor<4x2xi64>) -> tensor<4x2xf32>
  %1 = amp.softmax_cross_entropy mean %x, %t weights %w {ignore_index = -100} : (tensor<4x5x2xf32>, tensor<4x2xi64>, tensor<5xf32>) -> tensor<f32>
  %2 = amp.nll_loss sum %x, %t : (tensor<4x5x2xf32>, tensor<4x2xi64>) -> tensor<f32>
  %3 = amp.softmax_cross_entropy_grad mean %g, %x, %t weights %w {ignore_index = -100} : (tensor<f32>, tensor<4x5x2xf32>, tensor<4x2xi64>, tensor<5xf32>) -> tensor<4x5x2xf32>
  %4 = amp.nll_loss_grad sum %g, %t : (tensor<f32>, tensor<4x2xi64>) -> tensor<4x5x2xf32>
  return %3 : tensor<4x5x2xf32>
}


func.func @row_statistics_are_shared(%x: tensor<4x5xf32>, %t: tensor<4xi32>, %g: tensor<f32>) -> (tensor<f32>, tensor<4x5xf32>, tensor<4x5xf32>) {
  // KERNEL-COUNT-1: arith.maxnumf
  // KERNEL-NOT: arith.maxnumf
  // KERNEL: return
  %0 = amp.softmax_cross_entropy mean %x, %t : (tensor<4x5xf32>, tensor<4xi32>) -> tensor<f32>
  %1 = amp.softmax_cross_entropy_grad mean %g, %x, %t : (tensor<f32>, tensor<4x5xf32>, tensor<4xi32>) -> tensor<4x5xf32>
  %2 = amp.log_softmax %x along 1 : tensor<4x5xf32>
  return %0, %1, %2 : tensor<f32>, tensor<4x5xf32>, tensor<4x5xf32>
}


func.func @labels_are_compared(%x: tensor<4x5xf32>, %t: tensor<4xi64>) -> tensor<4xf32> {
  // KERNEL: linalg.index 1
  // KERNEL: arith.cmpi eq
  // KERNEL-NOT: tensor.extract
  // KERNEL: return
  %0 = amp.nll_loss none %x, %t : (tensor<4x5xf32>, tensor<4xi64>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
