//===- IterationStructure.h - What loops a kernel has ----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Whether tensor ops can be one kernel, and which. A kernel runs over one space of
// dimensions, the same for all its ops; each value varies along some of them, and each
// tensor outside of the kernel is read and written at a linear function of them. Nothing
// here depends on what the ops compute.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_ITERATIONSTRUCTURE_H
#define AMPC_DIALECT_PLAN_ITERATIONSTRUCTURE_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallBitVector.h"
#include <optional>
#include <string>

namespace ampc::plan {
class KernelOp;

/// One dimension of a kernel. All have an extent other than 1.
struct IterationDim {
  int64_t extent;
  bool reduced; ///< the kernel's reductions run over it
  /// Sums of columns run over it: a kernel of rows keeps it, and adds up what its rows hold.
  bool summed = false;
};

/// `offset + sum of strides[d] * index(d)`, with a stride for each dimension.
struct LinearAccess {
  int64_t offset = 0;
  llvm::SmallVector<int64_t, 4> strides;

  bool operator==(const LinearAccess &other) const {
    return offset == other.offset && strides == other.strides;
  }
};

/// That a linear function of the point lies in [begin, end).
struct IndexRange {
  LinearAccess index;
  int64_t begin = 0, end = 0;
  /// Where `index` is the index along one dimension: which.
  std::optional<unsigned> dim;

  bool operator==(const IndexRange &other) const {
    return index == other.index && begin == other.begin && end == other.end;
  }
};

/// Where an operand is used: a pad's at the places of its input, a part of a concatenation.
struct OperandRanges {
  llvm::SmallVector<IndexRange, 1> all; ///< all must hold
  bool isExact = false;                 ///< see UsedRange
};

enum class IterationKind {
  Elementwise, ///< nothing is reduced
  Row,         ///< the innermost dimension is reduced: elements of a sum are neighbours
  Column       ///< the innermost dimension is kept: neighbours go to different sums
};

/// The analysis result. Refers to the ops, and is valid while they do not change.
class IterationStructure {
public:
  IterationKind kind = IterationKind::Elementwise;
  /// Outermost first, in the order in which most tensors lie in memory. Dimensions that
  /// all ops treat as one are one.
  llvm::SmallVector<IterationDim> dims;
  /// The linalg.generic ops that the results need, in program order.
  llvm::SmallVector<mlir::linalg::GenericOp> ops;
  /// Tensors defined outside that these ops read, in the order of first use.
  llvm::SmallVector<mlir::Value> inputs;
  /// Tensors defined inside that are used outside, in program order. Each varies along
  /// every kept dimension, and along all reduced ones or none. Sums of columns vary along all
  /// dimensions but the summed ones.
  llvm::SmallVector<mlir::Value> results;
  /// Most reductions that any result waits for, one after another. Sums of columns do not count:
  /// nothing in the kernel waits for them.
  unsigned maxLevel = 0;

  int64_t keptPoints() const { return product(false); }
  int64_t reducedPoints() const { return product(true); }
  int64_t points() const { return keptPoints() * reducedPoints(); }
  /// The dimensions that are (not) reduced, outermost first.
  llvm::SmallVector<unsigned> keptDims() const { return dimsThat(false); }
  llvm::SmallVector<unsigned> reducedDims() const { return dimsThat(true); }

  /// A kernel of kind Row may have sums of columns, too: reductions over some of the kept
  /// dimensions, that add rows up. Rows of a group are added.
  bool hasSums() const {
    return llvm::any_of(dims, [](const IterationDim &dim) { return dim.summed; });
  }
  /// Whether a value is such a sum.
  bool isSum(mlir::Value value) const { return sums.contains(getSource(value)); }
  llvm::SmallVector<unsigned> summedDims() const { return keptDimsThat(true); }
  /// Kept dimensions that are not summed.
  llvm::SmallVector<unsigned> groupDims() const { return keptDimsThat(false); }
  int64_t groupRows() const { return product(summedDims()); }
  int64_t groups() const { return product(groupDims()); }

  /// What a view inside the kernel is a view of; other values as they are.
  mlir::Value getSource(mlir::Value value) const;
  /// Where an operand of one of `ops` is read; null unless it is (a view of) an input.
  const LinearAccess *getRead(mlir::OpOperand &operand) const;
  /// The points that an operand is used at; null: all. Elsewhere it must not be read, and what
  /// it is made of not be computed.
  const OperandRanges *getRanges(mlir::OpOperand &operand) const;
  bool hasRanges() const { return !ranges.empty(); }
  /// The ranges that a select of a body stands for, if it does: they are its condition.
  const OperandRanges *getRanges(mlir::arith::SelectOp select) const;
  /// Whether an op of a body serves nothing but the conditions of such selects.
  bool isOfRanges(mlir::Operation *scalar) const { return ofRanges.contains(scalar); }
  /// Whether a value is needed at some points only, all within ranges of operands.
  bool isPartial(mlir::Value value) const { return partial.contains(getSource(value)); }
  /// At most how many points an op is needed at.
  int64_t countPoints(mlir::linalg::GenericOp op) const;
  /// At most how many elements an operand is read at.
  int64_t countElements(mlir::OpOperand &operand) const;
  /// Indices along a dimension where a range begins or ends, ascending.
  llvm::SmallVector<int64_t> getCuts(unsigned dim) const;
  /// Whether an input is read by tensor.extract, at places that only its body knows.
  bool isGathered(mlir::Value input) const { return gathered.contains(input); }
  /// Where a result is written, in its own row-major buffer.
  const LinearAccess &getWrite(mlir::Value result) const;
  /// The value of `linalg.index loop` in `op`.
  const LinearAccess &getIndex(mlir::linalg::GenericOp op, unsigned loop) const;
  /// The dimensions that a value defined inside varies along.
  const llvm::SmallBitVector &getDims(mlir::Value value) const;
  bool variesAlongReduced(mlir::Value value) const;
  /// Reductions that must be finished before the value is known.
  unsigned getLevel(mlir::Value value) const { return levels.lookup(getSource(value)); }
  /// Whether the result can be written over an input, element over element: every read
  /// of the input is at the place where the result is written.
  bool mayOverwrite(mlir::Value input, mlir::Value result) const;

private:
  friend class IterationAnalysis;
  int64_t product(bool reduced) const { return product(dimsThat(reduced)); }
  int64_t product(llvm::ArrayRef<unsigned> list) const;
  llvm::SmallVector<unsigned> dimsThat(bool reduced) const;
  llvm::SmallVector<unsigned> keptDimsThat(bool summed) const;
  /// The indices along each dimension that an op is needed at.
  using Box = llvm::SmallVector<std::pair<int64_t, int64_t>, 4>;
  Box boxOf(mlir::OpOperand &operand) const;

  llvm::SetVector<mlir::Operation *> members;
  llvm::DenseMap<mlir::OpOperand *, LinearAccess> reads;
  llvm::DenseMap<mlir::OpOperand *, OperandRanges> ranges;
  llvm::DenseSet<mlir::Operation *> ofRanges;
  llvm::DenseSet<mlir::Value> partial;
  llvm::DenseMap<mlir::Operation *, Box> boxes;
  llvm::DenseMap<mlir::Value, LinearAccess> writes;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<LinearAccess>> indices;
  llvm::DenseMap<mlir::Value, llvm::SmallBitVector> varies;
  llvm::DenseMap<mlir::Value, unsigned> levels;
  llvm::DenseSet<mlir::Value> gathered; // read by tensor.extract
  llvm::DenseSet<mlir::Value> sums;
};

/// Whether `count` elements along an axis (a list of dimensions that one index counts) are
/// consecutive and aligned.
bool areContiguous(const IterationStructure &s, const LinearAccess &access,
                   llvm::ArrayRef<unsigned> axis, int64_t count);
/// The most elements along an axis, up to 8, that some read or write takes as one access of at
/// most DeviceModel::kVectorBytes. `whole`: they must divide the extent of the axis.
int64_t widestLanes(const IterationStructure &s, llvm::ArrayRef<unsigned> axis, bool whole);

/// Whether the kernel merges the rows of matrices that come from outside, column by column, and
/// computes on with vectors of that length: its code does for other extents.
bool mergesRows(const IterationStructure &s);

/// A linalg op that merges elements.
bool isReduction(mlir::Operation *op);

/// The value in every element, as an attribute or a scalar, where there is one: of a
/// splat constant or a linalg.fill; null otherwise.
mlir::OpFoldResult getUniformValue(mlir::Value tensor);

/// The structure of `ops`, given in program order, as one kernel: linalg.generic on static
/// tensors, linalg.fill, tensor.empty, constants, and reshapes (which store nothing).
/// Values defined elsewhere are inputs. An op may be read at other places than its own, at one
/// linear function of the readers' loops (OperandIndex.h). Fails in silence where they are no
/// kernel, and then says in `reason` why; every linalg.generic alone is one, unless its indexing
/// maps are not linear or its results are not projections.
mlir::FailureOr<IterationStructure> analyzeIteration(llvm::ArrayRef<mlir::Operation *> ops,
                                                     std::string *reason = nullptr);
/// The structure of the body of `kernel`, of kind `fused`.
mlir::FailureOr<IterationStructure> analyzeIteration(KernelOp kernel,
                                                     std::string *reason = nullptr);

/// Whether `kernel`, of kind `fused`, can write result `result` over operand `operand`: it reads
/// each element where it writes it. One with reductions writes what is tied when all of the block
/// has read it.
bool mayOverwrite(KernelOp kernel, unsigned operand, unsigned result);

} // namespace ampc::plan

#endif // AMPC_DIALECT_PLAN_ITERATIONSTRUCTURE_H
