module attributes {amp.model = "seed-reductions"} {
  amp.variable scalar @ampc.growth_tracker : tensor<i32> {initial = dense<0> : tensor<i32>}
  amp.variable scalar @ampc.loss_scale : tensor<f32> {initial = dense<6.553600e+04> : tensor<f32>}
  amp.variable scalar @ampc.attempt : tensor<i64> {initial = dense<0> : tensor<i64>}
  amp.variable derived @ampc.stats : tensor<64x8xf32> {initial = dense<0.000000e+00> : tensor<64x8xf32>}
  amp.variable scalar @ampc.step : tensor<i64> {initial = dense<0> : tensor<i64>}
  amp.variable scalar @ampc.learning_rate : tensor<f32> {initial = dense<1.000000e-03> : tensor<f32>}
  amp.variable parameter @w : tensor<4xf32> {from_model, trained}
  amp.variable state @"ampc.exp_avg_sq/w" : tensor<4xf32> {initial = dense<0.000000e+00> : tensor<4xf32>}
  amp.variable state @"ampc.exp_avg/w" : tensor<4xf32> {initial = dense<0.000000e+00> : tensor<4xf32>}
  func.func @eval(%arg0: tensor<2x4xf32> {amp.batched, amp.name = "x"}) -> (tensor<f32> {amp.loss, amp.name = "y"}) {
    %0 = amp.read @w : tensor<4xf32>
    %1 = amp.mul %arg0, %0 : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
    %2 = amp.exp %1 : tensor<2x4xf32>
    %3 = amp.reduce_mean %2 [1] {keepdims} : (tensor<2x4xf32>) -> tensor<2x1xf32>
    %4 = amp.div %2, %3 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
    %5 = amp.log %4 : tensor<2x4xf32>
    %6 = amp.reduce_sum %5 [0, 1] : (tensor<2x4xf32>) -> tensor<f32>
    return %6 : tensor<f32>
  }
  func.func @train(%arg0: tensor<2x4xf32> {amp.batched, amp.name = "x"}) attributes {amp.gradients = ["w"]} {
    %0 = amp.constant dense<4.000000e+00> : tensor<2x1xf32>
    %1 = amp.constant dense<1> : tensor<i64>
    %2 = amp.constant dense<1.000000e+00> : tensor<f32>
    %3 = amp.constant dense<0x7FC00000> : tensor<f32>
    %4 = amp.constant dense<0.000000e+00> : tensor<f32>
    %5 = amp.read @ampc.loss_scale : tensor<f32>
    %6 = amp.read @w : tensor<4xf32>
    %7 = amp.mul %arg0, %6 : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
    %8 = amp.exp %7 : tensor<2x4xf32>
    %9 = amp.reduce_mean %8 [1] {keepdims} : (tensor<2x4xf32>) -> tensor<2x1xf32>
    %10 = amp.div %8, %9 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
    %11 = amp.log %10 : tensor<2x4xf32>
    %12 = amp.reduce_sum %11 [0, 1] : (tensor<2x4xf32>) -> tensor<f32>
    %13 = amp.mul %5, %2 : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %14 = amp.reshape %13 : tensor<f32> to tensor<1x1xf32>
    %15 = amp.broadcast %14 : tensor<1x1xf32> to tensor<2x4xf32>
    %16 = amp.div %15, %10 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %17 = amp.div %16, %9 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
    %18 = amp.div %10, %9 : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
    %19 = amp.neg %16 : tensor<2x4xf32>
    %20 = amp.mul %19, %18 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %21 = amp.reduce_sum %20 [1] : (tensor<2x4xf32>) -> tensor<2xf32>
    %22 = amp.reshape %21 : tensor<2xf32> to tensor<2x1xf32>
    %23 = amp.div %22, %0 : (tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<2x1xf32>
    %24 = amp.broadcast %23 : tensor<2x1xf32> to tensor<2x4xf32>
    %25 = amp.add %17, %24 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %26 = amp.mul %25, %8 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %27 = amp.mul %26, %arg0 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %28 = amp.reduce_sum %27 [0] : (tensor<2x4xf32>) -> tensor<4xf32>
    %results, %found, %culprit = amp.unscale(%28) by %5 : (tensor<4xf32>) -> tensor<4xf32>
    %29 = amp.read @ampc.learning_rate : tensor<f32>
    %30 = amp.read @ampc.step : tensor<i64>
    %31 = amp.add %30, %1 : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %32 = amp.read @"ampc.exp_avg/w" : tensor<4xf32>
    %33 = amp.read @"ampc.exp_avg_sq/w" : tensor<4xf32>
    %34:3 = amp.adam %6, %results rate %29 step %30 states %32, %33 {beta1 = 9.000000e-01 : f64, beta2 = 0.99899999999999999 : f64, epsilon = 1.000000e-08 : f64, weight_decay = 0.000000e+00 : f64} : (tensor<4xf32>, tensor<4xf32>, tensor<f32>, tensor<i64>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
    %35 = amp.read @ampc.attempt : tensor<i64>
    %36 = amp.add %35, %1 : (tensor<i64>, tensor<i64>) -> tensor<i64>
    amp.assign @ampc.attempt, %36 : tensor<i64>
    %37 = amp.read @ampc.stats : tensor<64x8xf32>
    %38 = amp.read @ampc.growth_tracker : tensor<i32>
    %new_scale, %new_tracker = amp.update_scale %5, %38, %found {backoff = 5.000000e-01 : f64, growth = 2.000000e+00 : f64, interval = 2000 : i32} : tensor<i32>
    amp.assign @ampc.loss_scale, %new_scale : tensor<f32>
    amp.assign @ampc.growth_tracker, %new_tracker : tensor<i32>
    %39 = amp.equal %found, %4 : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %40 = amp.where %39, %31, %30 : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
    amp.assign @ampc.step, %40 : tensor<i64>
    %41 = amp.where %39, %34#0, %6 : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    amp.assign @w, %41 : tensor<4xf32>
    %42 = amp.where %39, %34#1, %32 : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    amp.assign @"ampc.exp_avg/w", %42 : tensor<4xf32>
    %43 = amp.where %39, %34#2, %33 : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    amp.assign @"ampc.exp_avg_sq/w", %43 : tensor<4xf32>
    %44 = amp.cast %39 : tensor<i1> to tensor<f32>
    %45 = amp.record_stats %37 at %35(%12, %5, %44, %3, %29, %found, %culprit, %new_scale) : tensor<64x8xf32>
    amp.assign @ampc.stats, %45 : tensor<64x8xf32>
    return
  }
}
