// RUN: ampc-opt %s --amp-autocast --cse --split-input-file | FileCheck %s
// RUN: ampc-opt %s --amp-autocast="dtype=bf16" --cse --split-input-file | FileCheck %s --check-prefix=BF16
// RUN: ampc-opt %s --amp-autocast="level=2" --cse --split-input-file | FileCheck %s --check-prefix=O2
// RUN: ampc-opt %s --amp-autocast --split-input-file --remarks-filter=amp-autocast -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// What a constant makes of a value: it is cast to the low type only where that holds it.

// The mask stays f32 until softmax has absorbed it, through ops that move it too.

// CHECK-LABEL: @a_mask_is_f32_as_far_as_softmax
// O2-LABEL: @a_mask_is_f32_as_far_as_softmax
// BF16-LABEL: @a_mask_is_f32_as_far_as_softmax
func.func @a_mask_is_f32_as_far_as_softmax(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %m: tensor<8x6xi1>, %v: tensor<6x4xf32>) -> tensor<8x4xf32> {
  // CHECK: amp.where {{.*}} -> tensor<8x6xf32>
  // CHECK: amp.reshape {{.*}} to tensor<2x4x6xf32>
  // CHECK: amp.softmax {{.*}} : tensor<2x4x6xf32>
  // O2: amp.where {{.*}} -> tensor<8x6xf32>
  // O2-NEXT: amp.reshape {{.*}} to tensor<2x4x6xf32>
  // O2-NEXT: amp.softmax {{.*}} : tensor<2x4x6xf32>
  // O2-NEXT: amp.cast {{.*}} to tensor<2x4x6xf16>
  // O2: amp.reshape {{.*}} to tensor<8x6xf16>
  // -1e9 is a bf16.
  // BF16: amp.where {{.*}} -> tensor<8x6xbf16>
  %c = amp.constant dense<-1.0e9> : tensor<f32>
  %s = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>
  %a = amp.where %m, %s, %c : (tensor<8x6xi1>, tensor<8x6xf32>, tensor<f32>) -> tensor<8x6xf32>
  %r = amp.reshape %a : tensor<8x6xf32> to tensor<2x4x6xf32>
  %p = amp.softmax %r along 2 : tensor<2x4x6xf32>
  %q = amp.reshape %p : tensor<2x4x6xf32> to tensor<8x6xf32>
  %y = amp.matmul %q, %v : (tensor<8x6xf32>, tensor<6x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// finfo(f32).min is infinite in bf16 as well; -inf is the same in every type.

// BF16-LABEL: @the_lowest_f32
// CHECK-LABEL: @the_lowest_f32
func.func @the_lowest_f32(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %m: tensor<8x6xi1>) -> (tensor<8x6xf32>, tensor<8x6xf32>) {
  // BF16: amp.where {{.*}} -> tensor<8x6xf32>
  // BF16: amp.where {{.*}} -> tensor<8x6xbf16>
  // CHECK: amp.where {{.*}} -> tensor<8x6xf32>
  // CHECK: amp.where {{.*}} -> tensor<8x6xf16>
  %c = amp.constant dense<0xFF7FFFFF> : tensor<f32>
  %i = amp.constant dense<0xFF800000> : tensor<f32>
  %s = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>
  %a = amp.where %m, %s, %c : (tensor<8x6xi1>, tensor<8x6xf32>, tensor<f32>) -> tensor<8x6xf32>
  %b = amp.where %m, %s, %i : (tensor<8x6xi1>, tensor<8x6xf32>, tensor<f32>) -> tensor<8x6xf32>
  return %a, %b : tensor<8x6xf32>, tensor<8x6xf32>
}

// -----

// A large mask is a variable; what its initializer holds, the import has noted.

amp.variable constant @mask : tensor<8x6xf32> {from_model, range = array<f64: -1.0e9, 0.0>}

// CHECK-LABEL: @a_frozen_mask
// O2-LABEL: @a_frozen_mask
func.func @a_frozen_mask(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>) -> tensor<8x6xf32> {
  // CHECK: amp.add {{.*}} -> tensor<8x6xf32>
  // O2: amp.add {{.*}} -> tensor<8x6xf32>
  // O2-NOT: amp.cast {{.*}} to tensor<8x6xf16>
  // O2: amp.softmax {{.*}} : tensor<8x6xf32>
  %m = amp.read @mask : tensor<8x6xf32>
  %s = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>
  %a = amp.add %s, %m : (tensor<8x6xf32>, tensor<8x6xf32>) -> tensor<8x6xf32>
  %p = amp.softmax %a along 1 : tensor<8x6xf32>
  return %p : tensor<8x6xf32>
}

// -----

// -1e4 fits, but beside it the steps of f16 are 8 wide, and a row that is masked as a whole
// would lose its scores.

// REMARK: a sum with a constant of 1.00e+04 loses its digits in f16
// CHECK-LABEL: @a_sum_keeps_its_digits
func.func @a_sum_keeps_its_digits(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>) -> (tensor<8x6xf32>, tensor<8x6xf32>) {
  // CHECK: amp.add {{.*}} -> tensor<8x6xf32>
  // CHECK: amp.mul {{.*}} -> tensor<8x6xf16>
  %c = amp.constant dense<-1.0e4> : tensor<1x6xf32>
  %s = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>
  %a = amp.add %s, %c : (tensor<8x6xf32>, tensor<1x6xf32>) -> tensor<8x6xf32>
  %b = amp.mul %s, %c : (tensor<8x6xf32>, tensor<1x6xf32>) -> tensor<8x6xf32>
  return %a, %b : tensor<8x6xf32>, tensor<8x6xf32>
}

// -----

// An epsilon that f16 would make 0 keeps the sum in f32, and the root of it; a quotient by
// it is ordinary again.

// O2-LABEL: @an_epsilon_is_kept
// BF16-LABEL: @an_epsilon_is_kept
func.func @an_epsilon_is_kept(%x: tensor<8x4xf32>, %v: tensor<8x1xf32>) -> tensor<8x4xf32> {
  // O2: amp.add {{.*}} -> tensor<8x1xf32>
  // O2-NEXT: amp.sqrt {{.*}} : tensor<8x1xf32>
  // O2: amp.div {{.*}} -> tensor<8x4xf32>
  // O2-NEXT: amp.cast {{.*}} to tensor<8x4xf16>
  // O2-NEXT: amp.relu {{.*}} : tensor<8x4xf16>
  // BF16: amp.add {{.*}} -> tensor<8x1xf32>
  %e = amp.constant dense<1.0e-12> : tensor<f32>
  %a = amp.add %v, %e : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %a : tensor<8x1xf32>
  %y = amp.div %x, %s : (tensor<8x4xf32>, tensor<8x1xf32>) -> tensor<8x4xf32>
  %r = amp.relu %y : tensor<8x4xf32>
  return %r : tensor<8x4xf32>
}

// -----

// A bound is no value: what is cut off at -1e9 is as ordinary as before.

// CHECK-LABEL: @bounds
// O2-LABEL: @bounds
func.func @bounds(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>) -> tensor<8x6xf32> {
  // O2: amp.max {{.*}} -> tensor<8x6xf32>
  // O2-NEXT: amp.cast {{.*}} to tensor<8x6xf16>
  // O2-NEXT: amp.relu {{.*}} : tensor<8x6xf16>
  %c = amp.constant dense<-1.0e9> : tensor<f32>
  %s = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>
  %a = amp.max %s, %c : (tensor<8x6xf32>, tensor<f32>) -> tensor<8x6xf32>
  %r = amp.relu %a : tensor<8x6xf32>
  return %r : tensor<8x6xf32>
}

// -----

// What users scale values by stays low, however often.

// CHECK-LABEL: @scales_do_not_add_up
func.func @scales_do_not_add_up(%x: tensor<8x8xf32>, %w: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // CHECK-COUNT-4: amp.mul {{.*}} -> tensor<8x8xf16>
  %c = amp.constant dense<100.0> : tensor<f32>
  %0 = amp.matmul %x, %w : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = amp.mul %0, %c : (tensor<8x8xf32>, tensor<f32>) -> tensor<8x8xf32>
  %2 = amp.mul %1, %c : (tensor<8x8xf32>, tensor<f32>) -> tensor<8x8xf32>
  %3 = amp.mul %2, %c : (tensor<8x8xf32>, tensor<f32>) -> tensor<8x8xf32>
  %4 = amp.mul %3, %c : (tensor<8x8xf32>, tensor<f32>) -> tensor<8x8xf32>
  return %4 : tensor<8x8xf32>
}
