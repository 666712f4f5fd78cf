//===- AttentionGradient.cpp - Gradients of attention ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// One grid has blocks of several kinds: some own keys and values, by which all queries that see
// them pass, some own queries, by which the keys pass. Both compute the probabilities P again, from
// the largest score and the sum of each row, and dS = P * (dP - delta):
//
// - where keys are owned, P = key * query^T and dP = value * g^T, d value += P * g and
//   d key += dS * query;
// - where queries are, P = query * key^T and dP = g * value^T, d query += dS * key.
//
// Dropout makes some of dP 0, and of P for d value.
//
// Of long heads, sums of keys and of values do not fit into a thread's registers together, and are
// blocks of their own.
//
//===----------------------------------------------------------------------===//

#include "AttentionTiles.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace ampc::codegen {
namespace {

/// What blocks own and sum up.
struct BlockKind {
  bool ownsKeys;
  bool sumsSlopes; ///< dS times what passes: gradients of keys or queries
  bool sumsValues; ///< P times what passes
  int64_t blocks;
};

class GradientEmitter {
public:
  GradientEmitter(plan::AttentionGradOp op, StringRef name, const EmitTarget &target)
      : op(op), problem(op), e(problem.extents), function(target, name, op.getLoc()) {}

  EmittedKernel emit() {
    unsigned number = 0;
    auto add = [&](Value x) {
      return x ? function.addInput(number++, cast<RankedTensorType>(x.getType())) : Value();
    };
    gradient = add(op.getGradient());
    maximum = add(op.getMaximum());
    sum = add(op.getSum());
    delta = add(op.getDelta());
    SmallVector<Value> inputs, outputs;
    for (Value x : op.getInputs())
      inputs.push_back(add(x));
    std::array<Value, 4> operands{add(op.getMask()), add(op.getCondition()), add(op.getSeed()),
                                  add(op.getAttempt())};
    for (Value x : op.getGradients())
      outputs.push_back(function.addOutput(number++, cast<RankedTensorType>(x.getType())));
    for (unsigned i = 0; i < 3; ++i) {
      tensors[i] = inputs[problem.inputs == 1 ? 0 : i];
      results[i] = outputs[problem.inputs == 1 ? 0 : i];
    }
    function.begin();
    AttentionTiles t(problem, function.b, function.loc, function.thread, operands);
    for (StagedTile &tile : staged)
      tile = {addWorkgroupArray(function.func, t.stagedType(problem.passingRowsOfGradient()),
                                function.loc),
              problem.passingRowsOfGradient()};
    SmallVector<BlockKind> kinds;
    int64_t keyBlocks = llvm::divideCeil(e.columns, kOwnRows) * e.keyHeads * e.batch;
    if (problem.extents.size <= 64) {
      kinds.push_back({true, true, true, keyBlocks});
    } else {
      kinds.push_back({true, true, false, keyBlocks});
      kinds.push_back({true, false, true, keyBlocks});
    }
    int64_t queryBlocks = llvm::divideCeil(e.rows, kOwnRows) * e.heads * e.batch;
    kinds.push_back({false, true, false, queryBlocks});
    emitKinds(t, kinds, function.block);
    int64_t blocks = 0;
    for (const BlockKind &kind : kinds)
      blocks += kind.blocks;
    EmittedKernel emitted;
    emitted.stages.push_back(function.finish(blocks, kAttentionThreads));
    emitted.stages.back().usesTensorCores = true;
    return emitted;
  }

private:
  /// The code of each kind, for the blocks that are of it: those from `block` on.
  void emitKinds(AttentionTiles &t, ArrayRef<BlockKind> kinds, Value block) {
    const BlockKind &kind = kinds.front();
    if (kinds.size() == 1)
      return emitBlock(t, kind, block);
    auto choice = scf::IfOp::create(t.builder, t.loc, t.index().less(block, kind.blocks),
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(t.builder);
    t.builder.setInsertionPointToStart(choice.thenBlock());
    emitBlock(t, kind, block);
    t.builder.setInsertionPointToStart(choice.elseBlock());
    emitKinds(t, kinds.drop_front(), t.index().sub(block, t.number(kind.blocks)));
  }

  void emitBlock(AttentionTiles &t, const BlockKind &kind, Value block) {
    IndexBuilder index = t.index();
    int64_t ownRows = kind.ownsKeys ? e.columns : e.rows;
    int64_t passingRows = kind.ownsKeys ? e.rows : e.columns;
    int64_t ownHeads = kind.ownsKeys ? e.keyHeads : e.heads, shared = e.heads / e.keyHeads;
    int64_t rowBlocks = llvm::divideCeil(ownRows, kOwnRows);
    Value rest = index.div(block, rowBlocks), head = index.rem(rest, ownHeads);
    AttentionPoint own{index.div(rest, ownHeads), head, head};
    if (kind.ownsKeys)
      own.head = index.mul(head, shared);
    else
      own.keyHead = index.div(head, shared);
    Value begin = index.mul(index.rem(block, rowBlocks), kOwnRows);
    Value row = index.add(begin, index.mul(t.warp, kTileRows));
    // What is owned: key and value, or query and g.
    t.beginCopyOfOwn(kind.ownsKeys ? t.rowsOf(1, tensors[1], own) : t.rowsOf(0, tensors[0], own),
                     begin, staged[0]);
    if (kind.sumsSlopes)
      t.beginCopyOfOwn(kind.ownsKeys ? t.rowsOf(2, tensors[2], own) : t.rowsOf(3, gradient, own),
                       begin, staged[1]);
    t.endCopies();
    t.barrier();
    Registers first = t.loadOwn(staged[0]), second;
    if (kind.sumsSlopes)
      second = t.loadOwn(staged[1]);
    t.barrier();
    SmallVector<RowNumbers> ownNumbers;
    if (!kind.ownsKeys)
      for (unsigned i : {0, 1})
        ownNumbers.push_back(loadNumbers(t, own, index.add(index.add(row, t.group), 8 * i)));

    // What passes: queries and g of all heads that share the key, or keys and values.
    int64_t passing = problem.passingRowsOfGradient(),
            tiles = llvm::divideCeil(passingRows, passing);
    int64_t count = kind.ownsKeys ? tiles * shared : tiles;
    auto pointOf = [&](Value step) {
      AttentionPoint at = own;
      if (kind.ownsKeys)
        at.head = t.index().add(own.head, t.index().div(step, tiles));
      return at;
    };
    auto copy = [&](Value step, Value half) {
      AttentionPoint at = pointOf(step);
      Value from = t.index().mul(t.index().rem(step, tiles), passing);
      t.beginCopy(kind.ownsKeys ? t.rowsOf(0, tensors[0], at) : t.rowsOf(1, tensors[1], at), from,
                  staged[0], half);
      t.beginCopy(kind.ownsKeys ? t.rowsOf(3, gradient, at) : t.rowsOf(2, tensors[2], at), from,
                  staged[1], half);
    };
    SmallVector<Value> initial;
    for (bool isSummed : {kind.sumsSlopes, kind.sumsValues})
      if (isSummed)
        initial.append(t.zeros(t.paddedColumns()));
    SmallVector<Value> sums =
        t.pass(count, initial, copy, [&](Value step, Value half, ValueRange before) {
          Value from = t.index().mul(t.index().rem(step, tiles), passing);
          SmallVector<Value> sums(before);
          addTile(t, kind, sums, first, second, ownNumbers, pointOf(step), row, from, half);
          return sums;
        });
    auto store = [&](unsigned which, size_t from, double factor) {
      SmallVector<Value> part(ArrayRef(sums).slice(from, initial.size() / numSums(kind)));
      if (factor != 1)
        for (Value &x : part)
          x = t.mul(x, t.constantLike(x, factor));
      t.storeOwn(part, t.rowsOf(which, results[which], own), begin, staged[which == 2]);
    };
    if (kind.sumsSlopes)
      store(kind.ownsKeys ? 1 : 0, 0, problem.scale);
    if (kind.sumsValues)
      store(2, kind.sumsSlopes ? sums.size() / 2 : 0, 1);
  }

  static size_t numSums(const BlockKind &kind) {
    return size_t(kind.sumsSlopes) + size_t(kind.sumsValues);
  }

  /// What is known of a query row.
  struct RowNumbers {
    Value maximum, inverse, delta;
  };
  RowNumbers loadNumbers(AttentionTiles &t, const AttentionPoint &at, Value row) {
    IndexBuilder index = t.index();
    if (e.rows % kOwnRows != 0)
      row = index.min(row, e.rows - 1);
    Value place = t.rowIndex(at, row);
    const AttentionPlace &output = problem.places[3]; // delta lies as it does
    Value ofDelta = index.add(index.add(index.mul(at.batch, output.batch / e.size),
                                        index.mul(at.head, output.head / e.size)),
                              index.mul(row, output.row / e.size));
    Value all = memref::LoadOp::create(t.builder, t.loc, sum, place);
    return {memref::LoadOp::create(t.builder, t.loc, maximum, place),
            t.div(t.constantLike(all, 1.0), all),
            memref::LoadOp::create(t.builder, t.loc, delta, ofDelta)};
  }

  /// Adds what passes from `from` on.
  void addTile(AttentionTiles &t, const BlockKind &kind, SmallVectorImpl<Value> &sums,
               const Registers &first, const Registers &second, ArrayRef<RowNumbers> ownNumbers,
               const AttentionPoint &at, Value row, Value from, Value half) {
    int64_t passing = staged[0].rows;
    Accumulators products = t.zeros(passing), slopes;
    t.addProductByRows(products, first, staged[0], half);
    if (kind.sumsSlopes) {
      slopes = t.zeros(passing);
      t.addProductByRows(slopes, second, staged[1], half);
    }
    SmallVector<Value> own, passed;
    t.indicesOf(passing, row, from, own, passed);
    ArrayRef<Value> rows = kind.ownsKeys ? passed : own;
    ArrayRef<Value> columns = kind.ownsKeys ? own : passed;
    SmallVector<AttentionTiles::Score> scores = t.score(products, at, rows, columns);
    t.drop(slopes, at, rows.take_front(slopes.size()), columns.take_front(slopes.size()));
    SmallVector<RowNumbers> numbers; // of two columns of a tile that are queries
    for (size_t k = 0; k < scores.size(); ++k) {
      if (kind.ownsKeys && k % 4 == 0)
        numbers = {loadNumbers(t, at, rows[k]), loadNumbers(t, at, rows[k + 1])};
      const RowNumbers &ofRow = kind.ownsKeys ? numbers[k % 2] : ownNumbers[k / 2 % 2];
      Value p = t.approximateExp(t.sub(scores[k].score, ofRow.maximum));
      p = t.mul(p, ofRow.inverse);
      if (kind.ownsKeys && e.rows % passing != 0) // 0 times infinity else
        p = t.select(t.index().less(rows[k], e.rows), p, t.constantLike(p, 0.0));
      products[k] = p;
      if (!kind.sumsSlopes)
        continue;
      slopes[k] = t.mul(p, t.sub(slopes[k], ofRow.delta));
      if (problem.replaces && scores[k].isOwn)
        slopes[k] = t.select(scores[k].isOwn, slopes[k], t.constantLike(p, 0.0));
    }
    size_t each = sums.size() / numSums(kind);
    if (kind.sumsSlopes) {
      Accumulators part(ArrayRef(sums).take_front(each));
      t.addProduct(part, t.round(slopes), staged[0], half);
      llvm::copy(part, sums.begin());
    }
    if (kind.sumsValues) {
      t.drop(products, at, rows, columns);
      Accumulators part(ArrayRef(sums).take_back(each));
      t.addProduct(part, t.round(products), staged[1], half);
      llvm::copy(part, sums.end() - each);
    }
  }

  plan::AttentionGradOp op;
  AttentionProblem problem;
  const AttentionExtents &e;
  KernelFunction function;
  Value gradient, maximum, sum, delta, tensors[3], results[3];
  StagedTile staged[2]; ///< of what passes
};
} // namespace

FailureOr<EmittedKernel> emitAttentionGrad(plan::AttentionGradOp op, StringRef name,
                                           const EmitTarget &target) {
  if (!target.device)
    return op.emitOpError("has no kernel for the host");
  return GradientEmitter(op, name, target).emit();
}

} // namespace ampc::codegen
