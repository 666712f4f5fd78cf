//===- ExportMetadata.h - What PyTorch's exporter notes ------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_EXPORTMETADATA_H
#define AMPC_LIB_IMPORT_EXPORTMETADATA_H

#include "OnnxProto.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"

namespace ampc {

/// What a name is to the module that was exported.
enum class Declared { No, Parameter, Buffer };

/// Notes of `torch.onnx.export(dynamo=True)` in the metadata of a model:
///
/// - the graph's `...ExportedProgram.graph_signature`, with a line for each tensor of the
///   module, `p_fc_weight: PARAMETER target='fc.weight'`;
/// - a node's `pkg.torch.onnx.fx_node`, the call that it comes from, with its operands:
///   `%linear : ... (args = (%x, %p_fc_weight, %p_fc_bias), kwargs = {})`;
/// - `pkg.onnxscript.optimizer.folded_from` of a value that was computed in the exporter,
///   the names it was computed from: `['fc.weight']`;
/// - `pkg.onnxscript.rewriter.rule_name` of a node, what rewrote it.
///
/// The text is untrusted: what does not read like this is passed over. Names refer to the
/// model, which must outlive this.
class ExportMetadata {
public:
  explicit ExportMetadata(const onnx::ModelProto &model);

  /// Whether a parameter is declared.
  bool hasSignature() const { return !declaredParameters.empty(); }
  /// Whether a value says what it was folded from.
  bool hasFolds() const { return !folds.empty(); }
  /// Whether PyTorch wrote the file.
  bool isFromTorch() const { return fromTorch; }

  Declared kindOf(llvm::StringRef name) const { return kinds.lookup(name); }
  /// All names that are declared as parameters, in their order.
  llvm::ArrayRef<llvm::StringRef> parameters() const { return declaredParameters; }

  /// The call that `node` comes from, as text; "" where none is noted.
  static llvm::StringRef callOf(const onnx::NodeProto &node);
  /// Whether the exporter took a bias of zeros from the node, and changed nothing else.
  static bool lostBias(const onnx::NodeProto &node);
  /// The declared tensors among the operands of a call, each once, in their order.
  llvm::SmallVector<llvm::StringRef> operandsOf(llvm::StringRef call) const;

  /// The declared tensors among those that `value` was computed from in the exporter; null
  /// where it is not noted to be.
  const llvm::SmallVector<llvm::StringRef> *foldOf(llvm::StringRef value) const;
  /// Whether `value`, which was folded, holds other elements than what it was folded from: by
  /// its name, or by those of the values between them, it was not only moved.
  bool isComputed(llvm::StringRef value) const { return computed.contains(value); }

private:
  void readSignature(llvm::StringRef text);

  llvm::StringMap<Declared> kinds;
  llvm::StringMap<llvm::StringRef> placeholders; ///< "p_fc_weight" to "fc.weight"
  llvm::SmallVector<llvm::StringRef> declaredParameters;
  llvm::StringMap<llvm::SmallVector<llvm::StringRef>> folds;
  llvm::StringSet<> computed;
  bool fromTorch;
};

/// Whether `name` can be a parameter's in PyTorch: identifiers and numbers with dots between
/// them. Not such are names that exporters and optimizers make: "/fc/Add_output_0",
/// "onnx::MatMul_12", "val_3", "ortshared_1_0_1_0_token_7".
bool isTorchParameterName(llvm::StringRef name);

/// The name of a value that a fold only moves: PyTorch names it after its own operator, or
/// "val_3" inside of one.
bool isMoveName(llvm::StringRef name);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_EXPORTMETADATA_H
