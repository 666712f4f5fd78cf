// RUN: ampc-opt %s --ampc-convert-host-kernels --split-input-file | FileCheck %s

// The body runs in a loop over the blocks asked for; device address spaces are gone, what
// the arguments promise is kept.
gpu.module @host_kernels {
  gpu.func @loop_over_blocks(%x: memref<64xf32, #gpu.address_space<global>> {llvm.noalias, llvm.align = 64 : i64})
      kernel attributes {known_block_size = array<i32: 1, 1, 1>, known_grid_size = array<i32: 64, 1, 1>} {
    %i = gpu.block_id x
    %n = gpu.grid_dim x
    %v = arith.index_cast %n : index to i32
    %f = arith.sitofp %v : i32 to f32
    memref.store %f, %x[%i] : memref<64xf32, #gpu.address_space<global>>
    gpu.return
  }
}
// CHECK-NOT: gpu.module
// CHECK-LABEL: func.func @loop_over_blocks(
// CHECK-SAME: %[[X:.*]]: memref<64xf32> {llvm.align = 64 : i64, llvm.noalias},
// CHECK-SAME: %[[BEGIN:.*]]: index, %[[END:.*]]: index) attributes {ampc.kernel}
// CHECK: scf.for %[[BLOCK:.*]] = %[[BEGIN]] to %[[END]] step
// CHECK: %[[N:.*]] = arith.constant 64 : index
// CHECK: arith.index_cast %[[N]]
// CHECK: memref.store %{{.*}}, %[[X]][%[[BLOCK]]]

// -----

// A lone thread has nobody to wait for or to add to.
gpu.module @host_kernels {
  gpu.func @lone_thread(%x: memref<64xf32>) kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %b = gpu.block_id x
    %by = gpu.block_id y
    %t = gpu.thread_id x
    %d = gpu.block_dim x
    %p = arith.muli %b, %d : index
    %q = arith.addi %p, %t : index
    %i = arith.addi %q, %by : index
    %v = memref.load %x[%i] : memref<64xf32>
    %s = gpu.all_reduce add %v uniform {} : (f32) -> (f32)
    gpu.barrier
    %r = gpu.subgroup_reduce add %s : (f32) -> (f32)
    memref.store %r, %x[%i] : memref<64xf32>
    gpu.return
  }
}
// CHECK-LABEL: func.func @lone_thread(
// CHECK-NOT: gpu.
// CHECK: %[[V:.*]] = memref.load
// CHECK-NEXT: memref.store %[[V]]
// CHECK-NOT: gpu.

// -----

// Memory is taken once, before the loop.
gpu.module @host_kernels {
  gpu.func @memory(%x: memref<64xf32>)
      workgroup(%w: memref<8xf32, #gpu.address_space<workgroup>>)
      private(%p: memref<2x4xf16, #gpu.address_space<private>>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %c0 = arith.constant 0 : index
    %a = memref.alloca() : memref<3xi32>
    %i = memref.load %a[%c0] : memref<3xi32>
    %v = memref.load %w[%c0] : memref<8xf32, #gpu.address_space<workgroup>>
    %u = memref.load %p[%c0, %c0] : memref<2x4xf16, #gpu.address_space<private>>
    memref.store %v, %x[%c0] : memref<64xf32>
    gpu.return
  }
}
// CHECK-LABEL: func.func @memory(
// CHECK-DAG: %[[W:.*]] = memref.alloca() {alignment = 64 : i64} : memref<8xf32>
// CHECK-DAG: %[[P:.*]] = memref.alloca() {alignment = 64 : i64} : memref<2x4xf16>
// CHECK-DAG: %[[A:.*]] = memref.alloca() {alignment = 64 : i64} : memref<3xi32>
// CHECK: scf.for
// CHECK-NOT: memref.alloca
// CHECK-DAG: memref.load %[[A]]
// CHECK-DAG: memref.load %[[W]]
// CHECK-DAG: memref.load %[[P]]

// -----

// A body that returns early keeps its blocks.
gpu.module @host_kernels {
  gpu.func @early_return(%x: memref<64xf32>, %c: memref<1xi1>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %i = gpu.global_id x
    %c0 = arith.constant 0 : index
    %f = arith.constant 1.0 : f32
    %go = memref.load %c[%c0] : memref<1xi1>
    cf.cond_br %go, ^work, ^exit
  ^work:
    memref.store %f, %x[%i] : memref<64xf32>
    gpu.return
  ^exit:
    gpu.return
  }
}
// CHECK-LABEL: func.func @early_return(
// CHECK: scf.for
// CHECK: scf.execute_region
// CHECK: cf.cond_br %{{.*}}, ^[[WORK:.*]], ^[[EXIT:.*]]
// CHECK: ^[[WORK]]:
// CHECK: memref.store
// CHECK: scf.yield
// CHECK: ^[[EXIT]]:
// CHECK: scf.yield

// -----

// Addresses from a table lose their address space as well.
gpu.module @host_kernels {
  gpu.func @addresses(%t: memref<1xi64>) kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %c0 = arith.constant 0 : index
    %a = memref.load %t[%c0] : memref<1xi64>
    %p = llvm.inttoptr %a : i64 to !llvm.ptr<1>
    %q = llvm.addrspacecast %p : !llvm.ptr<1> to !llvm.ptr
    %f = llvm.load %p : !llvm.ptr<1> -> f32
    llvm.store %f, %q : f32, !llvm.ptr
    gpu.return
  }
}
// CHECK-LABEL: func.func @addresses(
// CHECK: %[[P:.*]] = llvm.inttoptr %{{.*}} : i64 to !llvm.ptr{{$}}
// CHECK-NOT: addrspacecast
// CHECK: llvm.store %{{.*}}, %[[P]] : f32, !llvm.ptr
