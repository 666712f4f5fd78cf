

func.func @low_input(%x: tensor<8x6x48xf16>, %s: tensor<48xf32>, %b: tensor<48xf32>)
    -> (tensor<8x6x48xf16>, tensor<8x6x1xf32>, tensor<8x6x1xf32>) {
  // CHECK: amp.layer_norm %arg0, %arg1 bias %arg2 from 2 {epsilon = 1.000000e-03 : f64} : (tensor<8x6x48xf16>, tensor<48xf32>, tensor<48xf32>) -> (tensor<8x6x48xf16>, tensor<8x6x1xf32>, tensor<8x6x1xf32>)
  // LOWER-NOT: arith.truncf
  // LOWER: arith.addf {{.*}} : f32
  // LOWER: %[[N:.*]] = arith.constant 4.800000e+01 : f32
  // LOWER: arith.divf %{{.*}}, %[[N]] : f32
  // LOWER: %[[D:.*]] = arith.subf {{.*}} : f32
  // LOWER-NEXT: arith.mulf %[[D]], %[[D]] : f32
  // LOWER: arith.addf {{.*}} : f32
  // LOWER: math.sqrt {{.*}} : f32
  // LOWER-NOT: arith.truncf
  // LOWER: %[[Y:.*]] = arith.addf
  // LOWER-NEXT: arith.truncf %[[Y]] : f32 to f16
  // LOWER-NOT: linalg.generic
  // LOWER: return
  // KERNEL: %[[K:.*]]:3 = plan.kernel fused (%{{.*}} = %arg0 : tensor<8x6x48xf16>, %{{.*}} = %arg1 : tensor<48xf32>, %{{.*}} = %arg2 : tensor<48xf32>) -> (tensor<8x6x1xf32>, tensor<8x6x1xf32>, tensor<8x6x48xf16>)
  // KERNEL-NOT: plan.kernel
  // KERNEL: return %[[K]]#2, %[[K]]#0, %[[K]]#1
  %y, %m, %r = amp.layer_norm %x, %s bias %b from 2 {epsilon = 1.0e-03 : f64} : (tensor<8x6x48xf16>, tensor<48xf32>, tensor<48xf32>) -> (tensor<8x6x48xf16>, tensor<8x6x1xf32>, tensor<8x6x1xf32>)
  return %y, %m, %r : tensor<8x6x48xf16>, tensor<8x6x1xf32>, tensor<8x6x1xf32>
}


func.func @rows_of_three_dimensions(%x: tensor<8x3x4x5xf64>, %s: tensor<3x1x1xf64>) -> tensor<8x3x4x5xf64> {
  // CHECK: amp.layer_norm %arg0, %arg1 from 1 {{.*}} -> (tensor<8x3x4x5xf64>, tensor<8x1x1x1xf64>, tensor<8x1x1x1xf64>)
  // KERNEL-COUNT-1: plan.kernel fused
  // KERNEL-NOT: plan.kernel
  // KERNEL: return
  %y, %m, %r = amp.layer_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x3x4x5xf64>, tensor<3x1x1xf64>) -> (tensor<8x3x4x5xf64>, tensor<8x1x1x1xf64>, tensor<8x1x1x1xf64>)
  return %y : tensor<8x3x4x5xf64>
}


func.func @gradient(%g: tensor<64x48xf16>, %x: tensor<64x48xf16>, %s: tensor<48xf32>, %m: tensor<64x1xf32>, %r: tensor<64x1xf32>) -> tensor<64x48xf16> {
  // CHECK: amp.layer_norm_grad %arg0, %arg1, %arg2, %arg3, %arg4 from 1 : (tensor<64x48xf16>, tensor<64x48xf16>, tensor<48xf32>, tensor<64x1xf32>, tensor<64x1xf32>) -> tensor<64x48xf16>
  // LOWER-COUNT-2: iterator_types = ["parallel", "reduction"]
  // LOWER-NOT: math.sqrt
  // LOWER-NOT: "reduction"
  // LOWER: arith.truncf
  // LOWER-NOT: linalg.generic
  // LOWER: return
  // KERNEL-COUNT-1: plan.kernel fused
  // KERNEL-NOT: plan.kernel
  // KERNEL: return
  %0 = amp.layer_norm_grad %g, %x, %s, %m, %r from 1 : (tensor<64x48xf16>, tensor<64x48xf16>, tensor<48xf32>, tensor<64x1xf32>, tensor<64x1xf32>) -> tensor<64x48xf16>
  return %0 : tensor<64x48xf16>
}


func.func @gradient_of_statistics(%g: tensor<64x48xbf16>, %x: tensor<64x48xbf16>, %s: tensor<48xf32>, %m: tensor<64x1xf32>, %r: tensor<64x1xf32>, %dm: tensor<64x1xf32>, %dr: tensor<64x1xf32>) -> (tensor<64x48xf32>, tensor<64x48xbf16>) {
  // CHECK: amp.layer_norm_grad %arg0, %arg1, %arg2, %arg3, %arg4 mean_gradient %arg5 inv_std_dev_gradient %arg6 from 1 {wide} : {{.*}} -> tensor<64x48xf32>
  // CHECK: amp.layer_norm_grad %arg0, %arg1, %arg2, %arg3, %arg4 inv_std_dev_gradient %arg6 from 1 : {{.*}} -> tensor<64x48xbf16>
  // KERNEL-COUNT-1: plan.kernel fused
  // KERNEL-NOT: plan.kernel
  // KERNEL: return
  %0 = amp.layer_norm_grad %g, %x, %s, %m, %r mean_gradient %dm inv_std_dev_gradient %dr from 1 {wide} : (tensor<64x48xbf16>, tensor<64x48xbf16>, tensor<48xf32>, tensor<64x1xf32>, tensor<64x1xf32>, tensor<64x1xf32>, tensor<64x1xf32>) -> tensor<64x48xf32>
  %1 = amp.layer_norm_grad %g, %x, %s, %m, %r inv_std_dev_gradient %dr from 1 : (tensor<64x48xbf16>, tensor<64x48xbf16>, tensor<48xf32>, tensor<64x1xf32>, tensor<64x1xf32>, tensor<64x1xf32>) -> tensor<64x48xbf16>
  return %0, %1 : tensor<64x48xf32>, tensor<64x48xbf16>
}


func.func @odd_rows(%one: tensor<8x1xf32>, %none: tensor<8x0xf32>, %empty: tensor<0x4xf32>, %s1: tensor<1xf32>, %s0: tensor<0xf32>, %s4: tensor<4xf32>)
    -> (tensor<8x1xf32>, tensor<8x0xf32>, tensor<8x1xf32>, tensor<0x4xf32>) {
  // KERNEL: return
  %0, %m0, %r0 = amp.layer_norm %one, %s1 from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x1xf32>, tensor<1xf32>) -> (tensor<8x1xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %1, %m1, %r1 = amp.layer_norm %none, %s0 from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x0xf32>, tensor<0xf32>) -> (tensor<8x0xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %2, %m2, %r2 = amp.layer_norm %empty, %s4 from 1 {epsilon = 1.0e-03 : f64} : (tensor<0x4xf32>, tensor<4xf32>) -> (tensor<0x4xf32>, tensor<0x1xf32>, tensor<0x1xf32>)
  return %0, %1, %m1, %2 : tensor<8x1xf32>, tensor<8x0xf32>, tensor<8x1xf32>, tensor<0x4xf32>
}
