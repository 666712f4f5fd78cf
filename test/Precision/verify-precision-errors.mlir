// RUN: ampc-opt %s --amp-verify-precision --split-input-file --verify-diagnostics

func.func @deny_reads_f32_precision_c2(%x: tensor<8xf16>) -> tensor<8xf16> {
  // expected-error @+1 {{'amp.exp' op computes in f32 (balanced lists for f16) and reads 'f16'}}
  %e = amp.exp %x : tensor<8xf16>
  return %e : tensor<8xf16>
}

// -----

func.func @flags_count_as_lists_do_precision_c2(%x: tensor<8xf16>) -> tensor<8xf16> {
  // expected-error @+1 {{'amp.relu' op computes in f32 (--amp-deny=Relu) and reads 'f16'}}
  %e = amp.relu %x {amp.precision = {category = "deny", reason = "--amp-deny=Relu"}} : tensor<8xf16>
  return %e : tensor<8xf16>
}

// -----

func.func @f32_is_right(%x: tensor<8xf32>) -> tensor<8xf32> {
  %e = amp.exp %x : tensor<8xf32>
  return %e : tensor<8xf32>
}
