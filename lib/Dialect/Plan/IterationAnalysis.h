//===- IterationAnalysis.h - Finds the loops of a kernel -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Loops of ops and dimensions of the tensors between them are nodes that are unified where
// an op reads what another one makes. Reshapes split a node into factors. Reads of tensors
// from outside unify too, as far as that keeps the loops of each op apart: the sum of a
// matrix and its transpose reads one of them at strides of its own.
//
// What is sliced, padded or concatenated inside has nodes that are linear functions of the
// readers' nodes (Relation), and no dimensions of the kernel.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_PLAN_ITERATIONANALYSIS_H
#define AMPC_LIB_DIALECT_PLAN_ITERATIONANALYSIS_H

#include "DimClasses.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Dialect/Plan/OperandIndex.h"
#include "ampc/Dialect/Plan/Views.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace ampc::plan {

/// Builds an IterationStructure, step by step. A step that fails has set `reason`.
class IterationAnalysis {
public:
  explicit IterationAnalysis(std::string &reason) : reason(reason) {}
  LogicalResult run(ArrayRef<Operation *> ops);
  IterationStructure s;

private:
  LogicalResult collect(ArrayRef<Operation *> ops);
  LogicalResult addViews();
  LogicalResult linkInside();
  void linkInputs();
  void alignResults();
  LogicalResult findReduced();
  void orderLeaves();
  LogicalResult separateSums();
  LogicalResult computeAccesses();
  void computeRanges(linalg::GenericOp op);
  LogicalResult checkRanges();
  void computeBoxes();
  LogicalResult checkResults();
  void computeLevels();
  void collapse();

  LogicalResult fail(const Twine &why) {
    reason = why.str();
    return failure();
  }
  bool isInside(Value v) const {
    return v.getDefiningOp() && s.members.contains(v.getDefiningOp());
  }
  /// Whether an operand is read at a place: not if it only gives a shape, or if all its
  /// elements are the same.
  bool hasPlace(OpOperand &operand) const {
    Value v = s.getSource(operand.get());
    return isa<RankedTensorType>(v.getType()) && !v.getDefiningOp<tensor::EmptyOp>() &&
           !(isInside(v) && getUniformValue(v)) &&
           cast<linalg::GenericOp>(operand.getOwner()).payloadUsesValueFromOperand(&operand);
  }
  ArrayRef<unsigned> nodesOf(Value tensor);
  bool loopsAreApart() const;
  bool findRelated();
  bool isRelatedTo(unsigned node, unsigned target) const;
  void addRoots(ArrayRef<unsigned> nodes, SmallVectorImpl<unsigned> &roots) const;
  bool areRoots(ArrayRef<unsigned> nodes) const;
  const UsedRange &usedRangeOf(OpOperand &operand);
  LogicalResult link(linalg::GenericOp op, Value tensor, AffineMap map,
                     const UsedRange *range = nullptr);
  void addNode(unsigned node, int64_t factor, LinearAccess &access) const;
  LinearAccess emptyAccess() const { return {0, SmallVector<int64_t, 4>(order.size(), 0)}; }
  llvm::SmallBitVector dimsOf(ArrayRef<unsigned> nodes) const;
  FailureOr<LinearAccess> accessOf(linalg::GenericOp op, OpOperand &operand);

  /// A node whose index is a linear function of another's, `base`, or a number.
  struct Relation {
    unsigned node;
    std::optional<unsigned> base;
    int64_t offset, stride;
  };

  std::string &reason;
  DimClasses classes;
  SmallVector<Relation> relations;
  DenseMap<unsigned, Relation> related; // by class
  DenseMap<OpOperand *, UsedRange> usedRanges;
  DenseMap<Operation *, SmallVector<unsigned>> loops; // op -> node of each loop
  DenseMap<Value, SmallVector<unsigned>> tensorNodes;
  SmallVector<Operation *> views;
  SmallVector<unsigned> order; // leaves, outermost first
  DenseMap<unsigned, unsigned> position;
  llvm::DenseSet<unsigned> reduced; // leaves
  llvm::DenseSet<unsigned> summed;  // leaves that other reductions run over
};

} // namespace ampc::plan

#endif // AMPC_LIB_DIALECT_PLAN_ITERATIONANALYSIS_H
