// RUN: ampc-opt %s -split-input-file -verify-diagnostics -ampc-emit-kernels=target=host

func.func @behind_the_end(%q: tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf16> {
  // expected-error @+1 {{'plan.attention' op reaches element 103 of 'tensor<1x2x6x8xf16>'}}
  %y, %m, %s = plan.attention %q, %q, %q of [1, 2, 2, 6, 6, 8]
      at [8, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8] scale 1.0 off 0.0
      : (tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>)
      -> (tensor<1x2x6x8xf16>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return %y : tensor<1x2x6x8xf16>
}

// -----

func.func @mask(%q: tensor<1x2x6x8xf16>, %mask: tensor<2x1x6x6xf32>) -> tensor<1x2x6x8xf16> {
  // expected-error @+1 {{'plan.attention' op has 'tensor<2x1x6x6xf32>' for scores of 1, 2, 6, 6}}
  %y, %m, %s = plan.attention %q, %q, %q mask %mask of [1, 2, 2, 6, 6, 8]
      at [0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8] scale 1.0 off 0.0
      : (tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<2x1x6x6xf32>)
      -> (tensor<1x2x6x8xf16>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return %y : tensor<1x2x6x8xf16>
}

// -----

func.func @rows(%q: tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf16> {
  // expected-error @+1 {{'plan.attention' op has 'tensor<1x2x5xf32>' for the rows}}
  %y, %m, %s = plan.attention %q, %q, %q of [1, 2, 2, 6, 6, 8]
      at [0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8] scale 1.0 off 0.0
      : (tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>)
      -> (tensor<1x2x6x8xf16>, tensor<1x2x6xf32>, tensor<1x2x5xf32>)
  return %y : tensor<1x2x6x8xf16>
}

// -----

func.func @gradients(%q: tensor<1x2x6x8xf16>, %m: tensor<1x2x6xf32>) -> tensor<1x2x6x8xf16> {
  // expected-error @+1 {{'plan.attention_grad' op has gradients of other types than the inputs}}
  %d = plan.attention_grad %q with %m, %m, %m by %q, %q, %q of [1, 2, 2, 6, 6, 8]
      at [0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8] scale 1.0 off 0.0
      : (tensor<1x2x6x8xf16>, tensor<1x2x6xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>,
         tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf16>
  return %d : tensor<1x2x6x8xf16>
}

// -----

func.func @host(%q: tensor<1x2x6x8xf16>) -> tensor<1x2x6x8xf16> {
  // expected-error @+1 {{'plan.attention' op has no kernel for the host}}
  %y, %m, %s = plan.attention %q, %q, %q of [1, 2, 2, 6, 6, 8]
      at [0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8, 0, 96, 48, 8] scale 1.0 off 0.0
      : (tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>)
      -> (tensor<1x2x6x8xf16>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return %y : tensor<1x2x6x8xf16>
}
