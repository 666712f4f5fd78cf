// RUN: ampc-opt %s --ampc-lower-gpu-reductions | FileCheck %s

gpu.module @m {
  // CHECK-LABEL: gpu.func @over_a_block
  // CHECK-NOT: gpu.all_reduce
  // CHECK: gpu.shuffle
  // CHECK: gpu.barrier
  // CHECK: gpu.return
  gpu.func @over_a_block(%x: memref<128xf32>) kernel attributes {known_block_size = array<i32: 128, 1, 1>} {
    %t = gpu.thread_id x
    %v = memref.load %x[%t] : memref<128xf32>
    %s = gpu.all_reduce add %v uniform {} : (f32) -> (f32)
    memref.store %s, %x[%t] : memref<128xf32>
    gpu.return
  }
  // CHECK-LABEL: gpu.func @over_a_warp
  // CHECK-COUNT-5: gpu.shuffle
  // CHECK-NOT: gpu.shuffle
  // CHECK-NOT: gpu.subgroup_reduce
  gpu.func @over_a_warp(%x: memref<32xf32>) kernel {
    %t = gpu.thread_id x
    %v = memref.load %x[%t] : memref<32xf32>
    %s = gpu.subgroup_reduce maximumf %v : (f32) -> (f32)
    memref.store %s, %x[%t] : memref<32xf32>
    gpu.return
  }
}
