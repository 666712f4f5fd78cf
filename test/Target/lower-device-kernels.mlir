// RUN: ampc-opt %s --ampc-lower-device-kernels | FileCheck %s --check-prefixes=CHECK,LIBDEVICE
// RUN: ampc-opt %s --ampc-lower-device-kernels="approximate-math=true" | FileCheck %s --check-prefixes=CHECK,POLYNOMIAL
// RUN: ampc-opt %s --ampc-lower-device-kernels="use-32-bit-indices=true" | FileCheck %s --check-prefix=NARROW

// CHECK: gpu.module @cuda_kernels
// LIBDEVICE: llvm.func @__nv_expf
// POLYNOMIAL-NOT: __nv_expf
// CHECK: llvm.func @k(%{{.*}}: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias})
// CHECK-SAME: nvvm.kernel
// CHECK-SAME: nvvm.maxntid = array<i32: 64, 1, 1>
// CHECK: llvm.call_intrinsic "llvm.sqrt"
// LIBDEVICE: llvm.call @__nv_expf
// CHECK-NOT: unrealized_conversion_cast
// NARROW: nvvm.read.ptx.sreg.tid.x
// NARROW-NOT: i64
// NARROW: llvm.return
gpu.module @cuda_kernels {
  gpu.func @k(%x: memref<64xf32, #gpu.address_space<global>> {llvm.noalias, llvm.align = 16 : i64})
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %i = gpu.thread_id x
    %v = memref.load %x[%i] : memref<64xf32, #gpu.address_space<global>>
    %s = math.sqrt %v : f32
    %e = math.exp %s : f32
    memref.store %e, %x[%i] : memref<64xf32, #gpu.address_space<global>>
    gpu.return
  }
}
