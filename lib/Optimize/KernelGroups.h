//===- KernelGroups.h - Tensor ops that become kernels -------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_KERNELGROUPS_H
#define AMPC_LIB_OPTIMIZE_KERNELGROUPS_H

#include "OpGraph.h"
#include "ampc/Dialect/Plan/KernelCost.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <memory>

namespace ampc {
using namespace mlir;

/// Most buffers a fused kernel may take: arguments live in registers.
constexpr unsigned kMostBuffers = 48;
/// Most ops of a kernel. From some
/// twenty operations a byte on, arithmetic takes the time: a larger kernel saves bytes, but no
/// time, and LLVM and ptxas take more than twice as long for twice the code. With this many ops,
/// a phase of a sequence stays below 2,000 lines of PTX, so it need not be divided.
constexpr unsigned kMostOps = 96;

/// The groups of a graph that hold tensor ops: what they read and cost, what it would save to
/// make one of two, and whether one kernel can do both.
class KernelGroups {
public:
  /// Puts each tensor op of the block into one group with what belongs to it alone.
  KernelGroups(OpGraph &graph, Block &block, const DeviceModel &model);

  /// Groups that hold tensor ops, in the order of the block.
  SmallVector<unsigned> get() const;
  /// The tensor ops of a group.
  SmallVector<linalg::GenericOp> genericsOf(unsigned group) const;
  bool hasGenerics(unsigned group) { return factsOf(group).ops != 0; }
  /// Tensors of more than one element that a group reads from outside.
  const llvm::SetVector<Value> &inputsOf(unsigned group) { return factsOf(group).inputs; }

  /// Whether it can be right to merge two groups, from what is known without the analysis.
  bool mayMerge(unsigned producer, unsigned consumer) const;
  /// Bytes that need not be read or written where two groups are one.
  uint64_t savedBytes(unsigned a, unsigned b);
  /// Merges two groups where that is right, one kernel can do both, and takes no longer.
  bool tryMerge(unsigned a, unsigned b);

  /// Merges that were tried, those that were analysed, and the ops in them.
  uint64_t numAttempts = 0, numAnalyses = 0, numAnalyzedOps = 0;

private:
  struct GroupFacts {
    unsigned ops = 0;              ///< linalg.generic ops
    int64_t cost = 0;              ///< simple instructions for an element, of all
    bool isUniform = false;        ///< see isUniform; and each op hands to or takes from another
    Type points;                   ///< of a uniform group, a tensor type of its loops' extents
    llvm::SetVector<Value> inputs; ///< tensors of more than one element from outside
    std::optional<double> time;    ///< see timeOf
  };

  void formGroup(linalg::GenericOp generic);
  FailureOr<plan::IterationStructure> analyzeTogether(unsigned a, unsigned b);
  double timeOf(unsigned group);
  bool isSlowerTogether(const plan::IterationStructure &together, unsigned a, unsigned b);
  bool isKernel(const plan::IterationStructure &together) const;
  GroupFacts &factsOf(unsigned group);
  void addInputs(unsigned group, linalg::GenericOp generic, llvm::SetVector<Value> &inputs);
  bool isUniform(linalg::GenericOp generic);
  bool handsOver(unsigned a, unsigned b);
  unsigned countBuffers(unsigned a, unsigned b);
  bool isScalar(unsigned group) const;
  bool waitsForOthers(unsigned scalars, unsigned producer) const;
  ArrayRef<Value> readsOf(Operation *op);
  unsigned countUses(Value value);

  OpGraph &graph;
  const DeviceModel &model;
  DenseMap<Operation *, SmallVector<Value, 4>> reads;
  DenseMap<Value, unsigned> useCounts;
  DenseMap<unsigned, std::shared_ptr<GroupFacts>> facts; ///< by the name of a group
  DenseMap<std::pair<unsigned, unsigned>, uint8_t> numFailures;
};

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_KERNELGROUPS_H
