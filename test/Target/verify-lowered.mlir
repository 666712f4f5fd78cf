// RUN: ampc-opt %s --split-input-file --verify-diagnostics --ampc-verify-lowered

llvm.func @lowered(%p: !llvm.ptr, %n: i64) {
  %x = llvm.load %p : !llvm.ptr -> f32
  llvm.store %x, %p : f32, !llvm.ptr
  llvm.return
}

// -----

gpu.module @kernels {
  llvm.func @device(%p: !llvm.ptr<1>) attributes {nvvm.kernel} {
    %x = nvvm.read.ptx.sreg.tid.x : i32
    llvm.store %x, %p : i32, !llvm.ptr<1>
    llvm.return
  }
}

// -----

llvm.func @left(%x: f32, %p: !llvm.ptr) {
  // expected-error @+1 {{'arith.addf' op is left among lowered kernels}}
  %y = arith.addf %x, %x : f32
  llvm.store %y, %p : f32, !llvm.ptr
  llvm.return
}
