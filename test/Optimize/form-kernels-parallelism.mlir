// RUN: ampc-opt %s -plan-form-kernels -remarks-filter=plan-form-kernels \
// RUN:   -remark-format=emitRemark 2>&1 >/dev/null | FileCheck %s --check-prefix=COST
// RUN: ampc-opt %s -plan-form-kernels -ampc-emit-kernels | FileCheck %s
// RUN: ampc-opt %s -plan-form-kernels=gpu=a100 -ampc-emit-kernels=gpu=a100 \
// RUN:   | FileCheck %s --check-prefix=A100
// RUN: ampc-opt %s -plan-form-kernels=target=host -ampc-emit-kernels=target=host \
// RUN:   | FileCheck %s --check-prefix=HOST

// What waits for a reduction over much is a kernel of its own, since no block could go on before
// the others are done. An H100 has 132 multiprocessors, an A100 108; each gets two blocks.

#full = affine_map<(n, c, h, w) -> (n, c, h, w)>
#channel = affine_map<(n, c, h, w) -> (c)>
#id = affine_map<(d0) -> (d0)>
#scalar = affine_map<(d0) -> ()>

// Mean and variance of each channel read the tensor, 205,520,896 bytes, once each: one more time
// than one pass with both sums would, whose difference of squares is not exact. On the host 64
// channels are enough for its threads.

// COST: Function=statistics_f32 | blocks=256, inputs=1, {{.*}}read_bytes=205520896, {{.*}}written_bytes=256
// COST: Function=statistics_f32 | blocks=256, inputs=2, {{.*}}read_bytes=205521152, {{.*}}written_bytes=256
// CHECK-LABEL: func.func @statistics_f32
// CHECK: plan.launch @{{.*}} blocks [256, 1, 1] threads [256, 1, 1](%arg0)
// CHECK-NEXT: plan.launch @{{.*}} blocks [256, 1, 1] threads [256, 1, 1](%arg0
// CHECK-NEXT: return
// A100-LABEL: func.func @statistics_f32
// A100: plan.launch @{{.*}} blocks [192, 1, 1]
// HOST-LABEL: func.func @statistics_f32
// HOST: plan.launch @{{.*}} blocks [64, 1, 1]
// HOST-NEXT: return
func.func @statistics_f32(%x: tensor<256x64x56x56xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %sum = linalg.generic {indexing_maps = [#full, #channel], iterator_types = ["reduction", "parallel", "reduction", "reduction"]} ins(%x : tensor<256x64x56x56xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %r = arith.addf %o, %i : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %mean = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%sum : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %n = arith.constant 802816.0 : f32
    %r = arith.divf %i, %n : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %squares = linalg.generic {indexing_maps = [#full, #channel, #channel], iterator_types = ["reduction", "parallel", "reduction", "reduction"]} ins(%x, %mean : tensor<256x64x56x56xf32>, tensor<64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%i: f32, %m: f32, %o: f32):
    %d = arith.subf %i, %m : f32
    %q = arith.mulf %d, %d : f32
    %r = arith.addf %o, %q : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %variance = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%squares : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %n = arith.constant 802816.0 : f32
    %r = arith.divf %i, %n : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  return %mean, %variance : tensor<64xf32>, tensor<64xf32>
}

// COST: Function=statistics_f16 | blocks=256, inputs=1, {{.*}}read_bytes=102760448, {{.*}}written_bytes=256
// COST: Function=statistics_f16 | blocks=256, inputs=2, {{.*}}read_bytes=102760704, {{.*}}written_bytes=256
// CHECK-LABEL: func.func @statistics_f16
// CHECK-COUNT-2: plan.launch @{{.*}} blocks [256, 1, 1]
// CHECK-NEXT: return
func.func @statistics_f16(%x: tensor<256x64x56x56xf16>) -> (tensor<64xf32>, tensor<64xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %sum = linalg.generic {indexing_maps = [#full, #channel], iterator_types = ["reduction", "parallel", "reduction", "reduction"]} ins(%x : tensor<256x64x56x56xf16>) outs(%f : tensor<64xf32>) {
  ^bb0(%i: f16, %o: f32):
    %w = arith.extf %i : f16 to f32
    %r = arith.addf %o, %w : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %mean = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%sum : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %n = arith.constant 802816.0 : f32
    %r = arith.divf %i, %n : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %squares = linalg.generic {indexing_maps = [#full, #channel, #channel], iterator_types = ["reduction", "parallel", "reduction", "reduction"]} ins(%x, %mean : tensor<256x64x56x56xf16>, tensor<64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%i: f16, %m: f32, %o: f32):
    %w = arith.extf %i : f16 to f32
    %d = arith.subf %w, %m : f32
    %q = arith.mulf %d, %d : f32
    %r = arith.addf %o, %q : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %variance = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%squares : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %n = arith.constant 802816.0 : f32
    %r = arith.divf %i, %n : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  return %mean, %variance : tensor<64xf32>, tensor<64xf32>
}

// COST: Function=center | blocks=264, inputs=1, {{.*}}read_bytes=67108864, {{.*}}written_bytes=4
// COST: Function=center | blocks=16384, inputs=2, {{.*}}read_bytes=67108868, {{.*}}written_bytes=67108864
// CHECK-LABEL: func.func @center(
// CHECK: plan.launch @{{.*}} blocks [264, 1, 1]
// CHECK-NEXT: plan.launch @{{.*}} blocks [16384, 1, 1] threads [256, 1, 1](%arg0
// HOST-LABEL: func.func @center(
// HOST: plan.launch @{{.*}}_partial blocks [64, 1, 1]
// HOST-NEXT: plan.launch @{{.*}}_final blocks [1, 1, 1]
// HOST-NEXT: plan.launch @{{.*}} blocks [1024, 1, 1]
func.func @center(%x: tensor<16777216xf32>) -> tensor<16777216xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %sum = linalg.generic {indexing_maps = [#id, #scalar], iterator_types = ["reduction"]} ins(%x : tensor<16777216xf32>) outs(%f : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %r = arith.addf %o, %i : f32
    linalg.yield %r : f32
  } -> tensor<f32>
  %d = tensor.empty() : tensor<16777216xf32>
  %y = linalg.generic {indexing_maps = [#id, #scalar, #id], iterator_types = ["parallel"]} ins(%x, %sum : tensor<16777216xf32>, tensor<f32>) outs(%d : tensor<16777216xf32>) {
  ^bb0(%i: f32, %s: f32, %o: f32):
    %n = arith.constant 16777216.0 : f32
    %m = arith.divf %s, %n : f32
    %r = arith.subf %i, %m : f32
    linalg.yield %r : f32
  } -> tensor<16777216xf32>
  return %y : tensor<16777216xf32>
}

// One block does little faster than a second launch begins.

// COST: Function=center_little | blocks=1,
// COST-NOT: Function=center_little
// CHECK-LABEL: func.func @center_little
// CHECK: plan.launch @{{.*}} blocks [1, 1, 1]
// CHECK-NEXT: return
func.func @center_little(%x: tensor<4096xf32>) -> tensor<4096xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %sum = linalg.generic {indexing_maps = [#id, #scalar], iterator_types = ["reduction"]} ins(%x : tensor<4096xf32>) outs(%f : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %r = arith.addf %o, %i : f32
    linalg.yield %r : f32
  } -> tensor<f32>
  %d = tensor.empty() : tensor<4096xf32>
  %y = linalg.generic {indexing_maps = [#id, #scalar, #id], iterator_types = ["parallel"]} ins(%x, %sum : tensor<4096xf32>, tensor<f32>) outs(%d : tensor<4096xf32>) {
  ^bb0(%i: f32, %s: f32, %o: f32):
    %n = arith.constant 4096.0 : f32
    %m = arith.divf %s, %n : f32
    %r = arith.subf %i, %m : f32
    linalg.yield %r : f32
  } -> tensor<4096xf32>
  return %y : tensor<4096xf32>
}

// The same along columns, where one tile is as wide as the tensor: its rows are divided.

// COST: Function=columns | blocks=264, inputs=1, {{.*}}read_bytes=205520896, {{.*}}structure=column
// COST: Function=columns | blocks=264, inputs=2, {{.*}}read_bytes=205521152, {{.*}}structure=column
// COST: Function=columns | {{.*}}read_bytes=205521408, {{.*}}structure=elementwise, written_bytes=205520896
// CHECK-LABEL: func.func @columns
// CHECK-COUNT-2: plan.launch @{{.*}} blocks [264, 1, 1]
#rows = affine_map<(d0, d1) -> (d0, d1)>
#column = affine_map<(d0, d1) -> (d1)>
func.func @columns(%x: tensor<802816x64xf32>) -> tensor<802816x64xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %sum = linalg.generic {indexing_maps = [#rows, #column], iterator_types = ["reduction", "parallel"]} ins(%x : tensor<802816x64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %r = arith.addf %o, %i : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %squares = linalg.generic {indexing_maps = [#rows, #column, #column], iterator_types = ["reduction", "parallel"]} ins(%x, %sum : tensor<802816x64xf32>, tensor<64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%i: f32, %s: f32, %o: f32):
    %n = arith.constant 802816.0 : f32
    %m = arith.divf %s, %n : f32
    %d = arith.subf %i, %m : f32
    %q = arith.mulf %d, %d : f32
    %r = arith.addf %o, %q : f32
    linalg.yield %r : f32
  } -> tensor<64xf32>
  %d = tensor.empty() : tensor<802816x64xf32>
  %y = linalg.generic {indexing_maps = [#rows, #column, #column, #rows], iterator_types = ["parallel", "parallel"]} ins(%x, %sum, %squares : tensor<802816x64xf32>, tensor<64xf32>, tensor<64xf32>) outs(%d : tensor<802816x64xf32>) {
  ^bb0(%i: f32, %s: f32, %q: f32, %o: f32):
    %n = arith.constant 802816.0 : f32
    %m = arith.divf %s, %n : f32
    %c = arith.subf %i, %m : f32
    %v = arith.divf %q, %n : f32
    %w = math.sqrt %v : f32
    %r = arith.divf %c, %w : f32
    linalg.yield %r : f32
  } -> tensor<802816x64xf32>
  return %y : tensor<802816x64xf32>
}
