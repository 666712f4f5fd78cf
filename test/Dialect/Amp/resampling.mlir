// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=host | FileCheck %s --check-prefix=HOST

// Rows of equal length loop over so many sources; rows of others over what their starts say.

// CHECK-LABEL: @equal(
// CUDA-LABEL: @equal(
func.func @equal(%x: tensor<2x4xf16>) -> tensor<2x3xf16> {
  // CHECK: amp.resize %arg0 along [1] size [3] starts [0, 2, 4, 6] sources [0, 1, 1, 2, 2, 3] weights [5.000000e-01, 5.000000e-01, 2.500000e-01, 7.500000e-01, 5.000000e-01, 5.000000e-01] : (tensor<2x4xf16>) -> tensor<2x3xf16>
  // CUDA-NOT: starts
  // CUDA: scf.for %{{.*}} = %c0{{.*}} to %c2{{.*}} -> (f32)
  // CUDA: return
  %y = amp.resize %x along [1] size [3] starts [0, 2, 4, 6] sources [0, 1, 1, 2, 2, 3] weights [0.5, 0.5, 0.25, 0.75, 0.5, 0.5] : (tensor<2x4xf16>) -> tensor<2x3xf16>
  return %y : tensor<2x3xf16>
}

// What is only moved has no loop.

// CUDA-LABEL: @moved(
func.func @moved(%x: tensor<2x4xi32>) -> tensor<2x3xi32> {
  // CUDA-NOT: scf.for
  // CUDA: return
  %y = amp.resample %x along [1] size [3] starts [0, 1, 1, 2] sources [3, 0] weights [1.0, 1.0] : (tensor<2x4xi32>) -> tensor<2x3xi32>
  return %y : tensor<2x3xi32>
}

// The gradient has the transposed table: element 1 went to 0 and, with another weight, to 1.

// On the host the few sources are written out, which takes no loops of different lengths: -1 is none.

// GRADIENT-LABEL: @differentiated(
// HOST: amp.variable {{.*}}dense<[0, 0, 1, -1, -1, 1, -1, -1]> : tensor<8xi32>
// HOST-LABEL: @differentiated(
// HOST-NOT: scf.for
// HOST: return
func.func @differentiated(%x: tensor<2x4xf32>, %g: tensor<2x3xf32>) -> tensor<2x4xf32> {
  // GRADIENT: amp.resample %arg1 along [1] size [4] starts [0, 1, 3, 4, 4] sources [0, 0, 1, 1] weights [5.000000e-01, 5.000000e-01, 2.500000e-01, 7.500000e-01]
  %y = amp.resize %x along [1] size [3] starts [0, 2, 4, 4] sources [0, 1, 1, 2] weights [0.5, 0.5, 0.25, 0.75] {fill = 2.0 : f64} : (tensor<2x4xf32>) -> tensor<2x3xf32>
  %d = amp.gradient %y seed %g : tensor<2x3xf32> wrt (%x) : tensor<2x3xf32>, (tensor<2x4xf32>) -> (tensor<2x4xf32>)
  return %d : tensor<2x4xf32>
}
