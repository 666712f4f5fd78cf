// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -plan-lower-ops=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -plan-lower-ops=target=host | FileCheck %s --check-prefix=HOST
// RUN: ampc-opt %s -amp-autocast=dtype=bf16 | FileCheck %s --check-prefix=AUTOCAST

// On a device of 16-bit operands a kernel of its own, which knows where query, key, value and output
// lie; else products.

// CHECK-LABEL: @grouped(
// CUDA-LABEL: @grouped(
// HOST-LABEL: @grouped(
func.func @grouped(%q: tensor<2x4x6x8xf16>, %k: tensor<2x5x2x8xf16>, %v: tensor<2x2x5x8xf16>,
                   %mask: tensor<2x1x1x5xf32>)
    -> (tensor<2x6x4x8xf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>) {
  // CHECK: amp.attention %arg0, %arg1, %arg2 mask %arg3 as ["bhrd", "brhd", "bhrd", "brhd"] scale 1.250000e-01
  // CUDA: plan.attention %arg0, %arg1, %arg2 mask %arg3 of [2, 4, 2, 6, 5, 8]
  // CUDA-SAME: at [0, 192, 48, 8, 0, 80, 8, 16, 0, 80, 40, 8, 0, 192, 8, 32] scale 1.250000e-01 off 0.000000e+00
  // HOST: plan.matmul {{.*}} {alpha = 1.250000e-01 : f64, transpose_rhs} : (tensor<4x12x8xf16>, tensor<4x5x8xf16>) -> tensor<4x12x5xf16>
  // HOST: plan.matmul {{.*}} : (tensor<4x12x5xf16>, tensor<4x5x8xf16>) -> tensor<4x12x8xf16>
  %y, %m, %s = amp.attention %q, %k, %v mask %mask as ["bhrd", "brhd", "bhrd", "brhd"] scale 0.125
      : (tensor<2x4x6x8xf16>, tensor<2x5x2x8xf16>, tensor<2x2x5x8xf16>, tensor<2x1x1x5xf32>)
      -> (tensor<2x6x4x8xf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>)
  return %y, %m, %s : tensor<2x6x4x8xf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>
}

// CHECK-LABEL: @joint(
// CUDA-LABEL: @joint(
func.func @joint(%qkv: tensor<2x6x3x4x16xbf16>, %on: tensor<1x1x6x6xi1>) -> tensor<2x6x4x16xbf16> {
  // CHECK: amp.attention %arg0 where %arg1 as ["brphd", "brhd"] scale 2.500000e-01 {off = -1.000000e+04 : f64, replaces}
  // CUDA: plan.attention %arg0 where %arg1 of [2, 4, 4, 6, 6, 16]
  // CUDA-SAME: at [0, 1152, 16, 192, 64, 1152, 16, 192, 128, 1152, 16, 192, 0, 384, 16, 64] scale 2.500000e-01 off -1.000000e+04 {replaces}
  %y, %m, %s = amp.attention %qkv where %on as ["brphd", "brhd"] scale 0.25 {off = -1.0e4, replaces}
      : (tensor<2x6x3x4x16xbf16>, tensor<1x1x6x6xi1>)
      -> (tensor<2x6x4x16xbf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>)
  return %y : tensor<2x6x4x16xbf16>
}

// In f32, and with heads that fill no 16 bytes, there is no such kernel.

// CUDA-LABEL: @wide(
// CUDA-NOT: plan.attention
func.func @wide(%q: tensor<1x1x6x8xf32>) -> tensor<1x1x6x8xf32> {
  %y, %m, %s = amp.attention %q, %q, %q as ["bhrd", "bhrd", "bhrd", "bhrd"] scale 0.25
      : (tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>, tensor<1x1x6x8xf32>)
      -> (tensor<1x1x6x8xf32>, tensor<1x1x6xf32>, tensor<1x1x6xf32>)
  return %y : tensor<1x1x6x8xf32>
}

// CUDA-LABEL: @short(
// CUDA-NOT: plan.attention
func.func @short(%q: tensor<1x1x6x4xf16>) -> tensor<1x1x6x4xf16> {
  %y, %m, %s = amp.attention %q, %q, %q as ["bhrd", "bhrd", "bhrd", "bhrd"] scale 0.25
      : (tensor<1x1x6x4xf16>, tensor<1x1x6x4xf16>, tensor<1x1x6x4xf16>)
      -> (tensor<1x1x6x4xf16>, tensor<1x1x6xf32>, tensor<1x1x6xf32>)
  return %y : tensor<1x1x6x4xf16>
}

// The gradient of one input that holds all is one tensor.

// CHECK-LABEL: @gradient(
// CUDA-LABEL: @gradient(
// HOST-LABEL: @gradient(
func.func @gradient(%g: tensor<2x6x4x16xbf16>, %m: tensor<2x4x6xf32>, %s: tensor<2x4x6xf32>,
                    %delta: tensor<2x6x4xf32>, %qkv: tensor<2x6x3x4x16xbf16>)
    -> tensor<2x6x3x4x16xbf16> {
  // CHECK: amp.attention_grad %arg0 with %arg1, %arg2, %arg3 of %arg4 as ["brphd", "brhd"] scale 2.500000e-01
  // CUDA: plan.attention_grad %arg0 with %arg1, %arg2, %arg3 by %arg4 of [2, 4, 4, 6, 6, 16]
  // CUDA-SAME: at [0, 1152, 16, 192, 64, 1152, 16, 192, 128, 1152, 16, 192, 0, 384, 16, 64]
  // HOST-COUNT-5: plan.matmul
  // HOST-NOT: plan.matmul
  %d = amp.attention_grad %g with %m, %s, %delta of %qkv as ["brphd", "brhd"] scale 0.25
      : (tensor<2x6x4x16xbf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>, tensor<2x6x4xf32>,
         tensor<2x6x3x4x16xbf16>) -> tensor<2x6x3x4x16xbf16>
  return %d : tensor<2x6x3x4x16xbf16>
}

// The mask stays f32.

// HOST-LABEL: @cast(
// AUTOCAST-LABEL: @cast(
// AUTOCAST: amp.attention %{{.*}}, %{{.*}}, %{{.*}} mask %arg1 as
// AUTOCAST-SAME: (tensor<1x2x6x8xbf16>, tensor<1x2x6x8xbf16>, tensor<1x2x6x8xbf16>, tensor<1x1x6x6xf32>)
// AUTOCAST-SAME: -> (tensor<1x2x6x8xbf16>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
func.func @cast(%q: tensor<1x2x6x8xf32>, %mask: tensor<1x1x6x6xf32>) -> tensor<1x2x6x8xf32> {
  %y, %m, %s = amp.attention %q, %q, %q mask %mask as ["bhrd", "bhrd", "bhrd", "bhrd"] scale 0.25
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x1x6x6xf32>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return %y : tensor<1x2x6x8xf32>
}
