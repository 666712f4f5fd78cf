// RUN: ampc-opt %s --ampc-lower-host-math | FileCheck %s

// CHECK-DAG: func.func private @expm1(f64) -> f64
// CHECK-DAG: func.func private @log1pf(f32) -> f32
// CHECK-LABEL: func.func @calls
// CHECK: call @expm1(
// CHECK: call @log1pf(
// CHECK: math.exp
func.func @calls(%x: f64, %y: f32) -> (f64, f32, f64) {
  %a = math.expm1 %x : f64
  %b = math.log1p %y : f32
  %c = math.exp %x : f64
  return %a, %b, %c : f64, f32, f64
}
