// RUN: ampc-opt %s --amp-make-training-step="optimizer=nadam settings=lr=0.5 groups=lr=0.25;weight-decay=0.5:first,beta1=0.5:second" | FileCheck %s

// A group has settings of its own and a share of the learning rate. What nadam's parameters have in
// common is one variable for those of equal settings, assigned once.

// CHECK-DAG: amp.variable parameter @a : tensor<4xf32> {from_model, trained, update_settings = {beta1 = 9.000000e-01 : f64, {{.*}}lr = 5.000000e-01 : f64, {{.*}}optimizer = "nadam"{{.*}}}}
// CHECK-DAG: amp.variable parameter @b : tensor<4xf32> {from_model, trained, update_group = 0 : i64, update_settings = {{{.*}}group = "first", lr = 2.500000e-01 : f64
// CHECK-DAG: amp.variable state @ampc.mu_product : tensor<f32> {initial = dense<1.000000e+00>
// CHECK-DAG: amp.variable state @"ampc.mu_product/beta1=0.5,momentum-decay=0.004" : tensor<f32>
// CHECK: func.func @train
// CHECK: %[[RATE:.*]] = amp.read @ampc.learning_rate
// CHECK: %[[A:.*]]:4 = amp.nadam %{{.*}}, %{{.*}} rate %[[RATE]] step
// CHECK: amp.assign @a, %[[A]]#0
// CHECK: amp.assign @ampc.mu_product, %[[A]]#3
// CHECK: %[[HALF:.*]] = amp.group_rate %[[RATE]] times 5.000000e-01
// CHECK: %[[B:.*]]:4 = amp.nadam %{{.*}}, %{{.*}} rate %[[HALF]] step
// CHECK-NOT: amp.assign @ampc.mu_product,
// CHECK: %[[C:.*]]:4 = amp.nadam %{{.*}}, %{{.*}} rate %[[RATE]] step
// CHECK: amp.assign @"ampc.mu_product/beta1=0.5,momentum-decay=0.004", %[[C]]#3
amp.variable parameter @a : tensor<4xf32> {trained, from_model}
amp.variable parameter @b : tensor<4xf32> {trained, from_model, update_group = 0 : i64}
amp.variable parameter @c : tensor<4xf32> {trained, from_model, update_group = 1 : i64}
func.func @main() -> (tensor<f32> {amp.name = "loss", amp.loss}) {
  %a = amp.read @a : tensor<4xf32>
  %b = amp.read @b : tensor<4xf32>
  %c = amp.read @c : tensor<4xf32>
  %ab = amp.mul %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %abc = amp.mul %ab, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_sum %abc [0] : (tensor<4xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
