//===- ResolveInitializers.h - Which tensor stands where ----- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_RESOLVEINITIALIZERS_H
#define AMPC_LIB_IMPORT_RESOLVEINITIALIZERS_H

#include "ExportMetadata.h"
#include "GraphBuilder.h"

namespace ampc {

/// What the notes of the exporter say about one initializer.
struct Provenance {
  Declared declared = Declared::No;
  /// The parameter that the initializer holds, where it has another name or shape, as the
  /// exporter folded it; "" where it has its own.
  std::string standsFor;
  /// The initializer this one was split from, "" for none.
  std::string splitFrom;
  /// No call says that `standsFor` stands there; it may be computed from the parameter.
  bool isOnlyFolded = false;
  /// The exporter left it out, as it was zero.
  bool isRestored = false;
};

/// How initializers are added while they are resolved.
struct InitializerEdits {
  /// Adds the value of `from` once more, as `to`.
  llvm::function_ref<void(StringRef from, StringRef to)> split;
  /// Adds a vector of zeros of the ONNX element type.
  llvm::function_ref<LogicalResult(StringRef name, int32_t elementType, int64_t size)> addZeros;
};

/// What became of the parameters that PyTorch's exporter declares.
struct Resolution {
  /// By initializer; those without an entry are unknown to the notes.
  llvm::StringMap<Provenance> initializers;
  /// Parameters that a call or a fold mentions, but that nothing stands for; in the order of
  /// the signature.
  std::vector<std::string> lost;
  /// Parameters that nothing mentions: not used by the graph, unless they were folded without
  /// a note.
  std::vector<std::string> unmentioned;
};

/// Finds out for each use of a float initializer which tensor of the exported module stands
/// there, and splits initializers that stand for several: the nodes then read initializers of
/// their own, which `edits` adds to `initializers`.
///
/// torch.onnx.export(dynamo=True) merges equal initializers: one `norm1.weight` of ones may be
/// read in place of all norms' weights and of a BatchNorm's statistics. The call that a node
/// comes from names the tensor that was meant. It takes biases of zeros out as well, which come
/// back as the node's last input. TorchScript's exporter merges equal ones too
/// and leaves `Identity` nodes with the lost names behind.
Resolution resolveInitializers(const ExportMetadata &metadata, std::vector<GraphNode> &nodes,
                               const onnx::GraphProto &graph, const Initializers &initializers,
                               const WeightStore &weights, InitializerEdits edits);

/// Whether all elements have the same bits.
bool isSplat(const Weight &weight);

} // namespace ampc

#endif // AMPC_LIB_IMPORT_RESOLVEINITIALIZERS_H
