// RUN: ampc-opt %s --ampc-expand-narrow-floats | FileCheck %s

// No comparison of floats and no choice among 16 bits.
// CHECK-LABEL: func.func @f32_to_bf16_in_integers
// CHECK-NOT: cmpf
// CHECK-NOT: arith.truncf
// CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<8xi1>, vector<8xi32>
// CHECK: arith.trunci %{{.*}} : vector<8xi32> to vector<8xi16>
func.func @f32_to_bf16_in_integers(%x: vector<8xf32>) -> vector<8xbf16> {
  %y = arith.truncf %x : vector<8xf32> to vector<8xbf16>
  return %y : vector<8xbf16>
}

// CHECK-LABEL: func.func @bf16_to_f32_is_a_shift
// CHECK: arith.extui %{{.*}} : i16 to i32
// CHECK: arith.shli
// CHECK-NOT: arith.extf
func.func @bf16_to_f32_is_a_shift(%x: bf16) -> f32 {
  %y = arith.extf %x : bf16 to f32
  return %y : f32
}

// Rounded to odd in f32 first, so that the second rounding is the only one that counts.
// CHECK-LABEL: func.func @f64_to_f16_rounds_once
// CHECK: arith.truncf %{{.*}} : f64 to f32
// CHECK: arith.ori
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @f64_to_f16_rounds_once(%x: f64) -> f16 {
  %y = arith.truncf %x : f64 to f16
  return %y : f16
}

// CHECK-LABEL: func.func @f16_to_f32_is_native
// CHECK-NEXT: arith.extf %{{.*}} : f16 to f32
// CHECK-NEXT: arith.truncf %{{.*}} : f32 to f16
// CHECK-NEXT: return
func.func @f16_to_f32_is_native(%x: f16, %z: f32) -> (f32, f16) {
  %y = arith.extf %x : f16 to f32
  %w = arith.truncf %z : f32 to f16
  return %y, %w : f32, f16
}

// CHECK-LABEL: func.func @arithmetic_goes_through_f32
// CHECK: arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK-NOT: bf16 to
// CHECK-NOT: arith.mulf %{{.*}} : bf16
func.func @arithmetic_goes_through_f32(%x: bf16) -> bf16 {
  %y = arith.mulf %x, %x : bf16
  return %y : bf16
}

// i32 is exact in f64, not in f32.
// CHECK-LABEL: func.func @integers
// CHECK: arith.sitofp %{{.*}} : i32 to f64
// CHECK: arith.fptosi %{{.*}} : f32 to i64
func.func @integers(%x: i32, %y: f16) -> (f16, i64) {
  %a = arith.sitofp %x : i32 to f16
  %b = arith.fptosi %y : f16 to i64
  return %a, %b : f16, i64
}
