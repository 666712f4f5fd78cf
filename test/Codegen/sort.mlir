// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -canonicalize -cse | FileCheck %s --check-prefix=HOST

// A line that fits into workgroup memory is one block's, in one launch.

// CHECK-LABEL: @rows(
// CUDA-LABEL: @rows(
// HOST-LABEL: @rows(
func.func @rows(%x: tensor<64x1000xf32>) -> (tensor<64x1000xf32>, tensor<64x1000xi32>) {
  // CHECK: plan.sort %arg0 along 1 : (tensor<64x1000xf32>) -> (tensor<64x1000xf32>, tensor<64x1000xi32>) {
  // CUDA: plan.launch @cuda_kernels::@sort_0 blocks [64, 1, 1] threads [64, 1, 1](%arg0)
  // HOST: plan.launch @host_kernels::@sort_0 blocks [4, 1, 1] threads [1, 1, 1](%arg0)
  %k, %p = plan.sort %x along 1 : (tensor<64x1000xf32>) -> (tensor<64x1000xf32>, tensor<64x1000xi32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.cmpf ogt, %a, %b : f32
    plan.yield %c : i1
  }
  return %k, %p : tensor<64x1000xf32>, tensor<64x1000xi32>
}

// Of lines as short as a run each is one worker's.

// CUDA-LABEL: @short(
func.func @short(%x: tensor<1024x16xf32>) -> (tensor<1024x16xf32>, tensor<1024x16xi32>) {
  // CUDA: plan.launch @cuda_kernels::@sort_1 blocks [4, 1, 1] threads [256, 1, 1](%arg0)
  %k, %p = plan.sort %x along 1 : (tensor<1024x16xf32>) -> (tensor<1024x16xf32>, tensor<1024x16xi32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.cmpf ogt, %a, %b : f32
    plan.yield %c : i1
  }
  return %k, %p : tensor<1024x16xf32>, tensor<1024x16xi32>
}

// Of a longer line a block sorts 2,048 elements; a launch merges up to 16 such runs, then two of
// 32,768. On the host a launch sorts short runs, and one for each pass merges pairs.

// CUDA-LABEL: @long(
func.func @long(%x: tensor<60000xi32>) -> (tensor<60000xi32>, tensor<60000xi32>) {
  // CUDA: %[[R:.*]]:2 = plan.launch @cuda_kernels::@sort_2_pass0 blocks [30, 1, 1] threads [128, 1, 1](%arg0)
  // CUDA-NEXT: %[[M:.*]]:2 = plan.launch @cuda_kernels::@sort_2_pass1 blocks [235, 1, 1] threads [256, 1, 1](%[[R]]#0, %[[R]]#1)
  // CUDA-NEXT: %[[L:.*]]:2 = plan.launch @cuda_kernels::@sort_2_pass2 {{.*}}(%[[M]]#0, %[[M]]#1)
  // CUDA-NEXT: return %[[L]]#0, %[[L]]#1
  %k, %p = plan.sort %x along 0 : (tensor<60000xi32>) -> (tensor<60000xi32>, tensor<60000xi32>) {
  ^bb0(%a: i32, %b: i32):
    %c = arith.cmpi slt, %a, %b : i32
    plan.yield %c : i1
  }
  return %k, %p : tensor<60000xi32>, tensor<60000xi32>
}

// The host goes once over a line of which few elements are asked for, and keeps them in order; of a
// long line, over parts, which are merged as far as they are asked for. A device sorts the line.

// CUDA-LABEL: @first(
// HOST-LABEL: @first(
func.func @first(%x: tensor<64x1000xf32>) -> (tensor<64x8xf32>, tensor<64x8xi32>) {
  // CUDA: plan.launch @cuda_kernels::@sort_3 blocks [64, 1, 1] threads [64, 1, 1](%arg0){{.*}} -> (tensor<64x8xf32>, tensor<64x8xi32>)
  // HOST: plan.launch @host_kernels::@sort_3 blocks [{{.*}}, 1, 1] threads [1, 1, 1](%arg0){{.*}} -> (tensor<64x8xf32>, tensor<64x8xi32>)
  %k, %p = plan.sort %x along 1 : (tensor<64x1000xf32>) -> (tensor<64x8xf32>, tensor<64x8xi32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.cmpf ogt, %a, %b : f32
    plan.yield %c : i1
  }
  return %k, %p : tensor<64x8xf32>, tensor<64x8xi32>
}

// HOST-LABEL: @first_of_long(
func.func @first_of_long(%x: tensor<60000xi32>) -> (tensor<8xi32>, tensor<8xi32>) {
  // HOST: plan.launch @host_kernels::@sort_4_pass0 {{.*}}(%arg0)
  // HOST: plan.launch @host_kernels::@sort_4_pass1
  // HOST: %[[L:.*]]:2 = plan.launch @host_kernels::@sort_4_pass2 {{.*}} -> (tensor<8xi32>, tensor<8xi32>)
  // HOST-NEXT: return %[[L]]#0, %[[L]]#1
  %k, %p = plan.sort %x along 0 : (tensor<60000xi32>) -> (tensor<8xi32>, tensor<8xi32>) {
  ^bb0(%a: i32, %b: i32):
    %c = arith.cmpi slt, %a, %b : i32
    plan.yield %c : i1
  }
  return %k, %p : tensor<8xi32>, tensor<8xi32>
}

// Ascending integers are sorted by their four bytes on the host, with a count for each value of each.

// HOST-LABEL: @indices(
func.func @indices(%x: tensor<8x5000xi32>) -> (tensor<8x5000xi32>, tensor<8x5000xi32>) {
  // HOST: plan.launch @host_kernels::@sort_5
  // HOST: gpu.func @sort_5({{.*}} workgroup({{.*}}memref<1024xi32, #gpu.address_space<workgroup>>
  %k, %p = plan.sort %x along 1 : (tensor<8x5000xi32>) -> (tensor<8x5000xi32>, tensor<8x5000xi32>) {
  ^bb0(%a: i32, %b: i32):
    %c = arith.cmpi slt, %a, %b : i32
    plan.yield %c : i1
  }
  return %k, %p : tensor<8x5000xi32>, tensor<8x5000xi32>
}
