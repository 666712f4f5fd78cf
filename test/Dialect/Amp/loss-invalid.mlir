// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @labels_of_another_shape(%x: tensor<4x5x2xf32>, %t: tensor<4xi64>) {
  // expected-error@+2 {{labels of 'tensor<4x5x2xf32>' must be 'tensor<4x2xi64>', but are 'tensor<4xi64>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.softmax_cross_entropy mean %x, %t : (tensor<4x5x2xf32>, tensor<4xi64>) -> tensor<f32>
  return
}

// -----

func.func @one_weight_for_each_class(%x: tensor<4x5xf32>, %t: tensor<4xi64>, %w: tensor<4xf32>) {
  // expected-error@+2 {{weights of the classes of 'tensor<4x5xf32>' must be 'tensor<5xf32>', but are 'tensor<4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.nll_loss mean %x, %t weights %w : (tensor<4x5xf32>, tensor<4xi64>, tensor<4xf32>) -> tensor<f32>
  return
}

// -----

func.func @no_classes(%x: tensor<4xf32>, %t: tensor<4xi64>) {
  // expected-error@+2 {{the input must have the shape [N, C, ...], but is 'tensor<4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.nll_loss mean %x, %t : (tensor<4xf32>, tensor<4xi64>) -> tensor<f32>
  return
}

// -----

func.func @gradient_of_another_shape(%g: tensor<4xf32>, %x: tensor<4x5xf32>, %t: tensor<4xi64>) {
  // expected-error@+2 {{the gradient of the loss must be 'tensor<f32>', but is 'tensor<4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.softmax_cross_entropy_grad mean %g, %x, %t : (tensor<4xf32>, tensor<4x5xf32>, tensor<4xi64>) -> tensor<4x5xf32>
  return
}

// -----

func.func @gradient_of_nll_of_another_shape(%g: tensor<4xf32>, %t: tensor<4xi64>) {
  // expected-error@+1 {{the gradient of the loss must be 'tensor<f32>', but is 'tensor<4xf32>'}}
  %0 = amp.nll_loss_grad sum %g, %t : (tensor<4xf32>, tensor<4xi64>) -> tensor<4x5xf32>
  return
}
