//===- Spectrum.h - Operators about signals and frequencies ----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_SPECTRUM_H
#define AMPC_LIB_DIALECT_AMP_OPS_SPECTRUM_H

#include "Common.h"

namespace ampc {

/// The one integer of input `i`, which `what` names; failure after an error where it is not known.
FailureOr<int64_t> constantInt(OnnxNode &node, unsigned i, StringRef what);

/// HannWindow, HammingWindow and BlackmanWindow, of a size that is known.
FailureOr<Value> importWindow(OnnxNode &node, OpBuilder &builder);
/// MelWeightMatrix: a constant, since all that it depends on is known.
FailureOr<Value> importMelWeightMatrix(OnnxNode &node, OpBuilder &builder);

/// DFT and STFT: products with constant matrices of sines and cosines, in f32 at least.
FailureOr<Value> importDft(OnnxNode &node, OpBuilder &builder);
FailureOr<Value> importStft(OnnxNode &node, OpBuilder &builder);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_SPECTRUM_H
