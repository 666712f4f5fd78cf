// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @true_places_c1(%x: tensor<9xi1>) {
  // expected-error@+2 {{there are no 10 elements in 'tensor<9xi1>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %p, %c = amp.true_places 10 of %x : (tensor<9xi1>) -> (tensor<10xi64>, tensor<i64>)
  return
}

// -----

func.func @unique_c1(%x: tensor<9xf32>) {
  // expected-error@+2 {{there are no 4 rows in 'tensor<9xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %f, %k, %n, %c = amp.unique 4 of %x : (tensor<9xf32>) -> (tensor<4xi64>, tensor<9xi64>, tensor<4xi64>, tensor<i64>)
  return
}

// -----

func.func @non_max_suppression_c1(%b: tensor<2x30x4xf32>, %s: tensor<2x3x29xf32>, %l: tensor<i64>, %i: tensor<f32>) {
  // expected-error@+2 {{there are no 5 boxes to choose from 'tensor<2x30x4xf32>' with scores 'tensor<2x3x29xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y, %c = amp.non_max_suppression 5 of %b, %s up to %l iou %i : (tensor<2x30x4xf32>, tensor<2x3x29xf32>, tensor<i64>, tensor<f32>) -> (tensor<5x3xi64>, tensor<i64>)
  return
}
