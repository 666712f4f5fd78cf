// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @reshape_keeps_the_number_of_elements(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{numbers of elements differ: 6 in 'tensor<2x3xf32>', 4 in 'tensor<4xf32>'}}
  %0 = amp.reshape %x : tensor<2x3xf32> to tensor<4xf32>
  return
}

// -----

func.func @no_permutation(%x: tensor<2x3xf32>) {
  // expected-error@+2 {{[0, 0] does not permute the dimensions of 'tensor<2x3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.transpose %x [0, 0] : (tensor<2x3xf32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @extent_of_2_does_not_repeat(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{cannot broadcast 'tensor<2x3xf32>' to 'tensor<4x3xf32>'}}
  %0 = amp.broadcast %x : tensor<2x3xf32> to tensor<4x3xf32>
  return
}

// -----

func.func @broadcast_does_not_shrink(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{cannot broadcast 'tensor<2x3xf32>' to 'tensor<1x3xf32>'}}
  %0 = amp.broadcast %x : tensor<2x3xf32> to tensor<1x3xf32>
  return
}

// -----

func.func @concat_c1(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+2 {{cannot concatenate 'tensor<2x3xf32>' and 'tensor<2x4xf32>' along axis 0}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.concat %x, %y along 0 : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @slice_c1(%x: tensor<5xf32>) {
  // expected-error@+2 {{along dimension 0, 3 places from 1 on in steps of 2 do not lie in [0, 5)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.slice %x from [1] size [3] step [2] : (tensor<5xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @step_of_the_largest_number(%x: tensor<5xf32>) {
  // expected-error@+2 {{along dimension 0, 3 places from 1 on in steps of 9223372036854775807 do not lie in [0, 5)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.slice %x from [1] size [3] step [9223372036854775807] : (tensor<5xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @pad_c1(%x: tensor<3xf32>) {
  // expected-error@+2 {{along dimension 0, 3 places from 3 on in steps of 1 do not lie in [0, 5)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.pad %x at [3] in [5] step [1] : (tensor<3xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @rank_of_places(%x: tensor<3xf32>) {
  // expected-error@+2 {{needs 1 starts, sizes and steps for 'tensor<3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.slice %x from [0, 0] size [1, 1] step [1, 1] : (tensor<3xf32>) -> tensor<1xf32>
  return
}
