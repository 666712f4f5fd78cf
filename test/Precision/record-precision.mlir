// RUN: ampc-opt %s --amp-autocast --cse --amp-record-precision -o /dev/null | FileCheck %s

// Names are those of the model's values; what a parameter is cast to is no cast of a step.

amp.variable parameter @w : tensor<4x2xf32> {initial = dense<0.5> : tensor<4x2xf32>, trained}

func.func @train(%x: tensor<8x4xf32> {amp.name = "x"}) -> tensor<8x2xf32> {
  // CHECK: {{^}}fc: amp.matmul reads x 8x4xf32 cast to f16 (128 bytes read, 64 written), w 4x2xf32 cast to f16 (a copy that the update keeps); gives y 8x2xf16, cast to f32 (32 bytes read, 64 written) for exp, log{{$}}
  // CHECK-NEXT: {{^}}exp: amp.exp reads y 8x2xf16 cast to f32 (32 bytes read, 64 written); gives 8x2xf32{{$}}
  // CHECK-NEXT: {{^}}log: amp.log reads y 8x2xf16 cast to f32 (32 bytes read, 64 written); gives 8x2xf32{{$}}
  // CHECK-NEXT: {{^}}sum: amp.add reads 8x2xf32, 8x2xf32; gives 8x2xf32{{$}}
  %w = amp.read @w : tensor<4x2xf32>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32> loc(#fc)
  %e = amp.exp %y : tensor<8x2xf32> loc(#exp)
  %l = amp.log %y : tensor<8x2xf32> loc(#log)
  %s = amp.add %e, %l : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x2xf32> loc(#sum)
  return %s : tensor<8x2xf32>
}

#fc = loc("fc"(fused<"MatMul">["m.onnx":1:0, fused<["value", "y"]>[unknown]]))
#exp = loc("exp"(fused<"Exp">["m.onnx":2:0]))
#log = loc("log"(fused<"Log">["m.onnx":3:0]))
#sum = loc("sum"(fused<"Add">["m.onnx":4:0]))
