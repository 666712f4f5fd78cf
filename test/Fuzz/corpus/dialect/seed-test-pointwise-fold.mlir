

func.func @integers_fold() -> (tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi1>, tensor<2xi64>) {
  %a = amp.constant dense<[7, -9]> : tensor<2xi64>
  %b = amp.constant dense<2> : tensor<i64>
  // CHECK-DAG: %[[SUM:.*]] = amp.constant dense<[9, -7]> : tensor<2xi64>
  // CHECK-DAG: %[[DIFFERENCE:.*]] = amp.constant dense<[5, -11]> : tensor<2xi64>
  // CHECK-DAG: %[[PRODUCT:.*]] = amp.constant dense<[14, -18]> : tensor<2xi64>
  // Division truncates.
  // CHECK-DAG: %[[QUOTIENT:.*]] = amp.constant dense<[3, -4]> : tensor<2xi64>
  // CHECK-DAG: %[[LESS:.*]] = amp.constant dense<[false, true]> : tensor<2xi1>
  // CHECK-DAG: %[[CHOICE:.*]] = amp.constant dense<[2, -9]> : tensor<2xi64>
  // CHECK: return %[[SUM]], %[[DIFFERENCE]], %[[PRODUCT]], %[[QUOTIENT]], %[[LESS]], %[[CHOICE]]
  %0 = amp.add %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %1 = amp.sub %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %2 = amp.mul %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %3 = amp.div %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %4 = amp.less %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
  %5 = amp.where %4, %a, %b : (tensor<2xi1>, tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  return %0, %1, %2, %3, %4, %5 : tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi1>, tensor<2xi64>
}

func.func @division_by_zero_is_left_to_the_device() -> tensor<i64> {
  %a = amp.constant dense<7> : tensor<i64>
  %b = amp.constant dense<0> : tensor<i64>
  // CHECK: amp.div
  %0 = amp.div %a, %b : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

func.func @floats_do_not_fold() -> tensor<f32> {
  %a = amp.constant dense<7.0> : tensor<f32>
  // CHECK: amp.add
  %0 = amp.add %a, %a : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
