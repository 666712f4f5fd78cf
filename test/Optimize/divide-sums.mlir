// RUN: ampc-opt %s -plan-divide-sums=target=cuda -split-input-file | FileCheck %s
// RUN: ampc-opt %s -plan-divide-sums=target=host -split-input-file | FileCheck %s --check-prefix=HOST
// RUN: ampc-opt %s -plan-divide-sums=target=cuda -plan-batch-kernels=target=cuda -split-input-file | FileCheck %s --check-prefix=BATCH

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// 256 groups of 16 rows: about two for each multiprocessor. A block merges its rows one by one and
// adds them up; the groups' sums are added by another kernel. The host's threads share columns.

// CHECK-LABEL: @beside_rows
// HOST-LABEL: @beside_rows
func.func @beside_rows(%x: tensor<4096x64xf32>) -> (tensor<4096x64xf32>, tensor<64xf32>) {
  // CHECK: %[[BOTH:.*]]:2 = plan.kernel fused (%[[A:.*]] = %arg0 : tensor<4096x64xf32>) -> (tensor<4096x64xf32>, tensor<256x64xf32>)
  // CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]} ins(%[[A]]
  // CHECK: %[[PARTS:.*]] = tensor.expand_shape %[[A]] {{.*}} output_shape [256, 16, 64]
  // CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "reduction", "parallel"]} ins(%[[PARTS]]
  // CHECK: %[[SUM:.*]] = plan.kernel fused (%[[P:.*]] = %[[BOTH]]#1 : tensor<256x64xf32>) -> tensor<64xf32>
  // CHECK: linalg.generic {{.*}}iterator_types = ["reduction", "parallel"]} ins(%[[P]]
  // CHECK-NOT: plan.kernel
  // CHECK: return %[[BOTH]]#0, %[[SUM]]
  // HOST: plan.kernel fused ({{.*}}) -> tensor<4096x64xf32>
  // HOST: plan.kernel fused ({{.*}}) -> tensor<64xf32>
  %z = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<4096x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4096xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4096xf32>) -> tensor<4096xf32>
    %e1 = tensor.empty() : tensor<4096x64xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<4096xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<4096xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<4096x64xf32>, tensor<4096xf32>) outs(%e1 : tensor<4096x64xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<4096x64xf32>
    plan.yield %d : tensor<4096x64xf32>
  }
  %total = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<64xf32>
    plan.yield %s : tensor<64xf32>
  }
  return %z, %total : tensor<4096x64xf32>, tensor<64xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// What the rows come to may be what is added up. Nobody else reads it here, so it is not stored.

// CHECK-LABEL: @of_what_rows_come_to
func.func @of_what_rows_come_to(%x: tensor<4096x64xf32>) -> tensor<64xf32> {
  // CHECK: %[[PARTS:.*]] = plan.kernel fused (%{{.*}} = %arg0 : tensor<4096x64xf32>) -> tensor<256x64xf32>
  // CHECK: plan.kernel fused (%{{.*}} = %[[PARTS]] : tensor<256x64xf32>) -> tensor<64xf32>
  %z = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<4096x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4096xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4096xf32>) -> tensor<4096xf32>
    %e1 = tensor.empty() : tensor<4096x64xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<4096xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<4096xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<4096x64xf32>, tensor<4096xf32>) outs(%e1 : tensor<4096x64xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<4096x64xf32>
    plan.yield %d : tensor<4096x64xf32>
  }
  %total = plan.kernel fused (%a = %z : tensor<4096x64xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<64xf32>
    plan.yield %s : tensor<64xf32>
  }
  return %total : tensor<64xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// What waits for a sum waits for those of all groups.

// CHECK-LABEL: @what_waits_comes_last
func.func @what_waits_comes_last(%x: tensor<4096x64xf32>) -> (tensor<4096x64xf32>, tensor<64xf16>) {
  // CHECK: %[[BOTH:.*]]:2 = plan.kernel fused {{.*}} -> (tensor<4096x64xf32>, tensor<256x64xf32>)
  // CHECK-NOT: arith.truncf
  // CHECK: plan.kernel fused (%{{.*}} = %[[BOTH]]#1 : tensor<256x64xf32>) -> tensor<64xf16>
  // CHECK: arith.truncf
  %z = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<4096x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4096xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4096xf32>) -> tensor<4096xf32>
    %e1 = tensor.empty() : tensor<4096x64xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<4096xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<4096xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<4096x64xf32>, tensor<4096xf32>) outs(%e1 : tensor<4096x64xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<4096x64xf32>
    plan.yield %d : tensor<4096x64xf32>
  }
  %total = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<64xf16> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<64xf32>
    %e1 = tensor.empty() : tensor<64xf16>
    %h = linalg.generic {indexing_maps = [#vec, #vec], iterator_types = ["parallel"]} ins(%s : tensor<64xf32>) outs(%e1 : tensor<64xf16>) {
    ^bb0(%i: f32, %o: f16):
      %t = arith.truncf %i : f32 to f16
      linalg.yield %t : f16
    } -> tensor<64xf16>
    plan.yield %h : tensor<64xf16>
  }
  return %z, %total : tensor<4096x64xf32>, tensor<64xf16>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// The last kernels of two sums are one, though they are of other extents.

// BATCH-LABEL: @last_kernels_are_one
func.func @last_kernels_are_one(%x: tensor<4096x64xf32>, %y: tensor<2560x1024xf32>) -> (tensor<4096x64xf32>, tensor<2560x1024xf32>, tensor<64xf32>, tensor<1024xf32>) {
  // BATCH: plan.kernel fused {{.*}} -> (tensor<4096x64xf32>, tensor<256x64xf32>)
  // BATCH: plan.kernel fused {{.*}} -> (tensor<2560x1024xf32>, tensor<256x1024xf32>)
  // BATCH: plan.kernel multi_tensor (%{{.*}} : tensor<256x64xf32>, %{{.*}} : tensor<256x1024xf32>) -> (tensor<64xf32>, tensor<1024xf32>)
  %z = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<4096x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4096xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4096xf32>) -> tensor<4096xf32>
    %e1 = tensor.empty() : tensor<4096x64xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<4096xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<4096xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<4096x64xf32>, tensor<4096xf32>) outs(%e1 : tensor<4096x64xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<4096x64xf32>
    plan.yield %d : tensor<4096x64xf32>
  }
  %total = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<64xf32>
    plan.yield %s : tensor<64xf32>
  }
  %u = plan.kernel fused (%a = %y : tensor<2560x1024xf32>) -> tensor<2560x1024xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<2560xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2560xf32>) -> tensor<2560xf32>
    %e1 = tensor.empty() : tensor<2560x1024xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<2560x1024xf32>) outs(%f0 : tensor<2560xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<2560xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<2560x1024xf32>, tensor<2560xf32>) outs(%e1 : tensor<2560x1024xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<2560x1024xf32>
    plan.yield %d : tensor<2560x1024xf32>
  }
  %v = plan.kernel fused (%a = %y : tensor<2560x1024xf32>) -> tensor<1024xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<1024xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1024xf32>) -> tensor<1024xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<2560x1024xf32>) outs(%f0 : tensor<1024xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<1024xf32>
    plan.yield %s : tensor<1024xf32>
  }
  return %z, %u, %total, %v : tensor<4096x64xf32>, tensor<2560x1024xf32>, tensor<64xf32>, tensor<1024xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// 4093 is a prime: no number of groups divides the rows.

// CHECK-LABEL: @rows_that_do_not_divide
func.func @rows_that_do_not_divide(%x: tensor<4093x64xf32>) -> (tensor<4093x64xf32>, tensor<64xf32>) {
  // CHECK: plan.kernel fused {{.*}} -> tensor<4093x64xf32>
  // CHECK: plan.kernel fused {{.*}} -> tensor<64xf32>
  %z = plan.kernel fused (%a = %x : tensor<4093x64xf32>) -> tensor<4093x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4093xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4093xf32>) -> tensor<4093xf32>
    %e1 = tensor.empty() : tensor<4093x64xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4093x64xf32>) outs(%f0 : tensor<4093xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<4093xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<4093x64xf32>, tensor<4093xf32>) outs(%e1 : tensor<4093x64xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<4093x64xf32>
    plan.yield %d : tensor<4093x64xf32>
  }
  %total = plan.kernel fused (%a = %x : tensor<4093x64xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4093x64xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<64xf32>
    plan.yield %s : tensor<64xf32>
  }
  return %z, %total : tensor<4093x64xf32>, tensor<64xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// Sums of so many columns are more than threads hold.

// CHECK-LABEL: @long_rows
func.func @long_rows(%x: tensor<4096x10000xf32>) -> (tensor<4096x10000xf32>, tensor<10000xf32>) {
  // CHECK: plan.kernel fused {{.*}} -> tensor<4096x10000xf32>
  // CHECK: plan.kernel fused {{.*}} -> tensor<10000xf32>
  %z = plan.kernel fused (%a = %x : tensor<4096x10000xf32>) -> tensor<4096x10000xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4096xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4096xf32>) -> tensor<4096xf32>
    %e1 = tensor.empty() : tensor<4096x10000xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4096x10000xf32>) outs(%f0 : tensor<4096xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<4096xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<4096x10000xf32>, tensor<4096xf32>) outs(%e1 : tensor<4096x10000xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<4096x10000xf32>
    plan.yield %d : tensor<4096x10000xf32>
  }
  %total = plan.kernel fused (%a = %x : tensor<4096x10000xf32>) -> tensor<10000xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<10000xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<10000xf32>) -> tensor<10000xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4096x10000xf32>) outs(%f0 : tensor<10000xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<10000xf32>
    plan.yield %s : tensor<10000xf32>
  }
  return %z, %total : tensor<4096x10000xf32>, tensor<10000xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// Fewer groups than there are multiprocessors: it is launches that take the time. Four rows each at
// least.

// CHECK-LABEL: @few_rows
func.func @few_rows(%x: tensor<256x1024xf32>) -> (tensor<256x1024xf32>, tensor<1024xf32>) {
  // CHECK: plan.kernel fused {{.*}} -> (tensor<256x1024xf32>, tensor<64x1024xf32>)
  // CHECK: plan.kernel fused {{.*}} -> tensor<1024xf32>
  %z = plan.kernel fused (%a = %x : tensor<256x1024xf32>) -> tensor<256x1024xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<256xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<256xf32>) -> tensor<256xf32>
    %e1 = tensor.empty() : tensor<256x1024xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<256x1024xf32>) outs(%f0 : tensor<256xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<256xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<256x1024xf32>, tensor<256xf32>) outs(%e1 : tensor<256x1024xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<256x1024xf32>
    plan.yield %d : tensor<256x1024xf32>
  }
  %total = plan.kernel fused (%a = %x : tensor<256x1024xf32>) -> tensor<1024xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<1024xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1024xf32>) -> tensor<1024xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<256x1024xf32>) outs(%f0 : tensor<1024xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<1024xf32>
    plan.yield %s : tensor<1024xf32>
  }
  return %z, %total : tensor<256x1024xf32>, tensor<1024xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// A product stands between the two.

// CHECK-LABEL: @not_through_others
func.func @not_through_others(%x: tensor<4096x64xf32>, %w: tensor<64x64xf32>) -> tensor<64xf32> {
  // CHECK: %[[Z:.*]] = plan.kernel fused (%{{.*}} = %arg0 : tensor<4096x64xf32>) -> tensor<4096x64xf32>
  // CHECK: %[[Y:.*]] = plan.matmul %[[Z]]
  // CHECK: plan.kernel fused (%{{.*}} = %[[Y]] : tensor<4096x64xf32>) -> tensor<64xf32>
  %z = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<4096x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4096xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4096xf32>) -> tensor<4096xf32>
    %e1 = tensor.empty() : tensor<4096x64xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<4096xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<4096xf32>
    %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %s : tensor<4096x64xf32>, tensor<4096xf32>) outs(%e1 : tensor<4096x64xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.subf %i, %j : f32
      linalg.yield %t : f32
    } -> tensor<4096x64xf32>
    plan.yield %d : tensor<4096x64xf32>
  }
  %y = plan.matmul %z, %w : (tensor<4096x64xf32>, tensor<64x64xf32>) -> tensor<4096x64xf32>
  %total = plan.kernel fused (%a = %y : tensor<4096x64xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<64xf32>
    plan.yield %s : tensor<64xf32>
  }
  return %total : tensor<64xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#vec = affine_map<(d0) -> (d0)>

// Rows that wait for the sums of columns.

// CHECK-LABEL: @rows_that_wait_for_columns
func.func @rows_that_wait_for_columns(%x: tensor<4096x64xf32>) -> tensor<4096xf32> {
  // CHECK: %[[SUM:.*]] = plan.kernel fused (%{{.*}} = %arg0 : tensor<4096x64xf32>) -> tensor<64xf32>
  // CHECK: plan.kernel fused (%{{.*}} = %arg0 : tensor<4096x64xf32>, %{{.*}} = %[[SUM]] : tensor<64xf32>) -> tensor<4096xf32>
  %total = plan.kernel fused (%a = %x : tensor<4096x64xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<4096x64xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<64xf32>
    plan.yield %s : tensor<64xf32>
  }
  %z = plan.kernel fused (%a = %x : tensor<4096x64xf32>, %b = %total : tensor<64xf32>) -> tensor<4096xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<4096xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4096xf32>) -> tensor<4096xf32>
    %s = linalg.generic {indexing_maps = [#full, #col, #row], iterator_types = ["parallel", "reduction"]} ins(%a, %b : tensor<4096x64xf32>, tensor<64xf32>) outs(%f0 : tensor<4096xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %t = arith.mulf %i, %j : f32
      %u = arith.addf %t, %o : f32
      linalg.yield %u : f32
    } -> tensor<4096xf32>
    plan.yield %s : tensor<4096xf32>
  }
  return %z : tensor<4096xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>

// 2 groups of 8191 rows would leave nearly all of the device idle.

// CHECK-LABEL: @few_groups
func.func @few_groups(%x: tensor<16382x1024xf32>) -> (tensor<16382xf32>, tensor<1024xf32>) {
  // CHECK: plan.kernel fused {{.*}} -> tensor<16382xf32>
  // CHECK: plan.kernel fused {{.*}} -> tensor<1024xf32>
  %z = plan.kernel fused (%a = %x : tensor<16382x1024xf32>) -> tensor<16382xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<16382xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<16382xf32>) -> tensor<16382xf32>
    %s = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<16382x1024xf32>) outs(%f0 : tensor<16382xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<16382xf32>
    plan.yield %s : tensor<16382xf32>
  }
  %total = plan.kernel fused (%a = %x : tensor<16382x1024xf32>) -> tensor<1024xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<1024xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1024xf32>) -> tensor<1024xf32>
    %s = linalg.generic {indexing_maps = [#full, #col], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<16382x1024xf32>) outs(%f0 : tensor<1024xf32>) {
    ^bb0(%i: f32, %o: f32):
      %t = arith.addf %i, %o : f32
      linalg.yield %t : f32
    } -> tensor<1024xf32>
    plan.yield %s : tensor<1024xf32>
  }
  return %z, %total : tensor<16382xf32>, tensor<1024xf32>
}
