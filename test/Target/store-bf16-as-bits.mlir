// RUN: ampc-opt %s --ampc-store-bf16-as-bits | FileCheck %s

// CHECK-LABEL: llvm.func @moves_bits
llvm.func @moves_bits(%p: !llvm.ptr, %c: i1) {
  // CHECK: llvm.mlir.constant(16256 : i16) : i16
  %one = llvm.mlir.constant(1.000000e+00 : bf16) : bf16
  // CHECK: %[[X:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i16
  %x = llvm.load %p : !llvm.ptr -> bf16
  // CHECK: %[[Y:.*]] = llvm.select %{{.*}}, %[[X]], %{{.*}} : i1, i16
  %y = llvm.select %c, %x, %one : i1, bf16
  // CHECK-NOT: llvm.bitcast
  %bits = llvm.bitcast %y : bf16 to i16
  // CHECK: llvm.getelementptr %{{.*}}[1] : (!llvm.ptr) -> !llvm.ptr, i16
  %q = llvm.getelementptr %p[1] : (!llvm.ptr) -> !llvm.ptr, bf16
  // CHECK: llvm.store %[[Y]], %{{.*}} : i16
  llvm.store %bits, %q : i16, !llvm.ptr
  llvm.return
}
