// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda | FileCheck %s

// What every kind of kernel has in common: names, arguments, launches.

#map = affine_map<(d0) -> (d0)>

// The kernel is named after the first ONNX node; equal kernels share one.

// CHECK-LABEL: @equal_kernels_are_emitted_once
func.func @equal_kernels_are_emitted_once(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  // CHECK: %[[Y:.*]] = plan.launch @cuda_kernels::@[[$FC:fc1_relu_0]] blocks [1, 1, 1] threads [256, 1, 1](%arg0)
  %y = plan.kernel fused (%a = %x : tensor<64xf32>) -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf32>
    %r = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%a : tensor<64xf32>) outs(%e : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %n = arith.negf %i : f32
      linalg.yield %n : f32
    } -> tensor<64xf32> loc(#fc1)
    plan.yield %r : tensor<64xf32>
  }
  // CHECK: plan.launch @cuda_kernels::@[[$FC]] {{.*}}(%[[Y]])
  %z = plan.kernel fused (%a = %y : tensor<64xf32>) -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf32>
    %r = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%a : tensor<64xf32>) outs(%e : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %n = arith.negf %i : f32
      linalg.yield %n : f32
    } -> tensor<64xf32> loc(#fc2)
    plan.yield %r : tensor<64xf32>
  }
  return %y, %z : tensor<64xf32>, tensor<64xf32>
}
#fc1 = loc("fc1/relu"(fused<"Relu">["model.onnx":3:0]))
#fc2 = loc("fc2/relu"(fused<"Relu">["model.onnx":4:0]))

// A tied result has no argument of its own; its operand's may be written. What the body
// does not use is not passed.

// CHECK-LABEL: @tied_results_share_an_argument
func.func @tied_results_share_an_argument(%x: tensor<64xf32>, %m: tensor<64xi1>, %u: tensor<8xf32>) -> (tensor<64xf32>, tensor<64xi1>) {
  // CHECK: plan.launch @cuda_kernels::@[[$TIED:fused_1]] blocks {{.*}}(%arg0, %arg1)
  // CHECK-SAME: numOutputs = 2 : i64, tied = array<i64: 0, -1>
  // CHECK-SAME: (tensor<64xf32>, tensor<64xi1>) -> (tensor<64xf32>, tensor<64xi1>)
  %y:2 = plan.kernel fused (%a = %x : tensor<64xf32>, %b = %m : tensor<64xi1>, %c = %u : tensor<8xf32>) -> (tensor<64xf32>, tensor<64xi1>) tied [0, -1] {
    %e = tensor.empty() : tensor<64xf32>
    %f = tensor.empty() : tensor<64xi1>
    %r:2 = linalg.generic {indexing_maps = [#map, #map, #map, #map], iterator_types = ["parallel"]} ins(%a, %b : tensor<64xf32>, tensor<64xi1>) outs(%e, %f : tensor<64xf32>, tensor<64xi1>) {
    ^bb0(%i: f32, %k: i1, %o: f32, %p: i1):
      %true = arith.constant true
      %n = arith.negf %i : f32
      %s = arith.select %k, %n, %i : f32
      %t = arith.xori %k, %true : i1
      linalg.yield %s, %t : f32, i1
    } -> (tensor<64xf32>, tensor<64xi1>)
    plan.yield %r#0, %r#1 : tensor<64xf32>, tensor<64xi1>
  }
  return %y#0, %y#1 : tensor<64xf32>, tensor<64xi1>
}

// CHECK: gpu.module @cuda_kernels
// CHECK: gpu.func @[[$FC]](%{{.*}}: memref<64xf32, #gpu.address_space<global>> {llvm.align = 64 : i64, llvm.noalias, llvm.readonly},
// CHECK-SAME: %{{.*}}: memref<64xf32, #gpu.address_space<global>> {llvm.align = 64 : i64, llvm.noalias})
// CHECK-SAME: known_block_size = array<i32: 256, 1, 1>, known_grid_size = array<i32: 1, 1, 1>
// CHECK-NOT: gpu.func @fc2

// A boolean is a byte, 0 or 1.

// CHECK: gpu.func @[[$TIED]](%[[X:.*]]: memref<64xf32, #gpu.address_space<global>> {llvm.align = 64 : i64},
// CHECK-SAME: %[[M:.*]]: memref<64xi8, #gpu.address_space<global>> {llvm.align = 64 : i64, llvm.noalias, llvm.readonly},
// CHECK-SAME: %[[OUT:.*]]: memref<64xi8, #gpu.address_space<global>> {llvm.align = 64 : i64, llvm.noalias}) kernel
// CHECK-DAG: vector.load %[[M]]
// CHECK-DAG: vector.load %[[X]]
// CHECK: arith.cmpi ne
// CHECK: arith.extui %{{.*}} : i1 to i8
// CHECK-DAG: vector.store %{{.*}}, %[[X]]
// CHECK-DAG: vector.store %{{.*}}, %[[OUT]]
