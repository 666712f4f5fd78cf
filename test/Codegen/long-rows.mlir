// RUN: ampc-opt %s -plan-lower-ops=target=host -plan-form-kernels=target=host -ampc-emit-kernels=target=host -split-input-file -canonicalize -cse | FileCheck %s

// A long sum is a sum of parts, so that few roundings add up. LLVM leaves the parts a loop.

// CHECK: #[[$NO_UNROLL:.*]] = #llvm.loop_unroll<disable = true>
// CHECK: #[[$PARTS:.*]] = #llvm.loop_annotation<unroll = #[[$NO_UNROLL]]>
// CHECK: gpu.func
// CHECK: scf.for %{{.*}} = %c0 to %c1000 step %c256
// CHECK: scf.for
// CHECK: arith.addf
// CHECK: }
// CHECK: arith.addf
// CHECK: } {llvm.loop_annotation = #[[$PARTS]]}
func.func @sum(%x: tensor<4x1000xf32>) -> tensor<4xf32> {
  %s = amp.reduce_sum %x [1] : (tensor<4x1000xf32>) -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// -----

// A maximum does not round: one loop, half the code.

// CHECK: gpu.func
// CHECK: scf.for %{{.*}} = %c0 to %c1000 step %c1 iter_args
// CHECK-NOT: scf.for
// CHECK: arith.maximumf
// CHECK-NOT: scf.for
// CHECK: gpu.return
func.func @max(%x: tensor<4x1000xf32>) -> tensor<4xf32> {
  %m = amp.reduce_max %x [1] : (tensor<4x1000xf32>) -> tensor<4xf32>
  return %m : tensor<4xf32>
}

// -----

// A sum of everything goes line by line where another operand varies along the lines alone: one
// index for all would be divided for each element.

// CHECK: gpu.func @{{.*}}_partial
// CHECK: scf.for
// CHECK: scf.for %[[I:.*]] = %c0 to %c100 step %c1
// CHECK-NOT: arith.remui
// CHECK: memref.load %{{.*}}[%[[I]]]
// CHECK: gpu.return
func.func @lines(%x: tensor<5000x100xf32>, %y: tensor<100xf32>) -> tensor<f32> {
  %p = amp.mul %x, %y : (tensor<5000x100xf32>, tensor<100xf32>) -> tensor<5000x100xf32>
  %s = amp.reduce_sum %p [0, 1] : (tensor<5000x100xf32>) -> tensor<f32>
  return %s : tensor<f32>
}
