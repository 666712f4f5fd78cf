// RUN: ampc-opt %s -canonicalize | FileCheck %s

// What was reshaped alike is put together before.

// CHECK-LABEL: @heads(
// CHECK-NEXT: %[[C:.*]] = amp.concat %arg0, %arg1 along 2 : (tensor<2x5x3x4xf16>, tensor<2x5x6x4xf16>) -> tensor<2x5x9x4xf16>
// CHECK-NEXT: %[[R:.*]] = amp.reshape %[[C]] : tensor<2x5x9x4xf16> to tensor<2x5x36xf16>
// CHECK-NEXT: return %[[R]]
func.func @heads(%a: tensor<2x5x3x4xf16>, %b: tensor<2x5x6x4xf16>) -> tensor<2x5x36xf16> {
  %0 = amp.reshape %a : tensor<2x5x3x4xf16> to tensor<2x5x12xf16>
  %1 = amp.reshape %b : tensor<2x5x6x4xf16> to tensor<2x5x24xf16>
  %2 = amp.concat %0, %1 along 2 : (tensor<2x5x12xf16>, tensor<2x5x24xf16>) -> tensor<2x5x36xf16>
  return %2 : tensor<2x5x36xf16>
}

// Also where more follows the axis.

// CHECK-LABEL: @images(
// CHECK-NEXT: %[[C:.*]] = amp.concat %arg0, %arg0 along 1 : (tensor<2x3x4x5x7xf32>, tensor<2x3x4x5x7xf32>) -> tensor<2x6x4x5x7xf32>
// CHECK-NEXT: amp.reshape %[[C]] : tensor<2x6x4x5x7xf32> to tensor<2x24x35xf32>
func.func @images(%a: tensor<2x3x4x5x7xf32>) -> tensor<2x24x35xf32> {
  %0 = amp.reshape %a : tensor<2x3x4x5x7xf32> to tensor<2x12x35xf32>
  %1 = amp.concat %0, %0 along 1 : (tensor<2x12x35xf32>, tensor<2x12x35xf32>) -> tensor<2x24x35xf32>
  return %1 : tensor<2x24x35xf32>
}

// Not where parts differ behind the axis, begin elsewhere, or cut what follows it; nor where
// dimensions were only taken apart.

// CHECK-LABEL: @other_shapes(
// CHECK-COUNT-2: amp.reshape
// CHECK: amp.concat
// CHECK-COUNT-2: amp.reshape
// CHECK: amp.concat
// CHECK: amp.reshape
// CHECK: amp.concat
// CHECK-COUNT-2: amp.reshape
// CHECK: amp.concat
// CHECK-NOT: amp.reshape
// CHECK: return
func.func @other_shapes(%a: tensor<5x3x4xf32>, %b: tensor<5x4x3xf32>, %c: tensor<5x12xf32>,
                        %d: tensor<2x5x2x3xf32>, %e: tensor<60xf32>)
    -> (tensor<5x24xf32>, tensor<10x12xf32>, tensor<5x4x6xf32>, tensor<5x24xf32>) {
  %0 = amp.reshape %a : tensor<5x3x4xf32> to tensor<5x12xf32>
  %1 = amp.reshape %b : tensor<5x4x3xf32> to tensor<5x12xf32>
  %2 = amp.concat %0, %1 along 1 : (tensor<5x12xf32>, tensor<5x12xf32>) -> tensor<5x24xf32>
  %3 = amp.reshape %d : tensor<2x5x2x3xf32> to tensor<5x12xf32>
  %4 = amp.reshape %b : tensor<5x4x3xf32> to tensor<5x12xf32>
  %5 = amp.concat %3, %4 along 0 : (tensor<5x12xf32>, tensor<5x12xf32>) -> tensor<10x12xf32>
  %6 = amp.reshape %c : tensor<5x12xf32> to tensor<5x4x3xf32>
  %7 = amp.concat %6, %6 along 2 : (tensor<5x4x3xf32>, tensor<5x4x3xf32>) -> tensor<5x4x6xf32>
  %8 = amp.reshape %e : tensor<60xf32> to tensor<5x12xf32>
  %9 = amp.reshape %a : tensor<5x3x4xf32> to tensor<5x12xf32>
  %10 = amp.concat %8, %9 along 1 : (tensor<5x12xf32>, tensor<5x12xf32>) -> tensor<5x24xf32>
  return %2, %5, %7, %10 : tensor<5x24xf32>, tensor<10x12xf32>, tensor<5x4x6xf32>, tensor<5x24xf32>
}
