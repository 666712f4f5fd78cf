

func.func @max_pool(%x: tensor<2x3x8x8xf16>) -> (tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>) {
  // CHECK: amp.max_pool %arg0 points [4, 4] taps [3, 3] strides [2, 2] dilations [1, 1] pads [1, 1] : (tensor<2x3x8x8xf16>) -> (tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>)
  // CUDA: plan.kernel fused
  // CUDA: linalg.generic
  // CUDA: scf.for {{.*}} -> (f32, i64)
  // CUDA: scf.for {{.*}} -> (f32, i64)
  // CUDA-NOT: scf.for
  // CUDA: return
  %v, %i = amp.max_pool %x points [4, 4] taps [3, 3] strides [2, 2] dilations [1, 1] pads [1, 1] : (tensor<2x3x8x8xf16>) -> (tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>)
  return %v, %i : tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>
}

func.func @differentiated(%x: tensor<2x3x8xf32>, %g: tensor<2x3x4xf32>) -> tensor<2x3x8xf32> {
  // GRADIENT: %{{.*}}, %[[I:.*]] = amp.max_pool %arg0
  // GRADIENT: %[[D:.*]] = amp.max_pool_grad %arg1 at %[[I]] taps [2] strides [2] dilations [1] pads [0] : (tensor<2x3x4xf32>, tensor<2x3x4xi64>) -> tensor<2x3x8xf32>
  // GRADIENT: return %[[D]]
  %v, %i = amp.max_pool %x points [4] taps [2] strides [2] dilations [1] pads [0] : (tensor<2x3x8xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xi64>)
  %d = amp.gradient %v seed %g : tensor<2x3x4xf32> wrt (%x) : tensor<2x3x4xf32>, (tensor<2x3x8xf32>) -> (tensor<2x3x8xf32>)
  return %d : tensor<2x3x8xf32>
}
