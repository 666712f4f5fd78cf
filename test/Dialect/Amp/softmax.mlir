// RUN: ampc-opt %s -split-input-file -verify-diagnostics | ampc-opt -split-input-file | FileCheck %s
// RUN: ampc-opt %s -split-input-file -verify-diagnostics -plan-lower-ops | FileCheck %s --check-prefix=KERNEL

// CHECK-LABEL: @softmax_along_rows(
// KERNEL-LABEL: @softmax_along_rows(
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

// CHECK-LABEL: @hardmax(
func.func @hardmax(%x: tensor<8x4xf16>) -> tensor<8x4xf16> {
  // CHECK: amp.hardmax %arg0 along 1 : tensor<8x4xf16>
  %y = amp.hardmax %x along 1 : tensor<8x4xf16>
  return %y : tensor<8x4xf16>
}

// -----

// CHECK-LABEL: @log_softmax_along_columns(
// KERNEL-LABEL: @log_softmax_along_columns(
func.func @log_softmax_along_columns(%x: tensor<8x5xf32>) -> tensor<8x5xf32> {
  // CHECK: amp.log_softmax %arg0 along 0 : tensor<8x5xf32>
  // KERNEL: linalg.generic {{.*}} outs(%{{.*}} : tensor<5x8xf32>)
  // KERNEL: arith.maxnumf
  // KERNEL: math.log
  // KERNEL: linalg.generic {{.*}} outs(%{{.*}} : tensor<8x5xf32>)
  %0 = amp.log_softmax %x along 0 : tensor<8x5xf32>
  return %0 : tensor<8x5xf32>
}

// -----

func.func @axis_out_of_range(%x: tensor<8x5xf32>) {
  // expected-error@+1 {{axis 2 is out of range for 'tensor<8x5xf32>'}}
  %0 = amp.softmax %x along 2 : tensor<8x5xf32>
  return
}
