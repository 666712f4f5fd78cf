// RUN: ampc-opt %s -plan-batch-kernels=target=cuda -split-input-file | FileCheck %s

#id = affine_map<(d0) -> (d0)>
#id2 = affine_map<(d0, d1) -> (d0, d1)>

// Kernels that treat all elements alike differ in the extents alone.

// CHECK-LABEL: @equal_kernels_run_as_one(
// CHECK-SAME: %[[X:.*]]: tensor<512x64xf32>, %[[Y:.*]]: tensor<100xf32>)
func.func @equal_kernels_run_as_one(%x: tensor<512x64xf32>, %y: tensor<100xf32>)
    -> (tensor<512x64xf32>, tensor<100xf32>) {
  // CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[X]] {{.*}} into tensor<32768xf32>
  // CHECK: %[[K:.*]]:2 = plan.kernel multi_tensor (%[[A:.*]] = %[[FLAT]] : tensor<32768xf32>, %[[B:.*]] = %[[Y]] : tensor<100xf32>)
  // CHECK: %[[P:.*]] = plan.kernel fused (%{{.*}} = %[[A]] : tensor<32768xf32>) -> tensor<32768xf32>
  // CHECK: %[[Q:.*]] = plan.kernel fused (%{{.*}} = %[[B]] : tensor<100xf32>) -> tensor<100xf32>
  // CHECK: plan.yield %[[P]], %[[Q]]
  // CHECK: %[[BACK:.*]] = tensor.expand_shape %[[K]]#0
  // CHECK: return %[[BACK]], %[[K]]#1
  %p = plan.kernel fused (%a = %x : tensor<512x64xf32>) -> tensor<512x64xf32> {
    %e = tensor.empty() : tensor<512x64xf32>
    %body = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<512x64xf32>) outs(%e : tensor<512x64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<512x64xf32>
    plan.yield %body : tensor<512x64xf32>
  }
  %q = plan.kernel fused (%a = %y : tensor<100xf32>) -> tensor<100xf32> {
    %e = tensor.empty() : tensor<100xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<100xf32>) outs(%e : tensor<100xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<100xf32>
    plan.yield %body : tensor<100xf32>
  }
  return %p, %q : tensor<512x64xf32>, tensor<100xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>

// CHECK-LABEL: @kernels_that_compute_something_else_stay_apart(
func.func @kernels_that_compute_something_else_stay_apart(%x: tensor<32768xf32>, %y: tensor<100xf32>)
    -> (tensor<32768xf32>, tensor<100xf32>) {
  // CHECK-NOT: multi_tensor
  // CHECK: return
  %p = plan.kernel fused (%a = %x : tensor<32768xf32>) -> tensor<32768xf32> {
    %e = tensor.empty() : tensor<32768xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<32768xf32>) outs(%e : tensor<32768xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<32768xf32>
    plan.yield %body : tensor<32768xf32>
  }
  %q = plan.kernel fused (%a = %y : tensor<100xf32>) -> tensor<100xf32> {
    %e = tensor.empty() : tensor<100xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<100xf32>) outs(%e : tensor<100xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.tanh %i : f32
      linalg.yield %f : f32
    } -> tensor<100xf32>
    plan.yield %body : tensor<100xf32>
  }
  return %p, %q : tensor<32768xf32>, tensor<100xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>

// The second of the equal kernels waits for the first; the third does not.

// CHECK-LABEL: @dependent_kernels_stay_apart(
func.func @dependent_kernels_stay_apart(%x: tensor<32768xf32>, %y: tensor<100xf32>)
    -> (tensor<32768xf32>, tensor<100xf32>) {
  // CHECK: plan.kernel multi_tensor
  // CHECK-SAME: tensor<32768xf32>, %{{.*}} : tensor<100xf32>) -> (tensor<32768xf32>, tensor<100xf32>)
  // CHECK: plan.yield %{{.*}}, %{{.*}}
  // CHECK: plan.kernel fused
  %p = plan.kernel fused (%a = %x : tensor<32768xf32>) -> tensor<32768xf32> {
    %e = tensor.empty() : tensor<32768xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<32768xf32>) outs(%e : tensor<32768xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<32768xf32>
    plan.yield %body : tensor<32768xf32>
  }
  %q = plan.kernel fused (%a = %p : tensor<32768xf32>) -> tensor<32768xf32> {
    %e = tensor.empty() : tensor<32768xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<32768xf32>) outs(%e : tensor<32768xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<32768xf32>
    plan.yield %body : tensor<32768xf32>
  }
  %r = plan.kernel fused (%a = %y : tensor<100xf32>) -> tensor<100xf32> {
    %e = tensor.empty() : tensor<100xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<100xf32>) outs(%e : tensor<100xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<100xf32>
    plan.yield %body : tensor<100xf32>
  }
  return %q, %r : tensor<32768xf32>, tensor<100xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>

// What one block does in the time of a launch is left to a sequence.

// CHECK-LABEL: @small_kernels_stay_apart(
func.func @small_kernels_stay_apart(%x: tensor<200xf32>, %y: tensor<100xf32>)
    -> (tensor<200xf32>, tensor<100xf32>) {
  // CHECK-NOT: multi_tensor
  // CHECK: return
  %p = plan.kernel fused (%a = %x : tensor<200xf32>) -> tensor<200xf32> {
    %e = tensor.empty() : tensor<200xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<200xf32>) outs(%e : tensor<200xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<200xf32>
    plan.yield %body : tensor<200xf32>
  }
  %q = plan.kernel fused (%a = %y : tensor<100xf32>) -> tensor<100xf32> {
    %e = tensor.empty() : tensor<100xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<100xf32>) outs(%e : tensor<100xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<100xf32>
    plan.yield %body : tensor<100xf32>
  }
  return %p, %q : tensor<200xf32>, tensor<100xf32>
}

// -----

#id2 = affine_map<(d0, d1) -> (d0, d1)>
#swap = affine_map<(d0, d1) -> (d1, d0)>

// A transpose does not treat all elements alike: it keeps its shape.

// CHECK-LABEL: @transposes_are_not_flattened(
func.func @transposes_are_not_flattened(%x: tensor<512x512xf32>, %y: tensor<64x64xf32>)
    -> (tensor<512x512xf32>, tensor<64x64xf32>) {
  // CHECK-NOT: collapse_shape
  // CHECK-NOT: multi_tensor
  // CHECK: return
  %p = plan.kernel fused (%a = %x : tensor<512x512xf32>) -> tensor<512x512xf32> {
    %e = tensor.empty() : tensor<512x512xf32>
    %body = linalg.generic {indexing_maps = [#swap, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<512x512xf32>) outs(%e : tensor<512x512xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<512x512xf32>
    plan.yield %body : tensor<512x512xf32>
  }
  %q = plan.kernel fused (%a = %y : tensor<64x64xf32>) -> tensor<64x64xf32> {
    %e = tensor.empty() : tensor<64x64xf32>
    %body = linalg.generic {indexing_maps = [#swap, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<64x64xf32>) outs(%e : tensor<64x64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<64x64xf32>
    plan.yield %body : tensor<64x64xf32>
  }
  return %p, %q : tensor<512x512xf32>, tensor<64x64xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>
#id4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>

// A reshape leaves all elements in their order: the gradient of a filter, a product's matrix, is
// added to a filter as a vector's is to a vector.

// CHECK-LABEL: @reshapes_inside_are_flattened(
// CHECK-SAME: %[[G:.*]]: tensor<1x64x576xf32>, %[[W:.*]]: tensor<64x64x3x3xf32>,
func.func @reshapes_inside_are_flattened(%g: tensor<1x64x576xf32>, %w: tensor<64x64x3x3xf32>, %h: tensor<100xf32>, %v: tensor<100xf32>)
    -> (tensor<64x64x3x3xf32>, tensor<100xf32>) {
  // CHECK-DAG: %[[FG:.*]] = tensor.collapse_shape %[[G]] {{.*}} into tensor<36864xf32>
  // CHECK-DAG: %[[FW:.*]] = tensor.collapse_shape %[[W]] {{.*}} into tensor<36864xf32>
  // CHECK: %[[K:.*]]:2 = plan.kernel multi_tensor ({{.*}} = %[[FG]] : tensor<36864xf32>, {{.*}} = %[[FW]] : tensor<36864xf32>,
  // CHECK: plan.kernel fused
  // CHECK-NOT: shape
  // CHECK: linalg.generic {{{.*}}iterator_types = ["parallel"]}
  // CHECK: plan.kernel fused
  // CHECK: %[[BACK:.*]] = tensor.expand_shape %[[K]]#0 {{.*}} into tensor<64x64x3x3xf32>
  // CHECK: return %[[BACK]], %[[K]]#1
  %p = plan.kernel fused (%a = %g : tensor<1x64x576xf32>, %b = %w : tensor<64x64x3x3xf32>) -> tensor<64x64x3x3xf32> {
    %c = tensor.collapse_shape %a [[0, 1], [2]] : tensor<1x64x576xf32> into tensor<64x576xf32>
    %x = tensor.expand_shape %c [[0], [1, 2, 3]] output_shape [64, 64, 3, 3] : tensor<64x576xf32> into tensor<64x64x3x3xf32>
    %e = tensor.empty() : tensor<64x64x3x3xf32>
    %body = linalg.generic {indexing_maps = [#id4, #id4, #id4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
        ins(%x, %b : tensor<64x64x3x3xf32>, tensor<64x64x3x3xf32>) outs(%e : tensor<64x64x3x3xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %s = arith.subf %j, %i : f32
      linalg.yield %s : f32
    } -> tensor<64x64x3x3xf32>
    plan.yield %body : tensor<64x64x3x3xf32>
  }
  %q = plan.kernel fused (%a = %h : tensor<100xf32>, %b = %v : tensor<100xf32>) -> tensor<100xf32> {
    %e = tensor.empty() : tensor<100xf32>
    %body = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
        ins(%a, %b : tensor<100xf32>, tensor<100xf32>) outs(%e : tensor<100xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %s = arith.subf %j, %i : f32
      linalg.yield %s : f32
    } -> tensor<100xf32>
    plan.yield %body : tensor<100xf32>
  }
  return %p, %q : tensor<64x64x3x3xf32>, tensor<100xf32>
}
