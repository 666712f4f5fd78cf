// RUN: ampc-opt %s "-plan-choose-layouts=target=host prefer-channels-last" | FileCheck %s
// RUN: ampc-opt %s -plan-choose-layouts=target=host > %t.host && ampc-opt %s > %t.plain && diff %t.plain %t.host
// RUN: ampc-opt %s "-plan-choose-layouts=target=host prefer-channels-last" \
// RUN:   --remarks-filter=plan-choose-layouts --remark-format=emitRemark -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=REMARK

// An op that prefers an order gets it. What it reads is transposed behind its definition, what it
// writes behind the op; filter and bias stay.

// CHECK-LABEL: @conv_gets_what_it_prefers(
// CHECK-SAME: %[[X:.*]]: tensor<2x3x6x5xf32>, %[[W:.*]]: tensor<4x3x3x2xf32>, %[[B:.*]]: tensor<4xf32>
func.func @conv_gets_what_it_prefers(%x: tensor<2x3x6x5xf32>, %w: tensor<4x3x3x2xf32>,
    %b: tensor<4xf32>) -> tensor<2x4x4x4xf32> {
  // CHECK: %[[XT:.*]] = amp.transpose %[[X]] [0, 2, 3, 1]
  // CHECK: %[[Y:.*]] = amp.conv %[[XT]], %[[W]] bias %[[B]] strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 {channels_last} : (tensor<2x6x5x3xf32>, tensor<4x3x3x2xf32>, tensor<4xf32>) -> tensor<2x4x4x4xf32>
  // CHECK: %[[R:.*]] = amp.transpose %[[Y]] [0, 3, 1, 2]
  // CHECK: return %[[R]]
  // REMARK: layout | Category:plan-choose-layouts | Function=conv_gets_what_it_prefers | Reason="the op's library prefers it", {{.*}}order="[0, 2, 3, 1]"
  %y = amp.conv %x, %w bias %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x3x6x5xf32>, tensor<4x3x3x2xf32>, tensor<4xf32>) -> tensor<2x4x4x4xf32>
  return %y : tensor<2x4x4x4xf32>
}

// Its neighbours compute in the same order, so that nothing is transposed between two
// convolutions: not for a cast to f32 and back either.

// CHECK-LABEL: @neighbours_follow(
func.func @neighbours_follow(%x: tensor<2x8x4x4xf16>, %w: tensor<8x8x1x1xf16>,
    %scale: tensor<8x1x1xf32>) -> tensor<2x8x4x4xf16> {
  // Numbers for each channel are moved by a reshape.
  // CHECK-DAG: %[[S:.*]] = amp.reshape %{{.*}} to tensor<1x1x1x8xf32>
  // CHECK-DAG: %[[X:.*]] = amp.transpose %arg0 [0, 2, 3, 1]
  // CHECK: %[[Y:.*]] = amp.conv %[[X]], %[[W:[^ ]*]] strides
  // CHECK-NEXT: %[[C:.*]] = amp.cast %[[Y]] : tensor<2x4x4x8xf16> to tensor<2x4x4x8xf32>
  // CHECK-NEXT: %[[M:.*]] = amp.reduce_mean %[[C]] [0, 1, 2] {keepdims}
  // CHECK-NEXT: %[[D:.*]] = amp.sub %[[C]], %[[M]] : (tensor<2x4x4x8xf32>, tensor<1x1x1x8xf32>)
  // CHECK-NEXT: %[[P:.*]] = amp.mul %[[D]], %[[S]]
  // CHECK-NEXT: %[[N:.*]] = amp.cast %[[P]]
  // CHECK-NEXT: %[[R:.*]] = amp.relu %[[N]]
  // CHECK-NEXT: %[[Z:.*]] = amp.conv %[[R]], %[[W]]
  // CHECK-NEXT: amp.transpose %[[Z]] [0, 3, 1, 2]
  // CHECK-NEXT: return
  // REMARK: layout | {{.*}}Function=neighbours_follow | Reason="its neighbours lie so"
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x4x4xf16>
  %c = amp.cast %y : tensor<2x8x4x4xf16> to tensor<2x8x4x4xf32>
  %m = amp.reduce_mean %c [0, 2, 3] {keepdims} : (tensor<2x8x4x4xf32>) -> tensor<1x8x1x1xf32>
  %d = amp.sub %c, %m : (tensor<2x8x4x4xf32>, tensor<1x8x1x1xf32>) -> tensor<2x8x4x4xf32>
  %p = amp.mul %d, %scale : (tensor<2x8x4x4xf32>, tensor<8x1x1xf32>) -> tensor<2x8x4x4xf32>
  %n = amp.cast %p : tensor<2x8x4x4xf32> to tensor<2x8x4x4xf16>
  %r = amp.relu %n : tensor<2x8x4x4xf16>
  %z = amp.conv %r, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x4x4xf16>
  return %z : tensor<2x8x4x4xf16>
}

// Ops that would have more transposed than without them go back: the sum that reads two other
// tensors, and with it the f32 that is twice as large.

// CHECK-LABEL: @what_costs_more_goes_back(
func.func @what_costs_more_goes_back(%x: tensor<2x8x4x4xf16>, %w: tensor<8x8x1x1xf16>,
    %a: tensor<2x8x4x4xf32>) -> tensor<2x8x4x4xf32> {
  // CHECK: %[[Y:.*]] = amp.conv {{.*}}channels_last
  // CHECK-NEXT: %[[T:.*]] = amp.transpose %[[Y]] [0, 3, 1, 2] : (tensor<2x4x4x8xf16>)
  // CHECK-NEXT: %[[C:.*]] = amp.cast %[[T]]
  // CHECK-NEXT: %[[S:.*]] = amp.add %[[C]], %arg2
  // CHECK-NEXT: return %[[S]]
  // REMARK: transpose | {{.*}}Function=what_costs_more_goes_back | bytes=1024, from="[0, 2, 3, 1]", {{.*}}to="the file's"
  // REMARK-NOT: Function=what_costs_more_goes_back | Reason="its neighbours
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf16>, tensor<8x8x1x1xf16>) -> tensor<2x8x4x4xf16>
  %c = amp.cast %y : tensor<2x8x4x4xf16> to tensor<2x8x4x4xf32>
  %s = amp.add %c, %a : (tensor<2x8x4x4xf32>, tensor<2x8x4x4xf32>) -> tensor<2x8x4x4xf32>
  return %s : tensor<2x8x4x4xf32>
}

// Two that read a value in the same order share its transpose; who reads it as it was still can.

// CHECK-LABEL: @transposes_are_shared(
func.func @transposes_are_shared(%x: tensor<2x8x4x4xf32>, %w: tensor<8x8x1x1xf32>,
    %v: tensor<8x8x1x1xf32>) -> (tensor<2x8x4x4xf32>, tensor<2x8x4x4xf32>, tensor<256xf32>) {
  // CHECK: %[[X:.*]] = amp.transpose %arg0 [0, 2, 3, 1]
  // CHECK: amp.conv %[[X]], %{{.*}}
  // CHECK: amp.conv %[[X]], %{{.*}}
  // CHECK: amp.reshape %arg0 : tensor<2x8x4x4xf32> to tensor<256xf32>
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x4x4xf32>
  %z = amp.conv %x, %v strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x4x4xf32>
  %f = amp.reshape %x : tensor<2x8x4x4xf32> to tensor<256xf32>
  return %y, %z, %f : tensor<2x8x4x4xf32>, tensor<2x8x4x4xf32>, tensor<256xf32>
}

// A file whose images have their channels last says so with transposes: all of them go.

// CHECK-LABEL: @transposes_of_the_file_go(
func.func @transposes_of_the_file_go(%x: tensor<2x4x4x8xf32>, %w: tensor<8x8x1x1xf32>)
    -> tensor<2x4x4x8xf32> {
  // CHECK-NOT: amp.transpose
  // CHECK: %[[Y:.*]] = amp.conv %arg0, %{{.*}}channels_last
  // CHECK-NEXT: %[[R:.*]] = amp.relu %[[Y]]
  // CHECK-NEXT: return %[[R]]
  %t = amp.transpose %x [0, 3, 1, 2] : (tensor<2x4x4x8xf32>) -> tensor<2x8x4x4xf32>
  %y = amp.conv %t, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x4x4xf32>
  %r = amp.relu %y : tensor<2x8x4x4xf32>
  %b = amp.transpose %r [0, 2, 3, 1] : (tensor<2x8x4x4xf32>) -> tensor<2x4x4x8xf32>
  return %b : tensor<2x4x4x8xf32>
}

// Axes, and numbers for each dimension, move with the dimensions; a result that lacks some has the
// order of the others.

// CHECK-LABEL: @attributes_move(
func.func @attributes_move(%x: tensor<2x8x5x4xf32>, %w: tensor<8x8x1x1xf32>)
    -> (tensor<2x8xf32>, tensor<8x5x4xf32>, tensor<2x8x5x4xf32>) {
  // CHECK: %[[Y:.*]] = amp.conv
  // CHECK: %[[MAX:.*]] = amp.reduce_max %[[Y]] [1, 2] : (tensor<2x5x4x8xf32>) -> tensor<2x8xf32>
  // CHECK: %[[SUM:.*]] = amp.reduce_sum %[[Y]] [0] : (tensor<2x5x4x8xf32>) -> tensor<5x4x8xf32>
  // CHECK: %[[S:.*]] = amp.transpose %[[SUM]] [2, 0, 1]
  // CHECK: %[[C:.*]] = amp.concat %[[Y]], %[[Y]] along 3
  // CHECK: %[[M:.*]] = amp.softmax %[[C]] along 3
  // CHECK: %[[L:.*]] = amp.slice %[[M]] from [0, 0, 0, 4] size [2, 5, 4, 8] step [1, 1, 1, 1]
  // CHECK: %[[P:.*]] = amp.pad %[[L]] at [0, 0, 2, 0] in [2, 5, 6, 8] step [1, 1, 1, 1]
  // CHECK: amp.conv %[[P]]
  // CHECK: return %[[MAX]], %[[S]]
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x5x4xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x5x4xf32>
  %max = amp.reduce_max %y [2, 3] : (tensor<2x8x5x4xf32>) -> tensor<2x8xf32>
  %sum = amp.reduce_sum %y [0] : (tensor<2x8x5x4xf32>) -> tensor<8x5x4xf32>
  %c = amp.concat %y, %y along 1
    : (tensor<2x8x5x4xf32>, tensor<2x8x5x4xf32>) -> tensor<2x16x5x4xf32>
  %m = amp.softmax %c along 1 : tensor<2x16x5x4xf32>
  %l = amp.slice %m from [0, 4, 0, 0] size [2, 8, 5, 4] step [1, 1, 1, 1]
    : (tensor<2x16x5x4xf32>) -> tensor<2x8x5x4xf32>
  %p = amp.pad %l at [0, 0, 0, 2] in [2, 8, 5, 6] step [1, 1, 1, 1]
    : (tensor<2x8x5x4xf32>) -> tensor<2x8x5x6xf32>
  %z = amp.conv %p, %w strides [1, 2] pads [0, 0, 0, 2] dilations [1, 1] groups 1
    : (tensor<2x8x5x6xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x5x4xf32>
  return %max, %sum, %z : tensor<2x8xf32>, tensor<8x5x4xf32>, tensor<2x8x5x4xf32>
}

// The gradients compute in the same order, and so do pools.

// CHECK-LABEL: @gradients_and_pools(
func.func @gradients_and_pools(%x: tensor<2x8x4x4xf32>, %w: tensor<8x8x3x3xf32>)
    -> tensor<8x8x3x3xf32> {
  // CHECK: %[[X:.*]] = amp.transpose %arg0 [0, 2, 3, 1]
  // CHECK: %[[Y:.*]] = amp.conv %[[X]], %[[W:[^ ]*]] strides
  // CHECK-NEXT: %[[V:.*]], %[[I:.*]] = amp.max_pool %[[Y]] points [2, 2] {{.*}}channels_last{{.*}} -> (tensor<2x2x2x8xf32>, tensor<2x2x2x8xi64>)
  // CHECK-NEXT: %[[G:.*]] = amp.max_pool_grad %[[V]] at %[[I]] {{.*}}channels_last{{.*}} -> tensor<2x4x4x8xf32>
  // CHECK-NEXT: %[[DX:.*]] = amp.conv_input_grad %[[G]], %[[W]] {{.*}}channels_last
  // CHECK-NEXT: %[[DW:.*]] = amp.conv_filter_grad %[[DX]], %[[X]] {{.*}}channels_last
  // CHECK-NEXT: return %[[DW]]
  %y = amp.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf32>, tensor<8x8x3x3xf32>) -> tensor<2x8x4x4xf32>
  %v, %i = amp.max_pool %y points [2, 2] taps [2, 2] strides [2, 2] dilations [1, 1] pads [0, 0]
    : (tensor<2x8x4x4xf32>) -> (tensor<2x8x2x2xf32>, tensor<2x8x2x2xi64>)
  %g = amp.max_pool_grad %v at %i taps [2, 2] strides [2, 2] dilations [1, 1] pads [0, 0]
    : (tensor<2x8x2x2xf32>, tensor<2x8x2x2xi64>) -> tensor<2x8x4x4xf32>
  %dx = amp.conv_input_grad %g, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf32>, tensor<8x8x3x3xf32>) -> tensor<2x8x4x4xf32>
  %dw = amp.conv_filter_grad %dx, %x strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
    : (tensor<2x8x4x4xf32>, tensor<2x8x4x4xf32>) -> tensor<8x8x3x3xf32>
  return %dw : tensor<8x8x3x3xf32>
}

// Constants are permuted, and take no order to ops that share nothing else.

// CHECK-LABEL: @constants_do_not_spread(
func.func @constants_do_not_spread(%x: tensor<2x8x2x2xf32>, %w: tensor<8x8x1x1xf32>,
    %a: tensor<2x8x2x2xf32>) -> (tensor<2x8x2x2xf32>, tensor<2x8x2x2xf32>) {
  // CHECK: amp.add %arg2, %{{.*}} : (tensor<2x8x2x2xf32>, tensor<2x8x2x2xf32>)
  // CHECK: amp.mul {{.*}}(tensor<2x2x2x8xf32>, tensor<2x2x2x8xf32>)
  %c = amp.constant dense<2.0> : tensor<2x8x2x2xf32>
  %b = amp.add %a, %c : (tensor<2x8x2x2xf32>, tensor<2x8x2x2xf32>) -> tensor<2x8x2x2xf32>
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x2x2xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x2x2xf32>
  %z = amp.mul %y, %c : (tensor<2x8x2x2xf32>, tensor<2x8x2x2xf32>) -> tensor<2x8x2x2xf32>
  return %b, %z : tensor<2x8x2x2xf32>, tensor<2x8x2x2xf32>
}

// Who does not know orders reads and writes the file's.

// CHECK-LABEL: @others_keep_the_order_of_the_file(
func.func @others_keep_the_order_of_the_file(%x: tensor<2x8x2x2xf32>, %w: tensor<8x8x1x1xf32>)
    -> tensor<2x32xf32> {
  // CHECK: %[[Y:.*]] = amp.conv
  // CHECK: %[[R:.*]] = amp.relu %[[Y]] : tensor<2x2x2x8xf32>
  // CHECK: %[[T:.*]] = amp.transpose %[[R]] [0, 3, 1, 2]
  // CHECK: amp.reshape %[[T]] : tensor<2x8x2x2xf32> to tensor<2x32xf32>
  %y = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
    : (tensor<2x8x2x2xf32>, tensor<8x8x1x1xf32>) -> tensor<2x8x2x2xf32>
  %r = amp.relu %y : tensor<2x8x2x2xf32>
  %f = amp.reshape %r : tensor<2x8x2x2xf32> to tensor<2x32xf32>
  return %f : tensor<2x32xf32>
}
