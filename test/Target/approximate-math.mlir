// RUN: ampc-opt %s --ampc-approximate-math | FileCheck %s

// CHECK-LABEL: func.func @f32_is_expanded
// CHECK-NOT: math.exp
// CHECK: math.fma
// CHECK: arith.bitcast %{{.*}} : i32 to f32
func.func @f32_is_expanded(%x: f32) -> f32 {
  %y = math.exp %x : f32
  return %y : f32
}

// CHECK-LABEL: func.func @vectors_too
// CHECK-NOT: math.tanh
// CHECK: math.copysign %{{.*}}, %{{.*}} : vector<8xf32>
func.func @vectors_too(%x: vector<8xf32>) -> vector<8xf32> {
  %y = math.tanh %x : vector<8xf32>
  return %y : vector<8xf32>
}

// CHECK-LABEL: func.func @f16_goes_through_f32
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK-NOT: math.erf
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @f16_goes_through_f32(%x: f16) -> f16 {
  %y = math.erf %x : f16
  return %y : f16
}

// f64 is exact, and other functions are the library's.
// CHECK-LABEL: func.func @f64_and_others_stay
// CHECK: math.exp %{{.*}} : f64
// CHECK: math.sin %{{.*}} : f32
// CHECK: math.powf %{{.*}}, %{{.*}} : f32
func.func @f64_and_others_stay(%x: f64, %y: f32) -> (f64, f32, f32) {
  %a = math.exp %x : f64
  %b = math.sin %y : f32
  %c = math.powf %y, %y : f32
  return %a, %b, %c : f64, f32, f32
}
