
func.func @gather(%x: tensor<5x8x3xf16>, %i: tensor<2x4xi64>) -> tensor<5x2x4x3xf16> {
  // CHECK: amp.gather %arg0[%arg1] along 1 : (tensor<5x8x3xf16>, tensor<2x4xi64>) -> tensor<5x2x4x3xf16>
  // CUDA: plan.kernel fused
  // CUDA: tensor.extract %{{.*}}[%{{.*}}, %{{.*}}] : tensor<2x4xi64>
  // CUDA: tensor.extract %{{.*}} : tensor<5x8x3xf16>
  // CUDA-NOT: plan.kernel
  %0 = amp.gather %x[%i] along 1 : (tensor<5x8x3xf16>, tensor<2x4xi64>) -> tensor<5x2x4x3xf16>
  return %0 : tensor<5x2x4x3xf16>
}

func.func @folded() -> (tensor<2xi64>, tensor<2x1xf32>) {
  // FOLD-DAG: %[[A:.*]] = amp.constant dense<[4, 2]> : tensor<2xi64>
  // FOLD-DAG: %[[B:.*]] = amp.constant dense<{{\[\[}}2.000000e+00], [5.000000e+00]]> : tensor<2x1xf32>
  // FOLD: return %[[A]], %[[B]]
  %x = amp.constant dense<[2, 3, 4]> : tensor<3xi64>
  %i = amp.constant dense<[-1, 0]> : tensor<2xi64>
  %0 = amp.gather %x[%i] along 0 : (tensor<3xi64>, tensor<2xi64>) -> tensor<2xi64>
  %y = amp.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %j = amp.constant dense<[1]> : tensor<1xi32>
  %1 = amp.gather %y[%j] along 1 : (tensor<2x3xf32>, tensor<1xi32>) -> tensor<2x1xf32>
  return %0, %1 : tensor<2xi64>, tensor<2x1xf32>
}


func.func @out_of_range() -> tensor<1xi64> {
  // FOLD: amp.gather
  %x = amp.constant dense<[2, 3, 4]> : tensor<3xi64>
  %i = amp.constant dense<[3]> : tensor<1xi64>
  %0 = amp.gather %x[%i] along 0 : (tensor<3xi64>, tensor<1xi64>) -> tensor<1xi64>
  return %0 : tensor<1xi64>
}


func.func @differentiated(%x: tensor<50x16xf32>, %i: tensor<9xi64>, %g: tensor<9x16xf32>) -> tensor<50x16xf32> {
  // GRADIENT: %[[D:.*]] = amp.gather_grad %arg2[%arg1] along 0 : (tensor<9x16xf32>, tensor<9xi64>) -> tensor<50x16xf32>
  // GRADIENT: return %[[D]]
  %y = amp.gather %x[%i] along 0 : (tensor<50x16xf32>, tensor<9xi64>) -> tensor<9x16xf32>
  %d = amp.gradient %y seed %g : tensor<9x16xf32> wrt (%x) : tensor<9x16xf32>, (tensor<50x16xf32>) -> (tensor<50x16xf32>)
  return %d : tensor<50x16xf32>
}


func.func @sums(%g: tensor<4096x64xf16>, %i: tensor<4096xi64>) -> tensor<5000x64xf32> {
  // CUDA-NOT: plan.kernel sequence
  // CUDA-NOT: plan.yield {{.*}}tensor<4096x4096
  // CUDA: plan.yield {{.*}} : tensor<4096xi32>, tensor<4096xi32>
  // CUDA: plan.yield {{.*}} : tensor<5001xi32>
  // CUDA: scf.for
  // CUDA: plan.yield {{.*}} : tensor<1x5000x64xf32>
  %d = amp.gather_grad %g[%i] along 0 : (tensor<4096x64xf16>, tensor<4096xi64>) -> tensor<5000x64xf32>
  return %d : tensor<5000x64xf32>
}


func.func @many_sums(%g: tensor<20000x8xf16>, %i: tensor<20000xi64>) -> tensor<500x8xf32> {
  // CUDA: plan.sort {{.*}} along 0 : (tensor<20000xi32>) -> (tensor<20000xi32>, tensor<20000xi32>)
  // CUDA: plan.yield {{.*}} : tensor<501xi32>
  // CUDA: scf.for
  // CUDA: plan.yield {{.*}} : tensor<1x500x8xf32>
  %d = amp.gather_grad %g[%i] along 0 : (tensor<20000x8xf16>, tensor<20000xi64>) -> tensor<500x8xf32>
  return %d : tensor<500x8xf32>
}
