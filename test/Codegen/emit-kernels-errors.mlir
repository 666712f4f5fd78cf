// RUN: ampc-opt %s -ampc-emit-kernels=target=host -split-input-file -verify-diagnostics

func.func @windows(%x: tensor<10xf32>) -> tensor<4xf32> {
  // expected-error @below {{has a body that is no kernel: an indexing map is not linear}}
  %y = plan.kernel fused (%a = %x : tensor<10xf32>) -> tensor<4xf32> {
    %e = tensor.empty() : tensor<4xf32>
    %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0 floordiv 2)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%a : tensor<10xf32>) outs(%e : tensor<4xf32>) {
    ^bb0(%i: f32, %o: f32):
      linalg.yield %i : f32
    } -> tensor<4xf32>
    plan.yield %r : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

// The place of the largest element takes more than one operation to merge.

func.func @argmax(%x: tensor<10xf32>, %s: tensor<f32>, %t: tensor<i32>) -> tensor<i32> {
  // expected-error @below {{cannot be scheduled: a reduction is more than one associative operation}}
  %y:2 = plan.kernel fused (%a = %x : tensor<10xf32>, %b = %s : tensor<f32>, %c = %t : tensor<i32>) -> (tensor<f32>, tensor<i32>) {
    %r:2 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>, affine_map<(d0) -> ()>], iterator_types = ["reduction"]} ins(%a : tensor<10xf32>) outs(%b, %c : tensor<f32>, tensor<i32>) {
    ^bb0(%i: f32, %m: f32, %j: i32):
      %d = linalg.index 0 : index
      %k = arith.index_cast %d : index to i32
      %g = arith.cmpf ogt, %i, %m : f32
      %v = arith.select %g, %i, %m : f32
      %p = arith.select %g, %k, %j : i32
      linalg.yield %v, %p : f32, i32
    } -> (tensor<f32>, tensor<i32>)
    plan.yield %r#0, %r#1 : tensor<f32>, tensor<i32>
  }
  return %y#1 : tensor<i32>
}

// -----

func.func @overwrites(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{ties result 0 to operand 0, which it reads at other places}}
  %y = plan.kernel fused (%a = %x : tensor<4x4xf32>) -> tensor<4x4xf32> tied [0] {
    %e = tensor.empty() : tensor<4x4xf32>
    %r = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
    ^bb0(%i: f32, %o: f32):
      linalg.yield %i : f32
    } -> tensor<4x4xf32>
    plan.yield %r : tensor<4x4xf32>
  }
  return %y : tensor<4x4xf32>
}
