//===- Evaluator.h - Values of a kernel at points of its space -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_EVALUATOR_H
#define AMPC_LIB_CODEGEN_EVALUATOR_H

#include "IndexBuilder.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Support/DeviceModel.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include <map>
#include <optional>

namespace ampc::codegen {
using plan::IterationKind;
using plan::IterationStructure;
using plan::LinearAccess;
using plan::widestLanes;

/// The flat memref that stands for each tensor that a kernel reads or writes.
using BufferMap = llvm::DenseMap<Value, Value>;

/// The widest global load or store of a device.
constexpr int64_t kAccessBytes = DeviceModel::kVectorBytes;

/// In memory: a boolean takes a byte.
Type getStorageType(Type elementType);
int64_t getStorageBytes(Type elementType);

/// Where a thread is: the index along each axis of the evaluator; null along an axis that
/// what is evaluated does not vary along.
using Point = llvm::SmallVector<Value, 4>;

/// Emits scalar code for values of a kernel at points of its iteration space. Each value is
/// computed once a point, in the outermost loop where its indices are known. Values that
/// one op rounds to f16 or bf16 and the next one widens again are not rounded in between.
///
/// A schedule divides the dimensions into axes, each a list of dimensions that one linear
/// index counts. Along one axis a thread may own several consecutive elements, its lanes.
class Evaluator {
public:
  Evaluator(OpBuilder &b, Location loc, const IterationStructure &s, const BufferMap &buffers);

  OpBuilder &b;
  const Location loc;
  const IterationStructure &s;
  const IndexBuilder index;

  /// Starts a schedule or a phase with other axes; forgets all values.
  void setAxes(llvm::ArrayRef<llvm::SmallVector<unsigned>> newAxes, unsigned newLaneAxis,
               int64_t newLanes);
  void setLanes(int64_t newLanes) { lanes = newLanes; }
  int64_t getLanes() const { return lanes; }
  int64_t axisExtent(unsigned axis) const;

  /// A value of the kernel at a point. Reductions must have been given by setValue.
  Value eval(Value v, const Point &p, int64_t lane = 0);
  Value evalOperand(OpOperand &operand, const Point &p, int64_t lane = 0);
  /// Evaluates for all lanes, so that nothing is left to read.
  void evalLanes(Value v, const Point &p);
  /// Writes the lanes of a result.
  void store(Value result, const Point &p);
  /// Makes `scalar` the value of `v` at a point, in the current scope and those inside.
  void setValue(Value v, const Point &p, int64_t lane, Value scalar);
  /// Emits the body of `op` on the values of its block arguments. Returns what it yields.
  llvm::SmallVector<Value> cloneBody(linalg::GenericOp op, ArrayRef<Value> arguments,
                                     const Point &p, int64_t lane);
  /// Clones of `op`, which stands in a body, may be reassociated: LLVM then vectorises the
  /// loop that it sums in.
  void allowReassociation(Operation *op) { reassociable.insert(op); }

  /// Elements in a buffer of the thread's own: later reads of `v` take them from there.
  /// `place` gives the index in the buffer.
  struct Staged {
    Value buffer;
    std::function<Value(const Point &)> place;
  };
  /// `axis`, if any, is one along which `place` varies and `v` itself does not: what waits
  /// for `v` is then not evaluated outside of the loop over that axis.
  void stage(Value v, Staged staged, std::optional<unsigned> axis = std::nullopt) {
    stagedValues[v] = std::move(staged);
    if (axis)
      stagedAxes |= uint64_t(1) << *axis;
  }
  /// The same for an input where it is read across the innermost dimension, its elements side by
  /// side along dimension `along`: `load` puts what is read at a point into the buffer, and later
  /// reads take it from there.
  struct StagedRead {
    unsigned id;
    Type type;
  };
  llvm::SmallVector<StagedRead> readsAcross(unsigned along) const;
  Value load(const StagedRead &staged, const Point &p) { return read(staged.id, p, 0); }
  void stage(const StagedRead &staged, Staged elements) {
    stagedReads[staged.id] = std::move(elements);
  }
  /// Computes `v` at a point and writes it to where it is going to be staged.
  void fillStage(Value v, const Staged &staged, const Point &p);
  /// The type in which `v` is kept between phases: f32 for what is f16 or bf16.
  static Type getStagedType(Value v);

  // Control flow. Each call emits one region, with a scope of its own.
  /// A loop with carried values, which `body` replaces.
  llvm::SmallVector<Value> loop(Value from, Value to, int64_t step, ArrayRef<Value> init,
                                llvm::function_ref<void(Value, MutableArrayRef<Value>)> body);
  /// Adds what a loop came to to the values of the one around it. Null where nothing is rounded,
  /// so that loops carry one value through.
  using Merge = llvm::function_ref<void(MutableArrayRef<Value>, ArrayRef<Value>)>;
  /// As `loop` with step 1 and `init`, neutral values, but in parts of `kTermsOfSum`, each a sum
  /// of its own. `extent` is the most that lies between `from` and `to`.
  llvm::SmallVector<Value> loopInParts(Value from, Value to, int64_t extent, ArrayRef<Value> init,
                                       llvm::function_ref<void(Value, MutableArrayRef<Value>)> body,
                                       Merge merge);
  /// `body` where `condition` holds; null stands for true.
  void guarded(Value condition, llvm::function_ref<void()> body);
  /// A nest of loops over several dimensions, outermost first, over their full extents. Each
  /// loop starts at `init`, neutral values.
  llvm::SmallVector<Value>
  nest(ArrayRef<unsigned> dims, ArrayRef<Value> init,
       llvm::function_ref<void(ArrayRef<Value>, MutableArrayRef<Value>)> body, Merge merge);
  /// `body` where the index along a dimension is known to lie in [begin, end), so that ranges of
  /// operands need no guard.
  void within(unsigned dim, int64_t begin, int64_t end, llvm::function_ref<void()> body);
  /// `body` once for each way in which ranges that the dimensions `fixed` decide can hold, each
  /// in a branch of its own: what stands inside of `body` needs no guard for them. Where these
  /// are too many, guards stay.
  void splitCases(ArrayRef<unsigned> fixed, const Point &p, llvm::function_ref<void()> body);
  /// A scope without a region: values computed inside are forgotten after it.
  void scoped(llvm::function_ref<void()> body);

  Value constant(TypedAttr attr) const { return arith::ConstantOp::create(b, loc, attr); }
  Value linear(const LinearAccess &access, const Point &p, int64_t lane);
  /// Reads `buffer`, which holds elements of type `type`.
  Value loadScalar(Value buffer, Type type, Value offset);
  void storeScalar(Value scalar, Value buffer, Value offset);
  /// Reads `width` neighbours, a power of two, at a multiple of it.
  SmallVector<Value> loadVector(Value buffer, Type type, Value offset, int64_t width);

private:
  struct Key {
    uintptr_t id;
    llvm::SmallVector<void *, 4> coordinates;
    int64_t lane;
    bool operator<(const Key &other) const;
  };
  struct Scope {
    Block *block;
    bool isGuard;           // what stands inside must not be done outside
    bool hasValues = false; // setValue was called
    std::map<Key, Value> known;
  };
  struct Read {
    Value source;
    LinearAccess access;
    bool isPartial; // is read at some points only
  };
  class AtScope;

  uint64_t axesOf(const llvm::SmallBitVector &along) const;
  uint64_t axesOf(const LinearAccess &access) const;
  bool variesByLane(const llvm::SmallBitVector &along) const;
  bool variesByLane(const LinearAccess &access) const;
  bool isContiguous(const LinearAccess &access) const;
  int64_t accessWidth(const LinearAccess &access) const;
  Value evalPlain(OpOperand &operand, const Point &p, int64_t lane);
  Value evalInRange(OpOperand &operand, const plan::OperandRanges &used, const Point &p,
                    int64_t lane);
  std::optional<bool> isKnownToHold(const plan::IndexRange &range) const;
  bool variesByLane(const plan::IndexRange &range) const;
  Value holds(const plan::IndexRange &range, const Point &p, int64_t lane);
  Value isUsed(const plan::OperandRanges &used, const Point &p, int64_t lane);
  Key makeKey(uintptr_t id, uint64_t axesMask, bool byLane, const Point &p, int64_t lane) const;
  Value find(const Key &key) const;
  unsigned outermostScope(uint64_t axesMask, unsigned level, const Point &p) const;
  Value read(unsigned id, const Point &p, int64_t lane);
  Value widened(Value x, Type wide) const;
  Value getBuffer(Value tensor) const;
  Value coordinate(unsigned axis, unsigned first, unsigned last, const Point &p, int64_t lane);
  /// A scalar of type `type` from what is stored for it, in an integer of at least its width.
  Value fromStorage(Value stored, Type type);
  /// What stands in a body is cloned for lanes `first`, `first` + 1, .., each with its own map.
  using LaneMaps = MutableArrayRef<IRMapping>;
  static bool gathers(linalg::GenericOp op);
  SmallVector<SmallVector<Value>> cloneBodies(linalg::GenericOp op,
                                              ArrayRef<SmallVector<Value>> arguments,
                                              const Point &p, int64_t first);
  void cloneBlock(linalg::GenericOp op, Block &block, LaneMaps maps, const Point &p, int64_t first);
  void cloneLoop(linalg::GenericOp op, scf::ForOp loop, LaneMaps maps, const Point &p,
                 int64_t first);
  void cloneInner(linalg::GenericOp op, Operation &inner, IRMapping &map, const Point &p,
                  int64_t lane);
  bool areNeighbours(linalg::GenericOp op, tensor::ExtractOp extract, LaneMaps maps) const;
  void gather(linalg::GenericOp op, tensor::ExtractOp extract, LaneMaps maps);
  void push(bool isGuard);
  void pop() { scopes.pop_back(); }

  const BufferMap &buffers;
  llvm::SmallVector<llvm::SmallVector<unsigned>> axes;
  unsigned laneAxis = 0;
  int64_t lanes = 1;
  bool lanesAreApart = false;                                 ///< inside of a guard for one lane
  llvm::SmallVector<std::pair<int64_t, int64_t>> knownRanges; ///< of each dimension's index
  llvm::SmallVector<plan::IndexRange> knownNotToHold;
  llvm::SmallVector<Read> readList;
  llvm::DenseMap<OpOperand *, unsigned> readOf;
  llvm::SmallVector<Scope> scopes;
  llvm::DenseSet<Operation *> reassociable;
  llvm::DenseMap<Value, Value> wideLoads; // f16 and bf16 from memory, as f32
  llvm::DenseMap<Value, Staged> stagedValues;
  llvm::DenseMap<unsigned, Staged> stagedReads;
  uint64_t stagedAxes = 0; ///< axes along which reductions are staged
};

/// Whether elements of `lanes` neighbours along the innermost dimension are neighbours, too,
/// wherever a body reads by indices of its own.
bool gatherNeighbours(const IterationStructure &s, int64_t lanes);

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_EVALUATOR_H
