// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -split-input-file -canonicalize -cse | FileCheck %s

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Lanes whose last index is their own and whose others they share read a row of a table together.

// CHECK-LABEL: gpu.func @fused_0
// CHECK: memref.load %arg0
// CHECK-NEXT: arith.index_cast
// CHECK-NOT: memref.load
// CHECK: vector.load %arg1{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK-NOT: memref.load
// CHECK: gpu.shuffle xor
func.func @rows_of_a_table(%ids: tensor<64xi32>, %table: tensor<100x128xf32>, %beside: tensor<64x128xf32>) -> tensor<64xf32> {
  %y = plan.kernel fused (%i = %ids : tensor<64xi32>, %t = %table : tensor<100x128xf32>, %b = %beside : tensor<64x128xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %e1 = tensor.empty() : tensor<64x128xf32>
    %g = linalg.generic {indexing_maps = [#row, #full], iterator_types = ["parallel", "parallel"]} ins(%i : tensor<64xi32>) outs(%e1 : tensor<64x128xf32>) {
    ^bb0(%id: i32, %o: f32):
      %column = linalg.index 1 : index
      %line = arith.index_cast %id : i32 to index
      %x = tensor.extract %t[%line, %column] : tensor<100x128xf32>
      linalg.yield %x : f32
    } -> tensor<64x128xf32>
    %sum = linalg.generic {indexing_maps = [#full, #full, #row], iterator_types = ["parallel", "reduction"]} ins(%g, %b : tensor<64x128xf32>, tensor<64x128xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%v: f32, %w: f32, %o: f32):
      %x = arith.mulf %v, %w : f32
      %r = arith.addf %x, %o : f32
      linalg.yield %r : f32
    } -> tensor<64xf32>
    plan.yield %sum : tensor<64xf32>
  }
  return %y : tensor<64xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// A loop with the same bounds for all lanes is one loop, which carries a value for each; its index
// is read once.

// CHECK-LABEL: gpu.func @fused_0
// CHECK: %{{.*}}:4 = scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %c1 iter_args
// CHECK-NEXT: memref.load %arg1[%[[I]]]
// CHECK-NOT: memref.load
// CHECK: vector.load %arg2{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK-COUNT-4: arith.addf
// CHECK: scf.yield
// CHECK-NOT: scf.for
// CHECK: gpu.shuffle xor
func.func @sums_of_rows(%starts: tensor<65xi32>, %ids: tensor<512xi32>, %table: tensor<512x128xf32>, %beside: tensor<64x128xf32>) -> tensor<64xf32> {
  %y = plan.kernel fused (%s = %starts : tensor<65xi32>, %i = %ids : tensor<512xi32>, %t = %table : tensor<512x128xf32>, %b = %beside : tensor<64x128xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %e1 = tensor.empty() : tensor<64x128xf32>
    %g = linalg.generic {indexing_maps = [#full], iterator_types = ["parallel", "parallel"]} outs(%e1 : tensor<64x128xf32>) {
    ^bb0(%o: f32):
      %c1 = arith.constant 1 : index
      %line = linalg.index 0 : index
      %column = linalg.index 1 : index
      %next = arith.addi %line, %c1 : index
      %from = tensor.extract %s[%line] : tensor<65xi32>
      %to = tensor.extract %s[%next] : tensor<65xi32>
      %begin = arith.index_cast %from : i32 to index
      %end = arith.index_cast %to : i32 to index
      %sum = scf.for %k = %begin to %end step %c1 iter_args(%before = %zero) -> (f32) {
        %id = tensor.extract %i[%k] : tensor<512xi32>
        %place = arith.index_cast %id : i32 to index
        %x = tensor.extract %t[%place, %column] : tensor<512x128xf32>
        %after = arith.addf %before, %x : f32
        scf.yield %after : f32
      }
      linalg.yield %sum : f32
    } -> tensor<64x128xf32>
    %sum = linalg.generic {indexing_maps = [#full, #full, #row], iterator_types = ["parallel", "reduction"]} ins(%g, %b : tensor<64x128xf32>, tensor<64x128xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%v: f32, %w: f32, %o: f32):
      %x = arith.mulf %v, %w : f32
      %r = arith.maxnumf %x, %o : f32
      linalg.yield %r : f32
    } -> tensor<64xf32>
    plan.yield %sum : tensor<64xf32>
  }
  return %y : tensor<64xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Rows that begin anywhere, or that are read backwards, are read by the element.

// CHECK-LABEL: gpu.func @fused_0
// CHECK-COUNT-4: memref.load %arg{{[12]}}
// CHECK-COUNT-4: memref.load %arg{{[12]}}
// CHECK-NOT: memref.load %arg{{[12]}}
// CHECK-NOT: vector.load %arg{{[12]}}
// CHECK: gpu.return
func.func @elements_of_a_table(%ids: tensor<64xi32>, %odd: tensor<100x130xf32>, %even: tensor<100x128xf32>, %beside: tensor<64x128xf32>) -> tensor<64xf32> {
  %y = plan.kernel fused (%i = %ids : tensor<64xi32>, %t = %odd : tensor<100x130xf32>, %u = %even : tensor<100x128xf32>, %b = %beside : tensor<64x128xf32>) -> tensor<64xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %e1 = tensor.empty() : tensor<64x128xf32>
    %g = linalg.generic {indexing_maps = [#row, #full], iterator_types = ["parallel", "parallel"]} ins(%i : tensor<64xi32>) outs(%e1 : tensor<64x128xf32>) {
    ^bb0(%id: i32, %o: f32):
      %last = arith.constant 127 : index
      %column = linalg.index 1 : index
      %line = arith.index_cast %id : i32 to index
      %back = arith.subi %last, %column : index
      %x = tensor.extract %t[%line, %column] : tensor<100x130xf32>
      %y = tensor.extract %u[%line, %back] : tensor<100x128xf32>
      %both = arith.addf %x, %y : f32
      linalg.yield %both : f32
    } -> tensor<64x128xf32>
    %sum = linalg.generic {indexing_maps = [#full, #full, #row], iterator_types = ["parallel", "reduction"]} ins(%g, %b : tensor<64x128xf32>, tensor<64x128xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%v: f32, %w: f32, %o: f32):
      %x = arith.mulf %v, %w : f32
      %r = arith.addf %x, %o : f32
      linalg.yield %r : f32
    } -> tensor<64xf32>
    plan.yield %sum : tensor<64xf32>
  }
  return %y : tensor<64xf32>
}

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Rows that are copied as they are: 16 bytes a thread. Of single elements, threads side by side have
// one each.

// CHECK-LABEL: gpu.func @fused_0
// CHECK: memref.load %arg0
// CHECK-NOT: memref.load
// CHECK: vector.load %arg1{{.*}} {alignment = 16 : i64} : {{.*}}, vector<8xf16>
// CHECK: vector.store %{{.*}}, %arg2{{.*}} {alignment = 16 : i64} : {{.*}}, vector<8xf16>
// CHECK-NOT: store
// CHECK: gpu.return
// CHECK-LABEL: gpu.func @fused_1
// CHECK-COUNT-2: memref.load
// CHECK-NEXT: memref.store
// CHECK-NOT: load
// CHECK: gpu.return
func.func @copies(%ids: tensor<64xi32>, %table: tensor<100x256xf16>) -> (tensor<64x256xf16>, tensor<64x256xf16>) {
  %y = plan.kernel fused (%i = %ids : tensor<64xi32>, %t = %table : tensor<100x256xf16>) -> tensor<64x256xf16> {
    %e = tensor.empty() : tensor<64x256xf16>
    %g = linalg.generic {indexing_maps = [#row, #full], iterator_types = ["parallel", "parallel"]} ins(%i : tensor<64xi32>) outs(%e : tensor<64x256xf16>) {
    ^bb0(%id: i32, %o: f16):
      %column = linalg.index 1 : index
      %line = arith.index_cast %id : i32 to index
      %x = tensor.extract %t[%line, %column] : tensor<100x256xf16>
      linalg.yield %x : f16
    } -> tensor<64x256xf16>
    plan.yield %g : tensor<64x256xf16>
  }
  %z = plan.kernel fused (%i = %ids : tensor<64xi32>, %t = %table : tensor<100x256xf16>) -> tensor<64x256xf16> {
    %e = tensor.empty() : tensor<64x256xf16>
    %g = linalg.generic {indexing_maps = [#row, #full], iterator_types = ["parallel", "parallel"]} ins(%i : tensor<64xi32>) outs(%e : tensor<64x256xf16>) {
    ^bb0(%id: i32, %o: f16):
      %line = linalg.index 0 : index
      %column = arith.index_cast %id : i32 to index
      %last = linalg.index 1 : index
      %both = arith.addi %line, %last : index
      %x = tensor.extract %t[%both, %column] : tensor<100x256xf16>
      linalg.yield %x : f16
    } -> tensor<64x256xf16>
    plan.yield %g : tensor<64x256xf16>
  }
  return %y, %z : tensor<64x256xf16>, tensor<64x256xf16>
}
