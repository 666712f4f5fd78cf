// RUN: ampc-opt %s -plan-form-kernels -remarks-filter=plan-form-kernels \
// RUN:   -remark-format=emitRemark 2>&1 | FileCheck %s

#id = affine_map<(d0) -> (d0)>

// Each kernel says which nodes it computes, and what it costs.

// CHECK: remark: [Passed] kernel | Category:plan-form-kernels | Function=kernels_name_their_nodes
// CHECK-SAME: blocks=1, inputs=1, nodes="encoder/Exp, encoder/Tanh", read_bytes=256, results=1,
// CHECK-SAME: structure=elementwise, written_bytes=256

func.func @kernels_name_their_nodes(%x: tensor<64xf32>) -> tensor<64xf32> {
  %e = tensor.empty() : tensor<64xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.exp %i : f32
    linalg.yield %y : f32
  } -> tensor<64xf32> loc("encoder/Exp"("form-kernels-remarks.mlir":12:1))
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%a : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.tanh %i : f32
    linalg.yield %y : f32
  } -> tensor<64xf32> loc("encoder/Tanh"("form-kernels-remarks.mlir":18:1))
  return %b : tensor<64xf32>
}
