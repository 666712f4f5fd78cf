// RUN: ampc-opt %s -plan-memory -remarks-filter=plan-memory -remark-format=emitRemark 2>&1 \
// RUN:   | FileCheck %s

// Beside the bytes of a function's buffers stand those that live at the same time, which no
// plan goes below.

// CHECK: remark: [Analysis] arena | Category:plan-memory | Function=chain | alive=512, bytes=512
func.func @chain(%a: tensor<64xf32>) -> tensor<64xf32> {
  %b = plan.copy %a : tensor<64xf32>
  %c = plan.copy %b : tensor<64xf32>
  %d = plan.copy %c : tensor<64xf32>
  return %d : tensor<64xf32>
}
