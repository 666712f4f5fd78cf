

func.func @scatter(%x: tensor<5x8xf16>, %i: tensor<3x8xi64>, %u: tensor<3x8xf16>) -> tensor<5x8xf16> {
  // CHECK: amp.scatter %arg2 into %arg0[%arg1] along 0 : (tensor<5x8xf16>, tensor<3x8xi64>, tensor<3x8xf16>) -> tensor<5x8xf16>
  // CUDA: plan.kernel fused
  // CUDA: plan.sort {{.*}} along 0 : (tensor<3x8xi64>) -> (tensor<3x8xi64>, tensor<3x8xi32>)
  // CUDA: arith.cmpi slt
  // CUDA: plan.kernel fused
  // CUDA: scf.for
  // CUDA-NOT: plan.kernel
  // CUDA: return
  %0 = amp.scatter %u into %x[%i] along 0 : (tensor<5x8xf16>, tensor<3x8xi64>, tensor<3x8xf16>) -> tensor<5x8xf16>
  return %0 : tensor<5x8xf16>
}

func.func @merged(%x: tensor<5x8xi32>, %i: tensor<3x8xi32>, %u: tensor<3x8xi32>) -> tensor<5x8xi32> {
  // CHECK: amp.scatter_add
  // CHECK: amp.scatter_mul
  // CHECK: amp.scatter_max
  // CHECK: amp.scatter_min
  %0 = amp.scatter_add %u into %x[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  %1 = amp.scatter_mul %u into %0[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  %2 = amp.scatter_max %u into %1[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  %3 = amp.scatter_min %u into %2[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  return %3 : tensor<5x8xi32>
}


func.func @differentiated(%x: tensor<5xf32>, %i: tensor<3xi64>, %u: tensor<3xf32>, %g: tensor<5xf32>) -> (tensor<5xf32>, tensor<5xf32>, tensor<3xf32>) {
  // GRADIENT: %[[Z:.*]] = amp.constant dense<0.000000e+00> : tensor<3xf32>
  // GRADIENT: %[[DX:.*]] = amp.scatter %[[Z]] into %arg3[%arg1] along 0
  // GRADIENT: %[[DU:.*]] = amp.scatter_updates_grad %arg3[%arg1] along 0 : (tensor<5xf32>, tensor<3xi64>) -> tensor<3xf32>
  // GRADIENT: return %{{.*}}, %[[DX]], %[[DU]]
  // CUDA: plan.sort
  // CUDA-NOT: plan.sort
  // CUDA: return
  %y = amp.scatter %u into %x[%i] along 0 : (tensor<5xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<5xf32>
  %dx, %du = amp.gradient %y seed %g : tensor<5xf32> wrt (%x, %u) : tensor<5xf32>, (tensor<5xf32>, tensor<3xf32>) -> (tensor<5xf32>, tensor<3xf32>)
  return %y, %dx, %du : tensor<5xf32>, tensor<5xf32>, tensor<3xf32>
}

func.func @added(%x: tensor<5xf32>, %i: tensor<3xi64>, %u: tensor<3xf32>, %g: tensor<5xf32>) -> (tensor<5xf32>, tensor<3xf32>) {
  // GRADIENT: %[[DU:.*]] = amp.gather_elements %arg3[%arg1] along 0 : (tensor<5xf32>, tensor<3xi64>) -> tensor<3xf32>
  // GRADIENT: return %arg3, %[[DU]]
  %y = amp.scatter_add %u into %x[%i] along 0 : (tensor<5xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<5xf32>
  %dx, %du = amp.gradient %y seed %g : tensor<5xf32> wrt (%x, %u) : tensor<5xf32>, (tensor<5xf32>, tensor<3xf32>) -> (tensor<5xf32>, tensor<3xf32>)
  return %dx, %du : tensor<5xf32>, tensor<3xf32>
}

func.func @gathered(%x: tensor<5xf32>, %i: tensor<3xi64>, %g: tensor<3xf32>) -> tensor<5xf32> {
  // GRADIENT: %[[Z:.*]] = amp.constant dense<0.000000e+00> : tensor<5xf32>
  // GRADIENT: %[[DX:.*]] = amp.scatter_add %arg2 into %[[Z]][%arg1] along 0
  // GRADIENT: return %[[DX]]
  %y = amp.gather_elements %x[%i] along 0 : (tensor<5xf32>, tensor<3xi64>) -> tensor<3xf32>
  %dx = amp.gradient %y seed %g : tensor<3xf32> wrt (%x) : tensor<3xf32>, (tensor<5xf32>) -> (tensor<5xf32>)
  return %dx : tensor<5xf32>
}
