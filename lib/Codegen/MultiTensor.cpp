//===- MultiTensor.cpp - One kernel over many tensors ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The nested kernels differ in extents only, so one of them is the template of the code.
// Every tensor is an argument; blocks are dealt out to tensors one after another, and a
// block finds its tensor by a tree of comparisons with constants, whose leaves choose among
// the arguments. That needs no table in memory, whose addresses would be known only after
// memory is planned, and costs a block the logarithm of the number of tensors in
// branches that all its threads take alike. Arguments end at 4 KiB; legalizeKernel sees to
// that.
//
// Reductions of tensors with several blocks are merged by the last block of a tensor, on the host
// by a second kernel. Where the rows of matrices are merged, column by column, a block does a tile
// of a matrix, `kColumnWidth` threads wide.
//
//===----------------------------------------------------------------------===//

#include "BlockCounters.h"
#include "HostLoops.h"
#include "Members.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

constexpr int64_t kThreads = 256;
/// The most and the least that a block on a device does.
constexpr int64_t kLargestChunk = 32768, kSmallestChunk = 1024;
/// Blocks for every multiprocessor to have several.
constexpr int64_t kBlocksOfProcessor = 4;

/// A nested kernel: one tensor and what belongs to it.
struct Member {
  KernelOp kernel;
  int64_t count = 0;  ///< elements; columns of a matrix
  int64_t rows = 1;   ///< of a matrix whose rows are merged
  int64_t blocks = 1; ///< that share them
  int64_t firstBlock = 0;
};

class MultiTensorEmitter {
public:
  MultiTensorEmitter(KernelOp kernel, StringRef name, const EmitTarget &target)
      : kernel(kernel), name(name), target(target) {}

  FailureOr<EmittedKernel> emit() {
    if (failed(analyze()))
      return failure();
    divide();
    bool isReduction = s.kind == IterationKind::Row;
    isSplit = isReduction && llvm::any_of(members, [](const Member &m) { return m.blocks > 1; });
    if (isSplit)
      for (const Combiner &c : reductions.at(0))
        emitted.temporaries.push_back(RankedTensorType::get({totalBlocks}, c.getType()));
    emitElements();
    if (isSplit && !target.device)
      emitFinal();
    return std::move(emitted);
  }

private:
  LogicalResult analyze() {
    Member *largest = nullptr;
    std::vector<IterationStructure> structures;
    for (KernelOp nested : kernel.getBodyBlock()->getOps<KernelOp>()) {
      FailureOr<IterationStructure> own = analyzeKernel(nested);
      if (failed(own))
        return failure();
      members.push_back({nested, own->points()});
      if (own->kind == IterationKind::Column) {
        members.back().count = own->keptPoints();
        members.back().rows = own->reducedPoints();
      }
      structures.push_back(std::move(*own));
    }
    for (Member &m : members)
      if (!largest || m.count > largest->count)
        largest = &m;
    model = largest->kernel;
    s = std::move(structures[largest - members.data()]);
    std::string reason;
    FailureOr<Reductions> found = findReductions(s, reason);
    if (failed(found))
      return kernel.emitOpError("cannot be scheduled: ") << reason;
    reductions = std::move(*found);
    return success();
  }

  /// Deals blocks to tensors.
  void divide() {
    int64_t total = 0;
    for (const Member &m : members)
      total += m.count;
    oneBlock = !target.device && total <= kHostInline;
    if (s.kind == IterationKind::Column)
      chunk = kColumnWidth * columnLanes();
    else if (target.device)
      chunk = std::clamp<int64_t>(
          llvm::alignTo(total / (kBlocksOfProcessor * target.model->processors), kSmallestChunk),
          kSmallestChunk, kLargestChunk);
    else
      chunk = oneBlock ? std::max<int64_t>(1, total) : kHostChunk;
    for (Member &m : members) {
      m.firstBlock = totalBlocks;
      m.blocks = std::max<int64_t>(1, llvm::divideCeil(m.count, chunk));
      totalBlocks += m.blocks;
    }
  }

  /// Columns that a thread has: those of every matrix divide into so many.
  int64_t columnLanes() const {
    int64_t lanes = kAccessBytes;
    for (const Combiner &c : reductions.at(0))
      lanes = std::min(lanes, kAccessBytes / getStorageBytes(c.getType()));
    for (const Member &m : members)
      while (m.count % lanes != 0)
        lanes /= 2;
    return lanes;
  }

  static Value inputOf(KernelOp nested, unsigned i) { return getViewed(nested.getInputs()[i]); }

  /// Whether all tensors read the same value through operand `i`.
  bool isShared(unsigned i) const {
    return llvm::all_equal(
        llvm::map_range(members, [&](const Member &m) { return inputOf(m.kernel, i); }));
  }

  /// A function with the kernel's inputs and, where they are written, its results.
  void addArguments(KernelFunction &function, bool hasResults, bool readsPartials) {
    memrefs.clear();
    partials.clear();
    Block *body = kernel.getBodyBlock();
    unsigned numInputs = body->getNumArguments();
    unsigned firstTemporary = numInputs + kernel.getNumResults();
    for (BlockArgument a : body->getArguments())
      memrefs[a] = function.addInput(a.getArgNumber(), cast<RankedTensorType>(a.getType()));
    if (readsPartials)
      for (auto [k, type] : llvm::enumerate(emitted.temporaries))
        partials.push_back(function.addInput(firstTemporary + k, type));
    if (hasResults)
      for (auto [r, v] : llvm::enumerate(kernel.getYield()->getOperands())) {
        int64_t t = kernel.getTied()[r];
        memrefs[getViewed(v)] =
            t >= 0 ? function.addTiedOutput(numInputs + r, t)
                   : function.addOutput(numInputs + r, cast<RankedTensorType>(v.getType()));
      }
    if (!readsPartials)
      for (auto [k, type] : llvm::enumerate(emitted.temporaries))
        partials.push_back(target.device
                               ? function.addWorkspace(firstTemporary + k, type, /*isShared=*/true)
                               : function.addOutput(firstTemporary + k, type));
    function.begin();
  }

  /// What a block needs to know about its tensor.
  struct Selection {
    Value number, count, rows, firstBlock, blocks;
  };

  /// Finds the tensor of which `chosen` is the first number above which `bounds` lie, and
  /// gives the template's operands and results the buffers of that tensor. Once the
  /// elements are `merged`, only single numbers are read.
  Selection select(KernelFunction &function, Value chosen, ArrayRef<int64_t> firsts,
                   bool hasResults, BufferMap &buffers, bool merged = false) {
    OpBuilder &b = function.b;
    // The values of the template that have a buffer for each tensor.
    SmallVector<std::pair<Value, unsigned>> inputs, results;
    for (unsigned i = 0; i < model.getInputs().size(); ++i) {
      Value formal = model.getBodyBlock()->getArgument(i);
      if (merged && cast<RankedTensorType>(formal.getType()).getRank() != 0)
        continue;
      if (isShared(i))
        buffers[formal] = memrefs.lookup(inputOf(model, i));
      else
        inputs.push_back({formal, i});
    }
    if (hasResults)
      for (auto [i, v] : llvm::enumerate(model.getYield()->getOperands()))
        if (memrefs.contains(model.getResult(i)))
          results.push_back({v, i});
    auto valuesOf = [&](size_t number) {
      const Member &m = members[number];
      SmallVector<Value> values;
      KernelOp nested = m.kernel;
      auto cast = [&](Value memref) { values.push_back(withoutExtent(b, function.loc, memref)); };
      for (auto [formal, i] : inputs)
        cast(memrefs.lookup(inputOf(nested, i)));
      for (auto [v, i] : results)
        cast(memrefs.lookup(nested.getResult(i)));
      for (int64_t x : {int64_t(number), m.count, m.rows, m.firstBlock, m.blocks})
        values.push_back(arith::ConstantIndexOp::create(b, function.loc, x));
      return values;
    };
    SmallVector<Value> chosenValues = selectRow(b, function.loc, chosen, firsts, valuesOf);
    declareApart(function, chosenValues, inputs, results);
    size_t k = 0;
    for (auto [formal, i] : inputs)
      buffers[formal] = chosenValues[k++];
    for (auto [v, i] : results)
      buffers[v] = chosenValues[k++];
    return {chosenValues[k], chosenValues[k + 1], chosenValues[k + 2], chosenValues[k + 3],
            chosenValues[k + 4]};
  }

  /// Gives a tied result its operand's buffer, and tells LLVM that the chosen buffers do
  /// not overlap, which it no longer sees; else it does not vectorise.
  void declareApart(KernelFunction &function, MutableArrayRef<Value> values,
                    ArrayRef<std::pair<Value, unsigned>> inputs,
                    ArrayRef<std::pair<Value, unsigned>> results) {
    for (auto [k, result] : llvm::enumerate(results))
      for (auto [j, input] : llvm::enumerate(inputs))
        if (memrefs.lookup(model.getResult(result.second)) ==
            memrefs.lookup(inputOf(model, input.second)))
          values[inputs.size() + k] = values[j];
    SmallVector<Value> apart;
    for (Value v : values.take_front(inputs.size() + results.size()))
      if (!llvm::is_contained(apart, v))
        apart.push_back(v);
    if (target.device || members.size() == 1 || apart.size() < 2)
      return;
    auto distinct = memref::DistinctObjectsOp::create(function.b, function.loc, apart);
    for (Value &v : values.take_front(inputs.size() + results.size()))
      v = distinct.getResult(llvm::find(apart, v) - apart.begin());
  }

  /// The elements of each tensor; for reductions the partial results of each block, or the
  /// results where a block does a whole tensor.
  void emitElements() {
    bool writesResults = !isSplit || target.device;
    KernelFunction function(target, name + (writesResults ? "" : "_partial"), kernel.getLoc());
    addArguments(function, writesResults, /*readsPartials=*/false);
    WorkgroupArrays arrays(function.func);
    if (isSplit && target.device)
      counters.emplace(function.func, members.size());
    forEach(function, function.block, totalBlocks,
            [&](Value block) { emitBlock(function, block, writesResults, arrays); });
    emitted.stages.push_back(
        function.finish(oneBlock ? 1 : totalBlocks, target.device ? kThreads : 1));
  }

  /// `body` for each of `count` numbers: by the blocks of the grid, or in a loop.
  void forEach(KernelFunction &function, Value block, int64_t count,
               llvm::function_ref<void(Value)> body) {
    if (!oneBlock)
      return body(block);
    OpBuilder &b = function.b;
    auto bound = [&](int64_t x) { return arith::ConstantIndexOp::create(b, function.loc, x); };
    auto loop = scf::ForOp::create(b, function.loc, bound(0), bound(count), bound(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar());
  }

  void emitBlock(KernelFunction &function, Value block, bool writesResults,
                 WorkgroupArrays &arrays) {
    OpBuilder &b = function.b;
    BufferMap buffers;
    SmallVector<int64_t> firsts;
    for (const Member &m : members)
      firsts.push_back(m.firstBlock);
    Selection own = select(function, block, firsts, writesResults, buffers);
    if (s.kind == IterationKind::Column)
      return emitColumns(function, block, own, buffers, arrays);
    Evaluator e(b, function.loc, s, buffers);
    const IndexBuilder &index = e.index;
    Value begin = index.mul(index.sub(block, own.firstBlock), chunk);
    Value end = index.min(index.add(begin, chunk), own.count);
    SmallVector<Value> totals =
        codegen::emitElements(e, reductions, target.device,
                              {begin, end, function.thread, target.device ? kThreads : 1}, arrays);
    if (!totals.empty()) {
      e.guarded(target.device ? index.equal(function.thread, 0) : Value(), [&] {
        if (isSplit)
          for (auto [buffer, total] : llvm::zip(partials, totals))
            e.storeScalar(total, buffer, block);
        else
          writeKept(e, reductions, totals);
      });
    }
    if (counters) {
      Value isLast =
          counters->isLast(b, function.loc, own.number, own.blocks, function.thread, arrays);
      e.guarded(isLast, [&] {
        arrays.release();
        gpu::BarrierOp::create(b, function.loc); // the arrays' last readers
        mergeParts(function, e, own, kThreads, arrays);
      });
    }
  }

  /// Merges the partial results of a tensor, and writes what waits for them.
  void mergeParts(KernelFunction &function, Evaluator &e, const Selection &own, int64_t threads,
                  WorkgroupArrays &arrays) {
    const IndexBuilder &index = e.index;
    e.setAxes({SmallVector<unsigned>()}, 0, 1);
    ArrayRef<Combiner> merged = reductions.at(0);
    SmallVector<Value> accumulators =
        e.loop(function.thread, own.blocks, threads, neutrals(e, merged, 1),
               [&](Value i, MutableArrayRef<Value> inner) {
                 Value place = index.add(own.firstBlock, i);
                 for (auto [k, c] : llvm::enumerate(merged))
                   inner[k] =
                       combine(e, c, inner[k], e.loadScalar(partials[k], c.getType(), place));
               });
    SmallVector<Value> totals =
        reduceThreads(e, merged, accumulators, function.thread, threads, 1, arrays);
    e.guarded(target.device ? index.equal(function.thread, 0) : Value(),
              [&] { writeKept(e, reductions, totals); });
  }

  /// A tile of columns, whose rows are merged (mergesRows).
  void emitColumns(KernelFunction &function, Value block, const Selection &own,
                   const BufferMap &buffers, WorkgroupArrays &arrays) {
    constexpr int64_t height = kThreads / kColumnWidth, unroll = 4;
    const int64_t lanes = columnLanes();
    Evaluator e(function.b, function.loc, s, buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims()}, 0, lanes);
    Value x = index.rem(function.thread, kColumnWidth);
    Value y = index.div(function.thread, kColumnWidth);
    Value tile = index.sub(block, own.firstBlock);
    Value column = index.mul(index.add(index.mul(tile, kColumnWidth), x), lanes);
    Value isColumn = index.less(column, own.count);
    column = index.min(column, index.sub(own.count, index.constant(lanes))); // loads stay inside
    ArrayRef<Combiner> merged = reductions.at(0);
    SmallVector<Value> accumulators = neutrals(e, merged, lanes);
    auto visit = [&](Value from, Value to, int64_t count) {
      auto add = [&](Value row, MutableArrayRef<Value> inner) {
        SmallVector<Value> elements; // all of them are loaded first
        for (int64_t u = 0; u < count; ++u) {
          Value line = arith::MulIOp::create(e.b, e.loc, index.add(row, u * height), own.count);
          for (const Combiner &c : merged) {
            auto op = cast<linalg::GenericOp>(c.result.getOwner());
            Value source = s.getSource(op.getInputs()[0]);
            llvm::append_range(elements, e.loadVector(buffers.lookup(source), c.getType(),
                                                      index.add(line, column), lanes));
          }
        }
        for (auto [i, element] : llvm::enumerate(elements)) {
          size_t place = i % inner.size();
          inner[place] = combine(e, merged[place / lanes], inner[place], element);
        }
      };
      accumulators = e.loop(from, to, count * height, accumulators, add);
    };
    // `unroll` rows at once while all of them lie below the end.
    Value span = index.sub(own.rows, index.min(y, own.rows));
    Value whole = index.div(index.add(span, height - 1), unroll * height);
    Value middle = index.add(y, index.mul(whole, unroll * height));
    visit(y, middle, unroll);
    visit(middle, own.rows, 1);
    SmallVector<Value> totals = reduceColumn(e, arrays, merged, accumulators, x, y, height);
    Value writes = arith::AndIOp::create(e.b, e.loc, isColumn, index.equal(y, 0));
    e.guarded(writes, [&] {
      Point p = {column};
      for (auto [i, total] : llvm::enumerate(totals)) {
        const Combiner &c = merged[i / lanes];
        e.setValue(c.result, p, i % lanes, finish(e, c, total, p, i % lanes));
      }
      storeAll(e, s.results, p);
    });
  }

  /// On the host: a second launch merges the partial results of each tensor.
  void emitFinal() {
    KernelFunction function(target, name + "_final", kernel.getLoc());
    addArguments(function, /*hasResults=*/true, /*readsPartials=*/true);
    SmallVector<int64_t> numbers;
    for (size_t i = 0; i < members.size(); ++i)
      numbers.push_back(i);
    WorkgroupArrays arrays(function.func);
    oneBlock = true; // next to nothing
    forEach(function, function.block, members.size(), [&](Value number) {
      BufferMap buffers;
      Selection own = select(function, number, numbers, true, buffers, /*merged=*/true);
      Evaluator e(function.b, function.loc, s, buffers);
      mergeParts(function, e, own, 1, arrays);
    });
    emitted.stages.push_back(function.finish(1, 1));
  }

  KernelOp kernel;
  std::string name;
  EmitTarget target;
  SmallVector<Member> members;
  KernelOp model;       ///< the template
  IterationStructure s; ///< of the template
  Reductions reductions;
  int64_t chunk = 0, totalBlocks = 0;
  bool isSplit = false;
  bool oneBlock = false; ///< work too small to share
  BufferMap memrefs;     ///< of the kernel's own operands and its members' results
  SmallVector<Value> partials;
  std::optional<BlockCounters> counters; ///< one for each tensor, on a device that splits them
  EmittedKernel emitted;
};

} // namespace

FailureOr<EmittedKernel> emitMultiTensor(KernelOp kernel, StringRef name,
                                         const EmitTarget &target) {
  return MultiTensorEmitter(kernel, name, target).emit();
}

} // namespace ampc::codegen
