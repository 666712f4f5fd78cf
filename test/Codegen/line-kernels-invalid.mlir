// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @axis(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'plan.scan' op axis 1 is out of range for 'tensor<4xf32>'}}
  %0 = plan.scan %x along 1 from 0.0 : f32 : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%e: f32, %m: f32):
    plan.yield %m : f32
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @shape(%x: tensor<4xf32>) -> tensor<5xf32> {
  // expected-error @+1 {{'plan.scan' op has a result 'tensor<5xf32>' for 'tensor<4xf32>'}}
  %0 = plan.scan %x along 0 from 0.0 : f32 : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%e: f32, %m: f32):
    plan.yield %m : f32
  }
  return %0 : tensor<5xf32>
}

// -----

func.func @body(%x: tensor<4xf16>) -> tensor<4xf16> {
  // expected-error @+1 {{'plan.scan' op must have a body of two arguments of 'f32'}}
  %0 = plan.scan %x along 0 from 0.0 : f32 : (tensor<4xf16>) -> tensor<4xf16> {
  ^bb0(%e: f16, %m: f32):
    plan.yield %m : f32
  }
  return %0 : tensor<4xf16>
}

// -----

func.func @order(%x: tensor<4xf16>) -> (tensor<4xf16>, tensor<4xi32>) {
  // expected-error @+1 {{'plan.sort' op must have a body that yields 'i1'}}
  %0, %1 = plan.sort %x along 0 : (tensor<4xf16>) -> (tensor<4xf16>, tensor<4xi32>) {
  ^bb0(%a: f32, %b: f32):
    plan.yield %a : f32
  }
  return %0, %1 : tensor<4xf16>, tensor<4xi32>
}

// -----

func.func @places(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // expected-error @+1 {{'plan.sort' op must have places of an integer type, not 'tensor<4xf32>'}}
  %0, %1 = plan.sort %x along 0 : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.cmpf ogt, %a, %b : f32
    plan.yield %c : i1
  }
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

func.func @more_than_all(%x: tensor<4xf32>) -> (tensor<5xf32>, tensor<5xi32>) {
  // expected-error @+1 {{'plan.sort' op has a result 'tensor<5xf32>' for 'tensor<4xf32>'}}
  %0, %1 = plan.sort %x along 0 : (tensor<4xf32>) -> (tensor<5xf32>, tensor<5xi32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.cmpf ogt, %a, %b : f32
    plan.yield %c : i1
  }
  return %0, %1 : tensor<5xf32>, tensor<5xi32>
}

// -----

func.func @other_lines(%x: tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<3x3xi32>) {
  // expected-error @+1 {{'plan.sort' op has a result 'tensor<3x3xi32>' for 'tensor<4x3xf32>'}}
  %0, %1 = plan.sort %x along 0 : (tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<3x3xi32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.cmpf ogt, %a, %b : f32
    plan.yield %c : i1
  }
  return %0, %1 : tensor<2x3xf32>, tensor<3x3xi32>
}

// -----

func.func @scatter_axis(%p: tensor<4xi32>, %u: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'plan.scatter' op axis 1 is out of range for 'tensor<4xf32>'}}
  %0 = plan.scatter %u at %p along 1 from 0.0 : f32 : (tensor<4xi32>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    plan.yield %b : f32
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @scatter_data(%p: tensor<4xi32>, %u: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'plan.scatter' op must have either data or an initial element for 'tensor<4xf32>'}}
  %0 = plan.scatter %u at %p along 0 : (tensor<4xi32>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    plan.yield %b : f32
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @scatter_lines(%p: tensor<4x3xi32>, %u: tensor<4x3xf32>) -> tensor<9x2xf32> {
  // expected-error @+1 {{'plan.scatter' op has updates 'tensor<4x3xf32>' at places 'tensor<4x3xi32>', which do not fit 'tensor<9x2xf32>'}}
  %0 = plan.scatter %u at %p along 0 from 0.0 : f32 : (tensor<4x3xi32>, tensor<4x3xf32>) -> tensor<9x2xf32> {
  ^bb0(%a: f32, %b: f32):
    plan.yield %b : f32
  }
  return %0 : tensor<9x2xf32>
}

// -----

func.func @scatter_type(%p: tensor<4xi32>, %u: tensor<4xf16>) -> tensor<4xf16> {
  // expected-error @+1 {{'plan.scatter' op merges 'tensor<4xf16>' into 'tensor<4xf16>'}}
  %0 = plan.scatter %u at %p along 0 from 0.0 : f16 : (tensor<4xi32>, tensor<4xf16>) -> tensor<4xf16> {
  ^bb0(%a: f32, %b: f32):
    plan.yield %b : f32
  }
  return %0 : tensor<4xf16>
}
