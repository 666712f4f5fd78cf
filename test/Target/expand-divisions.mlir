// RUN: ampc-opt %s --ampc-expand-divisions | FileCheck %s

// A maximum stays one: LLVM knows it as a reduction.
// CHECK-LABEL: func.func @only_divisions
// CHECK-NOT: ceildivui
// CHECK-NOT: floordivsi
// CHECK: arith.maximumf
func.func @only_divisions(%x: index, %y: index, %a: f32) -> (index, index, f32) {
  %c = arith.ceildivui %x, %y : index
  %f = arith.floordivsi %x, %y : index
  %m = arith.maximumf %a, %a : f32
  %n = arith.maximumf %m, %a : f32
  %k = arith.addf %n, %a : f32
  %l = arith.maximumf %k, %a : f32
  return %c, %f, %l : index, index, f32
}
