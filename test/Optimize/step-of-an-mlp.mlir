// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s

// A training step of a perceptron with Adam in f16 takes seven launches: three products and
// four kernels.

amp.variable parameter @w1 : tensor<100x10xf32> {from_model, trained}
amp.variable parameter @b1 : tensor<100xf32> {from_model, trained}
amp.variable parameter @w2 : tensor<10x100xf32> {from_model, trained}
amp.variable parameter @b2 : tensor<10xf32> {from_model, trained}
amp.variable derived @w1.low : tensor<100x10xf16>
amp.variable derived @b1.low : tensor<100xf16>
amp.variable derived @w2.low : tensor<10x100xf16>
amp.variable derived @b2.low : tensor<10xf16>
amp.variable state @m.w1 : tensor<100x10xf32> {initial = dense<0.0> : tensor<100x10xf32>}
amp.variable state @m.b1 : tensor<100xf32> {initial = dense<0.0> : tensor<100xf32>}
amp.variable state @m.w2 : tensor<10x100xf32> {initial = dense<0.0> : tensor<10x100xf32>}
amp.variable state @m.b2 : tensor<10xf32> {initial = dense<0.0> : tensor<10xf32>}
amp.variable state @v.w1 : tensor<100x10xf32> {initial = dense<0.0> : tensor<100x10xf32>}
amp.variable state @v.b1 : tensor<100xf32> {initial = dense<0.0> : tensor<100xf32>}
amp.variable state @v.w2 : tensor<10x100xf32> {initial = dense<0.0> : tensor<10x100xf32>}
amp.variable state @v.b2 : tensor<10xf32> {initial = dense<0.0> : tensor<10xf32>}
amp.variable scalar @ampc.loss_scale : tensor<f32> {initial = dense<65536.0> : tensor<f32>}
amp.variable scalar @ampc.growth_tracker : tensor<i32> {initial = dense<0> : tensor<i32>}
amp.variable scalar @ampc.learning_rate : tensor<f32> {initial = dense<0.001> : tensor<f32>}
amp.variable scalar @ampc.step : tensor<i64> {initial = dense<0> : tensor<i64>}
amp.variable scalar @ampc.attempt : tensor<i64> {initial = dense<0> : tensor<i64>}
amp.variable derived @ampc.stats : tensor<64x8xf32>
// CHECK-LABEL: func.func @train(
// CHECK-SAME: tensor<100x10xf16> {amp.name = "input", plan.declared_type = tensor<100x10xf32>}
// The first product is so small that it is computed with its activation.
// CHECK: %[[H:.*]] = plan.kernel fused {{.*}}-> tensor<100x100xf16>
// CHECK: arith.maximumf
// CHECK: %[[Y:.*]] = plan.matmul %[[H]], %{{.*}} bias
// The loss and its gradient by rows.
// CHECK: %[[L:.*]]:3 = plan.kernel fused (%{{.*}} = %[[Y]] : tensor<100x10xf16>, %{{.*}} : tensor<100xi64>
// CHECK: plan.matmul %[[L]]#1, %[[H]]
// The gradient of the activation, with the product before it.
// CHECK: %[[D:.*]] = plan.kernel fused (%{{.*}} = %[[L]]#1 : tensor<100x10xf16>, %{{.*}} = %[[H]] :
// CHECK-SAME: -> tensor<100x100xf16>
// CHECK: plan.matmul %[[D]]
// All that remains, in place.
// CHECK: plan.kernel sequence
// CHECK-SAME: tied [-1, 0, 9, 2,
// CHECK-NOT: {{plan.copy|plan.matmul|plan.kernel sequence|multi_tensor}}
// CHECK: return
func.func @train(%x: tensor<100x10xf32> {amp.name = "input"}, %labels: tensor<100xi64> {amp.name = "target"}) -> (tensor<100x10xf16> {amp.name = "logits"}, tensor<f32> {amp.name = "loss", amp.loss}) {
  %scale = amp.read @ampc.loss_scale : tensor<f32>
  %tracker = amp.read @ampc.growth_tracker : tensor<i32>
  %lr = amp.read @ampc.learning_rate : tensor<f32>
  %step = amp.read @ampc.step : tensor<i64>
  %attempt = amp.read @ampc.attempt : tensor<i64>
  %ring = amp.read @ampc.stats : tensor<64x8xf32>
  %w1l = amp.read @w1.low : tensor<100x10xf16>
  %b1l = amp.read @b1.low : tensor<100xf16>
  %w2l = amp.read @w2.low : tensor<10x100xf16>
  %b2l = amp.read @b2.low : tensor<10xf16>
  %xl = amp.cast %x {inserted} : tensor<100x10xf32> to tensor<100x10xf16> loc("fc1")
  %h0 = amp.matmul %xl, %w1l bias %b1l {transpose_rhs} : (tensor<100x10xf16>, tensor<100x10xf16>, tensor<100xf16>) -> tensor<100x100xf16> loc("fc1")
  %h = amp.relu %h0 : tensor<100x100xf16> loc("relu")
  %y = amp.matmul %h, %w2l bias %b2l {transpose_rhs} : (tensor<100x100xf16>, tensor<10x100xf16>, tensor<10xf16>) -> tensor<100x10xf16> loc("fc2")
  %y32 = amp.cast %y {inserted} : tensor<100x10xf16> to tensor<100x10xf32> loc("loss")
  %loss = amp.softmax_cross_entropy mean %y32, %labels : (tensor<100x10xf32>, tensor<100xi64>) -> tensor<f32> loc("loss")
  %one = amp.constant dense<1.0> : tensor<f32>
  %seed = amp.scale_loss %one by %scale : tensor<f32> loc("loss")
  %dy32 = amp.softmax_cross_entropy_grad mean %seed, %y32, %labels : (tensor<f32>, tensor<100x10xf32>, tensor<100xi64>) -> tensor<100x10xf32> loc("loss")
  %dy = amp.cast %dy32 {inserted} : tensor<100x10xf32> to tensor<100x10xf16> loc("loss")
  %dw2 = amp.matmul %dy, %h {transpose_lhs, wide} : (tensor<100x10xf16>, tensor<100x100xf16>) -> tensor<10x100xf32> loc("fc2")
  %dh = amp.matmul %dy, %w2l : (tensor<100x10xf16>, tensor<10x100xf16>) -> tensor<100x100xf16> loc("fc2")
  %db2 = amp.reduce_sum %dy [0] {wide} : (tensor<100x10xf16>) -> tensor<10xf32> loc("fc2")
  %zero = amp.constant dense<0.0> : tensor<100x100xf16>
  %off = amp.less_or_equal %h, %zero : (tensor<100x100xf16>, tensor<100x100xf16>) -> tensor<100x100xi1> loc("relu")
  %dh0 = amp.where %off, %zero, %dh : (tensor<100x100xi1>, tensor<100x100xf16>, tensor<100x100xf16>) -> tensor<100x100xf16> loc("relu")
  %dw1 = amp.matmul %dh0, %xl {transpose_lhs, wide} : (tensor<100x100xf16>, tensor<100x10xf16>) -> tensor<100x10xf32> loc("fc1")
  %db1 = amp.reduce_sum %dh0 [0] {wide} : (tensor<100x100xf16>) -> tensor<100xf32> loc("fc1")
  %g:6 = amp.unscale (%dw1, %db1, %dw2, %db2) by %scale : (tensor<100x10xf32>, tensor<100xf32>, tensor<10x100xf32>, tensor<10xf32>) -> (tensor<100x10xf32>, tensor<100xf32>, tensor<10x100xf32>, tensor<10xf32>) loc("unscale")
  %c0 = amp.constant dense<0> : tensor<i64>
  %cO = amp.constant dense<10> : tensor<i64>
  %lt = amp.less %labels, %c0 : (tensor<100xi64>, tensor<i64>) -> tensor<100xi1>
  %ge = amp.greater_or_equal %labels, %cO : (tensor<100xi64>, tensor<i64>) -> tensor<100xi1>
  %bad = amp.or %lt, %ge : (tensor<100xi1>, tensor<100xi1>) -> tensor<100xi1>
  %two = amp.constant dense<2.0> : tensor<f32>
  %z = amp.constant dense<0.0> : tensor<f32>
  %badf = amp.where %bad, %two, %z : (tensor<100xi1>, tensor<f32>, tensor<f32>) -> tensor<100xf32>
  %check = amp.reduce_max %badf [0] : (tensor<100xf32>) -> tensor<f32>
  %flags = amp.add %g#4, %check : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %good = amp.equal %flags, %z : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %ns, %nt = "amp.update_scale"(%scale, %tracker, %g#4) {growth = 2.0 : f64, backoff = 0.5 : f64, interval = 2000 : i32} : (tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<f32>, tensor<i32>)
  amp.assign @ampc.loss_scale, %ns : tensor<f32>
  amp.assign @ampc.growth_tracker, %nt : tensor<i32>
  %i1 = amp.constant dense<1> : tensor<i64>
  %na = amp.add %attempt, %i1 : (tensor<i64>, tensor<i64>) -> tensor<i64>
  amp.assign @ampc.attempt, %na : tensor<i64>
  %nst0 = amp.add %step, %i1 : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %nst = amp.where %good, %nst0, %step : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
  amp.assign @ampc.step, %nst : tensor<i64>
  %applied = amp.cast %good : tensor<i1> to tensor<f32>
  %nan = amp.constant dense<0x7fc00000> : tensor<f32>
  %nring = amp.record_stats %ring at %attempt(%loss, %scale, %applied, %nan, %lr, %flags, %g#5, %ns) : tensor<64x8xf32>
  amp.assign @ampc.stats, %nring : tensor<64x8xf32>
  %w1 = amp.read @w1 : tensor<100x10xf32>
  %mw1 = amp.read @m.w1 : tensor<100x10xf32>
  %vw1 = amp.read @v.w1 : tensor<100x10xf32>
  %nw1:3 = amp.adam %w1, %g#0 rate %lr step %step states %mw1, %vw1 {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64} : (tensor<100x10xf32>, tensor<100x10xf32>, tensor<f32>, tensor<i64>, tensor<100x10xf32>, tensor<100x10xf32>) -> (tensor<100x10xf32>, tensor<100x10xf32>, tensor<100x10xf32>) loc("w1")
  %sw1 = amp.where %good, %nw1#0, %w1 : (tensor<i1>, tensor<100x10xf32>, tensor<100x10xf32>) -> tensor<100x10xf32> loc("w1")
  %smw1 = amp.where %good, %nw1#1, %mw1 : (tensor<i1>, tensor<100x10xf32>, tensor<100x10xf32>) -> tensor<100x10xf32> loc("w1")
  %svw1 = amp.where %good, %nw1#2, %vw1 : (tensor<i1>, tensor<100x10xf32>, tensor<100x10xf32>) -> tensor<100x10xf32> loc("w1")
  %lw1 = amp.cast %sw1 : tensor<100x10xf32> to tensor<100x10xf16> loc("w1")
  amp.assign @w1, %sw1 : tensor<100x10xf32>
  amp.assign @m.w1, %smw1 : tensor<100x10xf32>
  amp.assign @v.w1, %svw1 : tensor<100x10xf32>
  amp.assign @w1.low, %lw1 : tensor<100x10xf16>
  %b1 = amp.read @b1 : tensor<100xf32>
  %mb1 = amp.read @m.b1 : tensor<100xf32>
  %vb1 = amp.read @v.b1 : tensor<100xf32>
  %nb1:3 = amp.adam %b1, %g#1 rate %lr step %step states %mb1, %vb1 {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64} : (tensor<100xf32>, tensor<100xf32>, tensor<f32>, tensor<i64>, tensor<100xf32>, tensor<100xf32>) -> (tensor<100xf32>, tensor<100xf32>, tensor<100xf32>) loc("b1")
  %sb1 = amp.where %good, %nb1#0, %b1 : (tensor<i1>, tensor<100xf32>, tensor<100xf32>) -> tensor<100xf32> loc("b1")
  %smb1 = amp.where %good, %nb1#1, %mb1 : (tensor<i1>, tensor<100xf32>, tensor<100xf32>) -> tensor<100xf32> loc("b1")
  %svb1 = amp.where %good, %nb1#2, %vb1 : (tensor<i1>, tensor<100xf32>, tensor<100xf32>) -> tensor<100xf32> loc("b1")
  %lb1 = amp.cast %sb1 : tensor<100xf32> to tensor<100xf16> loc("b1")
  amp.assign @b1, %sb1 : tensor<100xf32>
  amp.assign @m.b1, %smb1 : tensor<100xf32>
  amp.assign @v.b1, %svb1 : tensor<100xf32>
  amp.assign @b1.low, %lb1 : tensor<100xf16>
  %w2 = amp.read @w2 : tensor<10x100xf32>
  %mw2 = amp.read @m.w2 : tensor<10x100xf32>
  %vw2 = amp.read @v.w2 : tensor<10x100xf32>
  %nw2:3 = amp.adam %w2, %g#2 rate %lr step %step states %mw2, %vw2 {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64} : (tensor<10x100xf32>, tensor<10x100xf32>, tensor<f32>, tensor<i64>, tensor<10x100xf32>, tensor<10x100xf32>) -> (tensor<10x100xf32>, tensor<10x100xf32>, tensor<10x100xf32>) loc("w2")
  %sw2 = amp.where %good, %nw2#0, %w2 : (tensor<i1>, tensor<10x100xf32>, tensor<10x100xf32>) -> tensor<10x100xf32> loc("w2")
  %smw2 = amp.where %good, %nw2#1, %mw2 : (tensor<i1>, tensor<10x100xf32>, tensor<10x100xf32>) -> tensor<10x100xf32> loc("w2")
  %svw2 = amp.where %good, %nw2#2, %vw2 : (tensor<i1>, tensor<10x100xf32>, tensor<10x100xf32>) -> tensor<10x100xf32> loc("w2")
  %lw2 = amp.cast %sw2 : tensor<10x100xf32> to tensor<10x100xf16> loc("w2")
  amp.assign @w2, %sw2 : tensor<10x100xf32>
  amp.assign @m.w2, %smw2 : tensor<10x100xf32>
  amp.assign @v.w2, %svw2 : tensor<10x100xf32>
  amp.assign @w2.low, %lw2 : tensor<10x100xf16>
  %b2 = amp.read @b2 : tensor<10xf32>
  %mb2 = amp.read @m.b2 : tensor<10xf32>
  %vb2 = amp.read @v.b2 : tensor<10xf32>
  %nb2:3 = amp.adam %b2, %g#3 rate %lr step %step states %mb2, %vb2 {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64} : (tensor<10xf32>, tensor<10xf32>, tensor<f32>, tensor<i64>, tensor<10xf32>, tensor<10xf32>) -> (tensor<10xf32>, tensor<10xf32>, tensor<10xf32>) loc("b2")
  %sb2 = amp.where %good, %nb2#0, %b2 : (tensor<i1>, tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32> loc("b2")
  %smb2 = amp.where %good, %nb2#1, %mb2 : (tensor<i1>, tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32> loc("b2")
  %svb2 = amp.where %good, %nb2#2, %vb2 : (tensor<i1>, tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32> loc("b2")
  %lb2 = amp.cast %sb2 : tensor<10xf32> to tensor<10xf16> loc("b2")
  amp.assign @b2, %sb2 : tensor<10xf32>
  amp.assign @m.b2, %smb2 : tensor<10xf32>
  amp.assign @v.b2, %svb2 : tensor<10xf32>
  amp.assign @b2.low, %lb2 : tensor<10xf16>
  return %y, %loss : tensor<100x10xf16>, tensor<f32>
}
