// RUN: ampc-opt %s -amp-autocast -cse -amp-verify-precision | FileCheck %s
// RUN: ampc-opt %s -amp-autocast="level=2" -cse -amp-verify-precision | FileCheck %s
// RUN: ampc-opt %s -amp-autocast="lists=pytorch" -cse -amp-verify-precision="lists=pytorch" | FileCheck %s

// The input decides, in PyTorch's list too; parameters and statistics stay f32, and so does what is
// assigned, where the user asks for f32 in an O2 model as well.

amp.variable state @mean : tensor<4xf32> {from_model}
amp.variable state @variance : tensor<4xf32> {from_model}

// CHECK-LABEL: @between_products(
func.func @between_products(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %s: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<8x4xf32> {
  // CHECK: %[[X:.*]] = amp.matmul {{.*}} -> tensor<8x4xf16>
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}}, %[[M:.*]], %[[V:.*]] = amp.batch_norm %[[X]], %arg2, %arg3 {{.*}} : (tensor<8x4xf16>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<8x4xf16>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  // CHECK: amp.assign @mean, %[[M]] : tensor<4xf32>
  // CHECK: amp.assign @variance, %[[V]] : tensor<4xf32>
  // CHECK: amp.matmul %[[Y]]
  %0 = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %m = amp.read @mean : tensor<4xf32>
  %v = amp.read @variance : tensor<4xf32>
  %y, %mean, %inv, %new_mean, %new_var = amp.batch_norm %0, %s, %b running %m, %v along 1 {epsilon = 1.0e-05 : f64, momentum = 0.9 : f64} : (tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  amp.assign @mean, %new_mean : tensor<4xf32>
  amp.assign @variance, %new_var : tensor<4xf32>
  %1 = amp.matmul %y, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}

// CHECK-LABEL: @denied(
func.func @denied(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %s: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<8x4xf32> {
  // CHECK: %{{.*}}, %{{.*}}, %{{.*}}, %[[M:.*]], %[[V:.*]] = amp.batch_norm {{.*}} : (tensor<8x4xf32>,
  // CHECK: amp.assign @mean, %[[M]] : tensor<4xf32>
  // CHECK: amp.assign @variance, %[[V]] : tensor<4xf32>
  %m = amp.read @mean : tensor<4xf32>
  %v = amp.read @variance : tensor<4xf32>
  %y, %mean, %inv, %new_mean, %new_var = amp.batch_norm %x, %s, %b running %m, %v along 1 {epsilon = 1.0e-05 : f64, momentum = 0.9 : f64, amp.precision = {category = "f32", reason = "--amp-keep-fp32"}} : (tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  amp.assign @mean, %new_mean : tensor<4xf32>
  amp.assign @variance, %new_var : tensor<4xf32>
  %1 = amp.matmul %y, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}
