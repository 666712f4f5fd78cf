// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -canonicalize -cse | FileCheck %s --check-prefix=HOST

// Many lines: each is one worker's. Equal scans have one code.

// CHECK-LABEL: @many_lines(
// CUDA-LABEL: @many_lines(
// HOST-LABEL: @many_lines(
func.func @many_lines(%x: tensor<40000x16xf16>, %y: tensor<40000x16xf16>) -> (tensor<40000x16xf16>, tensor<40000x16xf16>) {
  // CHECK: plan.scan %arg0 along 1 from 0.000000e+00 : f32 {exclusive} : (tensor<40000x16xf16>) -> tensor<40000x16xf16> {
  // CUDA: %[[A:.*]] = plan.launch @cuda_kernels::@scan_0 blocks [157, 1, 1] threads [256, 1, 1](%arg0)
  // CUDA: %[[B:.*]] = plan.launch @cuda_kernels::@scan_0 blocks [157, 1, 1] threads [256, 1, 1](%arg1)
  // CUDA: return %[[A]], %[[B]]
  // HOST: plan.launch @host_kernels::@scan_0 blocks [40, 1, 1] threads [1, 1, 1](%arg0)
  %0 = plan.scan %x along 1 from 0.0 : f32 {exclusive} : (tensor<40000x16xf16>) -> tensor<40000x16xf16> {
  ^bb0(%e: f32, %m: f32):
    %s = arith.addf %e, %m : f32
    plan.yield %s : f32
  }
  %1 = plan.scan %y along 1 from 0.0 : f32 {exclusive} : (tensor<40000x16xf16>) -> tensor<40000x16xf16> {
  ^bb0(%e: f32, %m: f32):
    %s = arith.addf %e, %m : f32
    plan.yield %s : f32
  }
  return %0, %1 : tensor<40000x16xf16>, tensor<40000x16xf16>
}

// One long line: its parts are merged first.

// CUDA-LABEL: @long_line(
// HOST-LABEL: @long_line(
func.func @long_line(%x: tensor<1000000xf32>) -> tensor<1000000xf32> {
  // CUDA: %[[P:.*]] = plan.launch @cuda_kernels::@scan_1_partial {{.*}}(%arg0) {{.*}} -> tensor<{{[0-9]+}}xf32>
  // CUDA: plan.launch @cuda_kernels::@scan_1_final {{.*}}(%arg0, %[[P]])
  // HOST: %[[P:.*]] = plan.launch @host_kernels::@scan_1_partial {{.*}}(%arg0)
  // HOST: plan.launch @host_kernels::@scan_1_final {{.*}}(%arg0, %[[P]])
  %0 = plan.scan %x along 0 from 0.0 : f32 {reverse} : (tensor<1000000xf32>) -> tensor<1000000xf32> {
  ^bb0(%e: f32, %m: f32):
    %s = arith.addf %e, %m : f32
    plan.yield %s : f32
  }
  return %0 : tensor<1000000xf32>
}
