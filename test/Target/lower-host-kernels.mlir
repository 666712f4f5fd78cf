// RUN: ampc-opt %s --ampc-lower-host-kernels | FileCheck %s

// A memref argument becomes one pointer with its promises; nothing but llvm is left, and
// no function of a library.
// CHECK-NOT: llvm.func @exp
// CHECK: llvm.func @k(%{{.*}}: !llvm.ptr {llvm.align = 64 : i64, llvm.noalias}, %{{.*}}: !llvm.ptr {{.*}}, %{{.*}}: i64, %{{.*}}: i64) attributes {ampc.kernel
// CHECK: llvm.intr.fma
// CHECK-NOT: unrealized_conversion_cast
gpu.module @host_kernels {
  gpu.func @k(%x: memref<64xf16, #gpu.address_space<global>> {llvm.noalias, llvm.align = 64 : i64},
              %y: memref<64xbf16, #gpu.address_space<global>> {llvm.noalias})
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %i = gpu.block_id x
    %v = memref.load %x[%i] : memref<64xf16, #gpu.address_space<global>>
    %f = arith.extf %v : f16 to f32
    %e = math.exp %f : f32
    %w = arith.truncf %e : f32 to bf16
    memref.store %w, %y[%i] : memref<64xbf16, #gpu.address_space<global>>
    gpu.return
  }
}
