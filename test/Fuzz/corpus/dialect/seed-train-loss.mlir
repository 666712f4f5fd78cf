module attributes {amp.model = "seed-loss"} {
  amp.variable derived @ampc.eval_flags : tensor<f32> {initial = dense<0.000000e+00> : tensor<f32>}
  amp.variable scalar @ampc.growth_tracker : tensor<i32> {initial = dense<0> : tensor<i32>}
  amp.variable scalar @ampc.loss_scale : tensor<f32> {initial = dense<6.553600e+04> : tensor<f32>}
  amp.variable scalar @ampc.attempt : tensor<i64> {initial = dense<0> : tensor<i64>}
  amp.variable derived @ampc.stats : tensor<64x8xf32> {initial = dense<0.000000e+00> : tensor<64x8xf32>}
  amp.variable scalar @ampc.step : tensor<i64> {initial = dense<0> : tensor<i64>}
  amp.variable scalar @ampc.learning_rate : tensor<f32> {initial = dense<1.000000e-03> : tensor<f32>}
  amp.variable parameter @W : tensor<3x5xf32> {from_model, trained}
  amp.variable derived @"ampc.copy/W" : tensor<3x5xf16>
  amp.variable state @"ampc.exp_avg_sq/W" : tensor<3x5xf32> {initial = dense<0.000000e+00> : tensor<3x5xf32>}
  amp.variable state @"ampc.exp_avg/W" : tensor<3x5xf32> {initial = dense<0.000000e+00> : tensor<3x5xf32>}
  func.func @eval(%arg0: tensor<2x3xf32> {amp.batched, amp.name = "x"}, %arg1: tensor<2xi64> {amp.batched, amp.checked = 2 : i64, amp.name = "label"}) -> (tensor<f32> {amp.loss, amp.name = "loss"}) {
    %0 = amp.constant dense<0.000000e+00> : tensor<f32>
    %1 = amp.constant dense<2.000000e+00> : tensor<f32>
    %2 = amp.constant dense<-100> : tensor<i64>
    %3 = amp.constant dense<5> : tensor<i64>
    %4 = amp.constant dense<0> : tensor<i64>
    %5 = amp.read @W : tensor<3x5xf32>
    %6 = amp.cast %arg0 {inserted} : tensor<2x3xf32> to tensor<2x3xf16>
    %7 = amp.read @"ampc.copy/W" : tensor<3x5xf16>
    %8 = amp.matmul %6, %7 : (tensor<2x3xf16>, tensor<3x5xf16>) -> tensor<2x5xf16>
    %9 = amp.cast %8 {inserted} : tensor<2x5xf16> to tensor<2x5xf32>
    %10 = amp.less %arg1, %4 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
    %11 = amp.greater_or_equal %arg1, %3 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
    %12 = amp.or %10, %11 : (tensor<2xi1>, tensor<2xi1>) -> tensor<2xi1>
    %13 = amp.equal %arg1, %2 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
    %14 = amp.not %13 : tensor<2xi1>
    %15 = amp.and %12, %14 : (tensor<2xi1>, tensor<2xi1>) -> tensor<2xi1>
    %16 = amp.where %15, %1, %0 : (tensor<2xi1>, tensor<f32>, tensor<f32>) -> tensor<2xf32>
    %17 = amp.reduce_max %16 [0] : (tensor<2xf32>) -> tensor<f32>
    %18 = amp.softmax_cross_entropy mean %9, %arg1 {ignore_index = -100 : i64} : (tensor<2x5xf32>, tensor<2xi64>) -> tensor<f32>
    amp.assign @ampc.eval_flags, %17 : tensor<f32>
    return %18 : tensor<f32>
  }
  func.func @train(%arg0: tensor<2x3xf32> {amp.batched, amp.name = "x"}, %arg1: tensor<2xi64> {amp.batched, amp.checked = 2 : i64, amp.name = "label"}) attributes {amp.gradients = ["W"]} {
    %0 = amp.constant dense<2.000000e+00> : tensor<f32>
    %1 = amp.constant dense<-100> : tensor<i64>
    %2 = amp.constant dense<5> : tensor<i64>
    %3 = amp.constant dense<0> : tensor<i64>
    %4 = amp.constant dense<1> : tensor<i64>
    %5 = amp.constant dense<1.000000e+00> : tensor<f32>
    %6 = amp.constant dense<0x7FC00000> : tensor<f32>
    %7 = amp.constant dense<0.000000e+00> : tensor<f32>
    %8 = amp.read @ampc.loss_scale : tensor<f32>
    %9 = amp.read @W : tensor<3x5xf32>
    %10 = amp.cast %arg0 {inserted} : tensor<2x3xf32> to tensor<2x3xf16>
    %11 = amp.read @"ampc.copy/W" : tensor<3x5xf16>
    %12 = amp.matmul %10, %11 : (tensor<2x3xf16>, tensor<3x5xf16>) -> tensor<2x5xf16>
    %13 = amp.cast %12 {inserted} : tensor<2x5xf16> to tensor<2x5xf32>
    %14 = amp.less %arg1, %3 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
    %15 = amp.greater_or_equal %arg1, %2 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
    %16 = amp.or %14, %15 : (tensor<2xi1>, tensor<2xi1>) -> tensor<2xi1>
    %17 = amp.equal %arg1, %1 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
    %18 = amp.not %17 : tensor<2xi1>
    %19 = amp.and %16, %18 : (tensor<2xi1>, tensor<2xi1>) -> tensor<2xi1>
    %20 = amp.where %19, %0, %7 : (tensor<2xi1>, tensor<f32>, tensor<f32>) -> tensor<2xf32>
    %21 = amp.reduce_max %20 [0] : (tensor<2xf32>) -> tensor<f32>
    %22 = amp.softmax_cross_entropy mean %13, %arg1 {ignore_index = -100 : i64} : (tensor<2x5xf32>, tensor<2xi64>) -> tensor<f32>
    %23 = amp.mul %8, %5 : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %24 = amp.softmax_cross_entropy_grad mean %23, %13, %arg1 {ignore_index = -100 : i64} : (tensor<f32>, tensor<2x5xf32>, tensor<2xi64>) -> tensor<2x5xf32>
    %25 = amp.cast %24 : tensor<2x5xf32> to tensor<2x5xf16>
    %26 = amp.matmul %10, %25 {transpose_lhs, wide} : (tensor<2x3xf16>, tensor<2x5xf16>) -> tensor<3x5xf32>
    %results, %found, %culprit = amp.unscale(%26) by %8 : (tensor<3x5xf32>) -> tensor<3x5xf32>
    %27 = amp.read @ampc.learning_rate : tensor<f32>
    %28 = amp.read @ampc.step : tensor<i64>
    %29 = amp.add %28, %4 : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %30 = amp.read @"ampc.exp_avg/W" : tensor<3x5xf32>
    %31 = amp.read @"ampc.exp_avg_sq/W" : tensor<3x5xf32>
    %32:3 = amp.adam %9, %results rate %27 step %28 states %30, %31 {beta1 = 9.000000e-01 : f64, beta2 = 0.99899999999999999 : f64, epsilon = 1.000000e-08 : f64, weight_decay = 0.000000e+00 : f64} : (tensor<3x5xf32>, tensor<3x5xf32>, tensor<f32>, tensor<i64>, tensor<3x5xf32>, tensor<3x5xf32>) -> (tensor<3x5xf32>, tensor<3x5xf32>, tensor<3x5xf32>)
    %33 = amp.read @ampc.attempt : tensor<i64>
    %34 = amp.add %33, %4 : (tensor<i64>, tensor<i64>) -> tensor<i64>
    amp.assign @ampc.attempt, %34 : tensor<i64>
    %35 = amp.read @ampc.stats : tensor<64x8xf32>
    %36 = amp.read @ampc.growth_tracker : tensor<i32>
    %new_scale, %new_tracker = amp.update_scale %8, %36, %found {backoff = 5.000000e-01 : f64, growth = 2.000000e+00 : f64, interval = 2000 : i32} : tensor<i32>
    amp.assign @ampc.loss_scale, %new_scale : tensor<f32>
    amp.assign @ampc.growth_tracker, %new_tracker : tensor<i32>
    %37 = amp.add %found, %21 : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %38 = amp.equal %37, %7 : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %39 = amp.where %38, %29, %28 : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
    amp.assign @ampc.step, %39 : tensor<i64>
    %40 = amp.where %38, %32#0, %9 : (tensor<i1>, tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
    amp.assign @W, %40 : tensor<3x5xf32>
    %41 = amp.cast %40 {inserted} : tensor<3x5xf32> to tensor<3x5xf16>
    amp.assign @"ampc.copy/W", %41 : tensor<3x5xf16>
    %42 = amp.where %38, %32#1, %30 : (tensor<i1>, tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
    amp.assign @"ampc.exp_avg/W", %42 : tensor<3x5xf32>
    %43 = amp.where %38, %32#2, %31 : (tensor<i1>, tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x5xf32>
    amp.assign @"ampc.exp_avg_sq/W", %43 : tensor<3x5xf32>
    %44 = amp.cast %38 : tensor<i1> to tensor<f32>
    %45 = amp.record_stats %35 at %33(%22, %8, %44, %6, %27, %37, %culprit, %new_scale) : tensor<64x8xf32>
    amp.assign @ampc.stats, %45 : tensor<64x8xf32>
    return
  }
  func.func @refresh() {
    %0 = amp.read @W : tensor<3x5xf32>
    %1 = amp.cast %0 {inserted} : tensor<3x5xf32> to tensor<3x5xf16>
    amp.assign @"ampc.copy/W", %1 : tensor<3x5xf16>
    return
  }
}
