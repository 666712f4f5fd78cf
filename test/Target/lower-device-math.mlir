// RUN: ampc-opt %s --ampc-lower-device-math | FileCheck %s

// CHECK-LABEL: func.func @native
// CHECK: llvm.call_intrinsic "llvm.sqrt"(%{{.*}}) : (f32) -> f32
// CHECK: llvm.call_intrinsic "llvm.fabs"(%{{.*}}) : (vector<4xf32>) -> vector<4xf32>
// CHECK: llvm.call_intrinsic "llvm.fma"(%{{.*}}, %{{.*}}, %{{.*}}) : (f64, f64, f64) -> f64
func.func @native(%x: f32, %v: vector<4xf32>, %d: f64) -> (f32, vector<4xf32>, f64) {
  %a = math.sqrt %x : f32
  %b = math.absf %v : vector<4xf32>
  %c = math.fma %d, %d, %d : f64
  return %a, %b, %c : f32, vector<4xf32>, f64
}

// CHECK-LABEL: func.func @left_to_libdevice
// CHECK: math.exp
// CHECK: math.sqrt %{{.*}} : f16
func.func @left_to_libdevice(%x: f32, %h: f16) -> (f32, f16) {
  %a = math.exp %x : f32
  %b = math.sqrt %h : f16
  return %a, %b : f32, f16
}
