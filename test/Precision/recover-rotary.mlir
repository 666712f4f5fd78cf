// RUN: ampc-opt %s --amp-recover-patterns | FileCheck %s
// RUN: ampc-opt %s --amp-recover-patterns --remarks-filter=amp-recover-patterns -remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Rotary embeddings: of a pair (x1, x2) in two halves or side by side.

// REMARK: remark: [Passed] recovered | Category:amp-recover-patterns | Function=amp.concat
// REMARK-SAME: function=halves
// REMARK-SAME: kind="rotary embedding"

// CHECK-LABEL: @halves
func.func @halves(%x: tensor<2x4x6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<1x1x6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-DAG: %[[X1:.*]] = amp.slice %arg0 from [0, 0, 0, 0] size [2, 4, 6, 4] step [1, 1, 1, 1]
  // CHECK-DAG: %[[X2:.*]] = amp.slice %arg0 from [0, 0, 0, 4] size [2, 4, 6, 4] step [1, 1, 1, 1]
  // CHECK-DAG: %[[C1:.*]] = amp.slice %arg1 from [0, 0] size [6, 4] step [1, 1]
  // CHECK-DAG: %[[C2:.*]] = amp.slice %arg1 from [0, 4] size [6, 4] step [1, 1]
  // CHECK-DAG: %[[S1:.*]] = amp.slice %arg2 from [0, 0, 0, 0] size [1, 1, 6, 4] step [1, 1, 1, 1]
  // CHECK-DAG: %[[S2:.*]] = amp.slice %arg2 from [0, 0, 0, 4] size [1, 1, 6, 4] step [1, 1, 1, 1]
  // CHECK-DAG: %[[A:.*]] = amp.mul %[[C1]], %[[X1]]
  // CHECK-DAG: %[[B:.*]] = amp.mul %[[S1]], %[[X2]]
  // CHECK-DAG: %[[C:.*]] = amp.mul %[[S2]], %[[X1]]
  // CHECK-DAG: %[[D:.*]] = amp.mul %[[C2]], %[[X2]]
  // CHECK-DAG: %[[Y1:.*]] = amp.sub %[[A]], %[[B]]
  // CHECK-DAG: %[[Y2:.*]] = amp.add %[[C]], %[[D]]
  // CHECK: %[[Y:.*]] = amp.concat %[[Y1]], %[[Y2]] along 3
  // CHECK-NEXT: return %[[Y]]
  %x1 = amp.slice %x from [0, 0, 0, 0] size [2, 4, 6, 4] step [1, 1, 1, 1] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %x2 = amp.slice %x from [0, 0, 0, 4] size [2, 4, 6, 4] step [1, 1, 1, 1] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %n = amp.neg %x2 : tensor<2x4x6x4xf32>
  %t = amp.concat %n, %x1 along 3 : (tensor<2x4x6x4xf32>, tensor<2x4x6x4xf32>) -> tensor<2x4x6x8xf32>
  %a = amp.mul %x, %cos : (tensor<2x4x6x8xf32>, tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  %b = amp.mul %sin, %t : (tensor<1x1x6x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  %y = amp.add %b, %a : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// CHECK-LABEL: @split
func.func @split(%x: tensor<6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> tensor<6x8xf32> {
  // CHECK-NOT: amp.split
  // CHECK: %[[Y:.*]] = amp.concat %{{.*}}, %{{.*}} along 1
  // CHECK-NEXT: return %[[Y]]
  %h:2 = amp.split %x [4, 4] along 1 : (tensor<6x8xf32>) -> (tensor<6x4xf32>, tensor<6x4xf32>)
  %n = amp.neg %h#1 : tensor<6x4xf32>
  %t = amp.concat %n, %h#0 along 1 : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<6x8xf32>
  %a = amp.mul %x, %cos : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %b = amp.mul %t, %sin : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %y = amp.add %a, %b : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// CHECK-LABEL: @neighbours
func.func @neighbours(%x: tensor<6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> tensor<6x8xf32> {
  // CHECK-DAG: amp.slice %arg0 from [0, 0] size [6, 4] step [1, 2]
  // CHECK-DAG: amp.slice %arg0 from [0, 1] size [6, 4] step [1, 2]
  // CHECK-DAG: amp.slice %arg1 from [0, 1] size [6, 4] step [1, 2]
  // CHECK: %[[P:.*]] = amp.concat %{{.*}}, %{{.*}} along 2 : (tensor<6x4x1xf32>, tensor<6x4x1xf32>) -> tensor<6x4x2xf32>
  // CHECK-NEXT: %[[Y:.*]] = amp.reshape %[[P]] : tensor<6x4x2xf32> to tensor<6x8xf32>
  // CHECK-NEXT: return %[[Y]]
  %x1 = amp.slice %x from [0, 0] size [6, 4] step [1, 2] : (tensor<6x8xf32>) -> tensor<6x4xf32>
  %x2 = amp.slice %x from [0, 1] size [6, 4] step [1, 2] : (tensor<6x8xf32>) -> tensor<6x4xf32>
  %n = amp.neg %x2 : tensor<6x4xf32>
  %n1 = amp.reshape %n : tensor<6x4xf32> to tensor<6x4x1xf32>
  %p1 = amp.reshape %x1 : tensor<6x4xf32> to tensor<6x4x1xf32>
  %c = amp.concat %n1, %p1 along 2 : (tensor<6x4x1xf32>, tensor<6x4x1xf32>) -> tensor<6x4x2xf32>
  %t = amp.reshape %c : tensor<6x4x2xf32> to tensor<6x8xf32>
  %a = amp.mul %x, %cos : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %b = amp.mul %t, %sin : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %y = amp.add %a, %b : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// The other half is negated: another rotation, which no exporter writes.

// CHECK-LABEL: @other_half
func.func @other_half(%x: tensor<6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> tensor<6x8xf32> {
  // CHECK: amp.neg
  %x1 = amp.slice %x from [0, 0] size [6, 4] step [1, 1] : (tensor<6x8xf32>) -> tensor<6x4xf32>
  %x2 = amp.slice %x from [0, 4] size [6, 4] step [1, 1] : (tensor<6x8xf32>) -> tensor<6x4xf32>
  %n = amp.neg %x1 : tensor<6x4xf32>
  %t = amp.concat %x2, %n along 1 : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<6x8xf32>
  %a = amp.mul %x, %cos : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %b = amp.mul %t, %sin : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %y = amp.add %a, %b : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// REMARK: [Missed] not-recovered
// REMARK-SAME: Reason="what 'amp.concat' computes is read elsewhere too"
// REMARK-SAME: function=turned_is_a_result

// CHECK-LABEL: @turned_is_a_result
func.func @turned_is_a_result(%x: tensor<6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> (tensor<6x8xf32>, tensor<6x8xf32>) {
  // CHECK: amp.neg
  %x1 = amp.slice %x from [0, 0] size [6, 4] step [1, 1] : (tensor<6x8xf32>) -> tensor<6x4xf32>
  %x2 = amp.slice %x from [0, 4] size [6, 4] step [1, 1] : (tensor<6x8xf32>) -> tensor<6x4xf32>
  %n = amp.neg %x2 : tensor<6x4xf32>
  %t = amp.concat %n, %x1 along 1 : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<6x8xf32>
  %a = amp.mul %x, %cos : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %b = amp.mul %t, %sin : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %y = amp.add %a, %b : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  return %y, %t : tensor<6x8xf32>, tensor<6x8xf32>
}
