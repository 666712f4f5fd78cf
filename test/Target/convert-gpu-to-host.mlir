// RUN: ampc-opt %s --ampc-convert-gpu-to-host --canonicalize | FileCheck %s

// CHECK-NOT: gpu.
// CHECK-DAG: func.func private @ampc_simt_barrier(!llvm.ptr, i32)
// CHECK-DAG: func.func private @ampc_simt_shuffle(!llvm.ptr, i64, i32, i32, i32, i32) -> i64

gpu.module @m {
  // No barrier: a loop over the threads around a private function.
  // CHECK-LABEL: func.func @plain(
  // CHECK-SAME: ampc.block_size = array<i32: 32, 2, 1>
  // CHECK-NOT: ampc.fibers
  // CHECK-SAME: ampc.parameter_bytes = array<i64: 256>
  // CHECK: scf.for
  // CHECK: scf.for
  // CHECK: call @plain.thread
  // CHECK-LABEL: func.func private @plain.thread(
  // CHECK-SAME: passthrough = ["alwaysinline"]
  gpu.func @plain(%x: memref<64xf32, #gpu.address_space<global>>)
      kernel attributes {known_block_size = array<i32: 32, 2, 1>} {
    %t = gpu.thread_id x
    %d = gpu.block_dim x
    %b = gpu.block_id x
    %p = arith.muli %b, %d : index
    %i = arith.addi %p, %t : index
    %one = arith.constant 1.0 : f32
    memref.store %one, %x[%i] : memref<64xf32, #gpu.address_space<global>>
    gpu.return
  }
  // A barrier: one call a thread; workgroup memory is a slice of the buffer.
  // CHECK-LABEL: func.func @synced(
  // CHECK-SAME: %[[CTX:.*]]: !llvm.ptr, %[[TID:[^:]*]]: index
  // CHECK-SAME: memref<272xi8>
  // CHECK-SAME: ampc.fibers
  // CHECK-SAME: ampc.workgroup_bytes = 272
  // CHECK-DAG: memref.view %{{.*}} : memref<272xi8> to memref<3xf32>
  // CHECK-DAG: memref.view %{{.*}}[%c16][] : memref<272xi8> to memref<64xf32>
  // CHECK-DAG: memref.alloca() : memref<4xf32>
  // CHECK: call @ampc_simt_barrier(%[[CTX]]
  gpu.func @synced(%x: memref<64xf32>)
      workgroup(%a: memref<3xf32, #gpu.address_space<workgroup>>, %s: memref<64xf32, #gpu.address_space<workgroup>>)
      private(%p: memref<4xf32, #gpu.address_space<private>>) kernel {
    %t = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %v = memref.load %x[%t] : memref<64xf32>
    memref.store %v, %a[%c0] : memref<3xf32, #gpu.address_space<workgroup>>
    memref.store %v, %s[%t] : memref<64xf32, #gpu.address_space<workgroup>>
    memref.store %v, %p[%c0] : memref<4xf32, #gpu.address_space<private>>
    gpu.barrier
    %w = memref.load %s[%c0] : memref<64xf32, #gpu.address_space<workgroup>>
    %q = memref.load %p[%c0] : memref<4xf32, #gpu.address_space<private>>
    %sum = arith.addf %w, %q : f32
    memref.store %sum, %x[%t] : memref<64xf32>
    gpu.return
  }
  // Shuffles travel as 64 bits; validity is asked for only where it is used.
  // CHECK-LABEL: func.func @shuffled(
  // CHECK: vector.bitcast %{{.*}} : vector<2xf16> to vector<1xi32>
  // CHECK: arith.extui %{{.*}} : i32 to i64
  // CHECK: call @ampc_simt_shuffle(
  // CHECK: call @ampc_simt_shuffle_valid(
  // CHECK: call @ampc_simt_shuffle(
  // CHECK-NOT: call @ampc_simt_shuffle_valid(
  // CHECK: return
  gpu.func @shuffled(%x: memref<64xvector<2xf16>>, %y: memref<64xf32>) kernel {
    %t = gpu.thread_id x
    %c1 = arith.constant 1 : i32
    %c32 = arith.constant 32 : i32
    %v = memref.load %x[%t] : memref<64xvector<2xf16>>
    %r, %ok = gpu.shuffle down %v, %c1, %c32 : vector<2xf16>
    %z = arith.select %ok, %r, %v : vector<2xf16>
    memref.store %z, %x[%t] : memref<64xvector<2xf16>>
    %f = memref.load %y[%t] : memref<64xf32>
    %g, %ok2 = gpu.shuffle xor %f, %c1, %c32 : f32
    memref.store %g, %y[%t] : memref<64xf32>
    gpu.return
  }
}
