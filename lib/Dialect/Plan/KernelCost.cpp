//===- KernelCost.cpp - What a kernel takes on a machine ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/KernelCost.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ampc::plan {

/// Threads of a block side by side: along a tensor, or along columns.
constexpr int64_t kBlockThreads = 256, kTileThreads = 32;
/// Fewest threads of a block that does several rows.
constexpr int64_t kRowThreads = 128;
/// Rows that a block of a split column reduction adds at least: fewer are added in less time
/// than merging their parts takes. And the fewest parts that are worth it.
constexpr int64_t kRowsPerSplit = 128, kFewestSplits = 4;
/// The least width of a tile of columns on the host.
constexpr int64_t kHostTile = 64;

/// Blocks at work on a multiprocessor at a time, where each is large.
constexpr int64_t kBlocksInFlight = 2;

static bool isSplittable(const IterationStructure &s) {
  return s.maxLevel == 1 && !s.hasSums() && s.points() != 0 && !s.reducedDims().empty() &&
         llvm::none_of(s.results,
                       [&](Value r) { return s.variesAlongReduced(r) && s.getLevel(r) > 0; });
}

/// Parts to divide the reduced points into so that none is empty.
static int64_t evenSplits(int64_t points, int64_t wanted) {
  if (wanted <= 1 || points == 0)
    return 1;
  return llvm::divideCeil(points, llvm::divideCeil(points, wanted));
}

static int64_t chooseSplits(const IterationStructure &s, const DeviceModel &model, int64_t tiles) {
  int64_t kept = s.keptPoints(), reduced = s.reducedPoints();
  int64_t filling = model.fillingBlocks();
  if (s.kind == IterationKind::Row)
    return evenSplits(reduced, std::min(filling / kept, reduced / model.splitElements));
  if (model.isDevice && reduced < kFewestSplits * kRowsPerSplit)
    return 1;
  if (model.isDevice)
    return evenSplits(reduced,
                      std::min<int64_t>(llvm::divideCeil(filling, tiles), reduced / kRowsPerSplit));
  // Only the outermost dimension is split.
  int64_t outermost = s.dims[s.reducedDims().front()].extent;
  int64_t parts = kept >= model.splitElements ? 1 : s.points() / model.splitElements;
  return evenSplits(outermost, std::min({parts, filling, outermost / 2}));
}

/// Blocks that share the kept points.
static int64_t keptBlocks(const IterationStructure &s, const DeviceModel &model, int64_t lanes) {
  int64_t kept = s.keptPoints();
  if (!model.isDevice) {
    int64_t most = llvm::divideCeil(s.points(), kHostChunk);
    int64_t units = s.kind == IterationKind::Column ? llvm::divideCeil(kept, kHostTile) : kept;
    return std::clamp<int64_t>(units, 1, std::max<int64_t>(1, most));
  }
  if (s.kind == IterationKind::Elementwise)
    return llvm::divideCeil(s.points(), kBlockThreads * lanes);
  if (s.kind == IterationKind::Column)
    return llvm::divideCeil(kept, kTileThreads * lanes);
  if (s.hasSums())
    return s.groups();
  int64_t rowThreads = llvm::PowerOf2Ceil(std::max<int64_t>(1, s.reducedPoints() / lanes));
  return llvm::divideCeil(kept, std::max<int64_t>(1, kRowThreads / rowThreads));
}

static uint64_t bytesOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return uint64_t(type.getNumElements()) *
         llvm::divideCeil(type.getElementType().getIntOrFloatBitWidth(), 8);
}

/// In which phases each value is computed or read: the phase after no reduction, after those of
/// level 1, and so on.
static DenseMap<Value, llvm::SmallBitVector> findPhases(const IterationStructure &s) {
  llvm::SmallBitVector none(s.maxLevel + 1);
  DenseMap<Value, llvm::SmallBitVector> phases;
  auto add = [&](Value v, const llvm::SmallBitVector &more) {
    phases.try_emplace(s.getSource(v), none).first->second |= more;
  };
  for (Value r : s.results) {
    llvm::SmallBitVector own = none;
    own.set(s.isSum(r) ? s.getLevel(r) - 1 : s.variesAlongReduced(r) ? s.getLevel(r) : s.maxLevel);
    add(r, own);
  }
  for (linalg::GenericOp op : llvm::reverse(s.ops)) { // users first
    llvm::SmallBitVector own = none;
    for (Value r : op.getResults())
      own |= phases.try_emplace(r, none).first->second;
    if (isReduction(op)) {
      own.reset();
      own.set(s.getLevel(op.getResult(0)) - 1);
    }
    for (OpOperand *operand : op.getDpsInputOperands())
      if (op.payloadUsesValueFromOperand(operand))
        add(operand->get(), own);
  }
  return phases;
}

/// Sums of columns that a thread holds, of the most threads that do a row.
constexpr int64_t kSumsOfThread = 16, kSumThreads = 512;

bool holdsSums(const IterationStructure &s) {
  int64_t count = llvm::count_if(s.results, [&](Value r) { return s.isSum(r); });
  return count != 0 && s.reducedPoints() <= kSumsOfThread / count * kSumThreads;
}

/// Whether what is read along the reduced dimensions is still near in the next phase.
static bool keepsInputs(const IterationStructure &s, const DeviceModel &model, uint64_t bytes) {
  int64_t rows = std::max<int64_t>(1, s.keptPoints());
  uint64_t row = bytes / rows;
  if (s.kind == IterationKind::Row && row <= uint64_t(model.phaseBytes))
    return true;
  int64_t inFlight =
      s.kind == IterationKind::Row ? std::min(rows, model.processors * kBlocksInFlight) : rows;
  return row * inFlight <= uint64_t(model.cacheBytes);
}

/// What is read of each input: a slice of it, or all; what is read at several places may
/// overlap, and is counted up to the whole.
static DenseMap<Value, uint64_t> countInputBytes(const IterationStructure &s) {
  DenseMap<Value, SmallVector<std::pair<LinearAccess, uint64_t>>> reads; // elements of each
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (const LinearAccess *access = s.getRead(operand)) {
        auto &list = reads[s.getSource(operand.get())];
        auto same = llvm::find_if(list, [&](auto &read) { return read.first == *access; });
        if (same == list.end())
          same = list.insert(list.end(), {*access, 0});
        same->second = std::max<uint64_t>(same->second, s.countElements(operand));
      }
  DenseMap<Value, uint64_t> bytes;
  for (Value input : s.inputs) {
    uint64_t all = bytesOf(input), elements = 0;
    for (auto &[access, count] : reads.lookup(input))
      elements += count;
    uint64_t width =
        llvm::divideCeil(getElementTypeOrSelf(input.getType()).getIntOrFloatBitWidth(), 8);
    bytes[input] = s.isGathered(input) ? all : std::min(all, elements * width);
  }
  return bytes;
}

static uint64_t countReadBytes(const IterationStructure &s, const DeviceModel &model) {
  DenseMap<Value, uint64_t> inputBytes = countInputBytes(s);
  uint64_t bytes = 0;
  for (Value input : s.inputs)
    bytes += inputBytes[input];
  if (s.maxLevel == 0 || keepsInputs(s, model, bytes))
    return bytes;
  DenseMap<Value, llvm::SmallBitVector> phases = findPhases(s);
  for (Value input : s.inputs)
    if (auto it = phases.find(input); it != phases.end() && it->second.count() > 1)
      bytes += inputBytes[input] * (it->second.count() - 1);
  return bytes;
}

KernelCost computeCost(const IterationStructure &s, const DeviceModel &model) {
  KernelCost cost;
  cost.readBytes = countReadBytes(s, model);
  for (Value r : s.results)
    cost.writtenBytes += bytesOf(r);
  if (model.isDevice) {
    bool isRow = s.kind == IterationKind::Row;
    cost.lanes = widestLanes(s, isRow ? s.reducedDims() : s.keptDims(),
                             /*whole=*/s.kind != IterationKind::Elementwise);
  }
  int64_t tiles = std::max<int64_t>(1, keptBlocks(s, model, cost.lanes));
  cost.isSplittable = isSplittable(s);
  if (cost.isSplittable)
    cost.splits = chooseSplits(s, model, tiles);
  cost.blocks = tiles * cost.splits;
  return cost;
}

} // namespace ampc::plan
