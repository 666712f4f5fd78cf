//===- BatchKernels.cpp - Run equal kernels on many tensors as one ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelSize.h"
#include "OpGraph.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Dialect/Plan/Views.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include <map>
#include <queue>

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_BATCHKERNELS
#include "ampc/Optimize/Passes.h.inc"

using plan::KernelKind;
using plan::KernelOp;

//===----------------------------------------------------------------------===//
// Flattening
//===----------------------------------------------------------------------===//

/// Whether a tensor needs no reshape to have one dimension: it has one, or none.
static bool isFlattened(Type type) { return cast<RankedTensorType>(type).getRank() < 2; }

/// How many elements all tensors of a fused kernel have, rank-0 ones apart, where every op treats
/// all elements alike, in the order in which they lie in memory: maps are the identity or empty,
/// and all loops of an op are of one kind; reshapes keep that order. Nullopt for other kernels.
static std::optional<int64_t> countAlike(KernelOp kernel) {
  std::optional<int64_t> common;
  auto agrees = [&](Value tensor) {
    auto type = dyn_cast<RankedTensorType>(tensor.getType());
    if (!type || type.getRank() == 0)
      return true;
    if (!common)
      common = type.getNumElements();
    return *common == type.getNumElements();
  };
  for (Value argument : kernel.getBodyBlock()->getArguments())
    if (!agrees(argument))
      return std::nullopt;
  for (Operation &op : kernel.getBodyBlock()->without_terminator()) {
    if (!llvm::all_of(op.getResults(), agrees))
      return std::nullopt;
    if (isa<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp>(op))
      continue;
    if (isView(&op)) {
      // Not of a single number: that has no element for each point.
      if (cast<RankedTensorType>(op.getOperand(0).getType()).getRank() == 0 ||
          cast<RankedTensorType>(op.getResult(0).getType()).getRank() == 0)
        return std::nullopt;
      continue;
    }
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic || (generic.getNumReductionLoops() != 0 &&
                     generic.getNumReductionLoops() != generic.getNumLoops()))
      return std::nullopt;
    for (AffineMap map : generic.getIndexingMapsArray())
      if (!map.isIdentity() && map.getNumResults() != 0)
        return std::nullopt;
    WalkResult indexed = generic.getBody()->walk([](Operation *nested) {
      return isa<linalg::IndexOp, tensor::ExtractOp>(nested) ? WalkResult::interrupt()
                                                             : WalkResult::advance();
    });
    if (indexed.wasInterrupted())
      return std::nullopt;
  }
  return common;
}

static RankedTensorType flatten(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (isFlattened(tensor))
    return tensor;
  return RankedTensorType::get(tensor.getNumElements(), tensor.getElementType());
}

/// Makes one loop of an op of a kernel that treats all elements alike.
static void flattenOp(Operation &op) {
  if (isView(&op)) {
    op.getResult(0).replaceAllUsesWith(op.getOperand(0)); // flat by now
    op.erase();
    return;
  }
  for (Value result : op.getResults())
    if (isa<RankedTensorType>(result.getType()))
      result.setType(flatten(result.getType()));
  SplatElementsAttr splat;
  if (auto constant = dyn_cast<arith::ConstantOp>(op);
      constant && matchPattern(&op, m_Constant(&splat)))
    constant.setValueAttr(splat.resizeSplat(cast<RankedTensorType>(op.getResult(0).getType())));
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumLoops() < 2)
    return;
  Builder builder(op.getContext());
  SmallVector<AffineMap> maps;
  for (AffineMap map : generic.getIndexingMapsArray())
    maps.push_back(map.getNumResults() == 0 ? AffineMap::get(1, 0, {}, builder.getContext())
                                            : builder.getMultiDimIdentityMap(1));
  generic.setIndexingMapsAttr(builder.getAffineMapArrayAttr(maps));
  generic.setIteratorTypesAttr(
      builder.getArrayAttr(generic.getIteratorTypes().getValue().take_front(1)));
}

/// Whether a kernel has tensors of rank 1 and single numbers only.
static bool isFlat(KernelOp kernel) {
  auto areFlat = [](TypeRange types) {
    return llvm::all_of(
        types, [](Type type) { return !isa<RankedTensorType>(type) || isFlattened(type); });
  };
  return areFlat(kernel.getBodyBlock()->getArgumentTypes()) &&
         llvm::all_of(kernel.getBodyBlock()->without_terminator(),
                      [&](Operation &op) { return !isView(&op) && areFlat(op.getResultTypes()); });
}

static SmallVector<ReassociationIndices> allDims(Type type) {
  return {llvm::to_vector<2>(llvm::seq<int64_t>(0, cast<RankedTensorType>(type).getRank()))};
}

/// Gives a kernel whose ops treat all elements alike tensors of rank 1; reshapes around it
/// keep what others see. `flattened` has the views made so far: a kernel that reads a
/// tensor shall have one operand for it.
static void flattenKernel(KernelOp kernel, DenseMap<Value, Value> &flattened) {
  if (!countAlike(kernel) || isFlat(kernel))
    return;
  OpBuilder builder(kernel);
  SmallVector<Value> inputs;
  for (Value input : kernel.getInputs()) {
    RankedTensorType type = flatten(input.getType());
    if (type == input.getType()) {
      inputs.push_back(input);
      continue;
    }
    Value &view = flattened[input];
    if (!view)
      view = tensor::CollapseShapeOp::create(builder, input.getLoc(), type, input,
                                             allDims(input.getType()));
    inputs.push_back(view);
  }
  SmallVector<Type> types =
      llvm::map_to_vector(kernel.getResultTypes(), [](Type type) -> Type { return flatten(type); });
  auto flat = KernelOp::create(builder, kernel.getLoc(), types, inputs, KernelKind::Fused);
  flat.getBody().takeBody(kernel.getBody());
  for (BlockArgument argument : flat.getBodyBlock()->getArguments())
    argument.setType(flatten(argument.getType()));
  for (Operation &op : llvm::make_early_inc_range(flat.getBodyBlock()->without_terminator()))
    flattenOp(op);
  for (auto [old, result] : llvm::zip(kernel.getResults(), flat.getResults())) {
    Value shaped = result;
    if (old.getType() != result.getType()) {
      shaped = tensor::ExpandShapeOp::create(builder, old.getLoc(), old.getType(), result,
                                             allDims(old.getType()));
      flattened[shaped] = result; // the next kernel needs no view of a view
    }
    old.replaceAllUsesWith(shaped);
  }
  kernel.erase();
}

//===----------------------------------------------------------------------===//
// Equal but for the extents
//===----------------------------------------------------------------------===//

/// Equal types, or tensors of equal rank and element type that both have elements.
static bool areAlike(Type a, Type b) {
  if (a == b)
    return true;
  auto x = dyn_cast<RankedTensorType>(a), y = dyn_cast<RankedTensorType>(b);
  return x && y && x.getRank() == y.getRank() && x.getElementType() == y.getElementType() &&
         x.getNumElements() != 0 && y.getNumElements() != 0;
}

static bool areAlike(Block &a, Block &b, DenseMap<Value, Value> &pairs) {
  if (a.getNumArguments() != b.getNumArguments() ||
      a.getOperations().size() != b.getOperations().size())
    return false;
  for (auto [x, y] : llvm::zip(a.getArguments(), b.getArguments())) {
    if (!areAlike(x.getType(), y.getType()))
      return false;
    pairs[x] = y;
  }
  for (auto [x, y] : llvm::zip(a, b)) {
    if (x.getName() != y.getName() || x.getNumOperands() != y.getNumOperands() ||
        x.getNumResults() != y.getNumResults() || x.getNumRegions() != y.getNumRegions() ||
        x.getAttrDictionary() != y.getAttrDictionary())
      return false;
    for (auto [v, w] : llvm::zip(x.getOperands(), y.getOperands()))
      if (pairs.lookup(v) != w)
        return false;
    for (auto [v, w] : llvm::zip(x.getResults(), y.getResults())) {
      if (!areAlike(v.getType(), w.getType()))
        return false;
      pairs[v] = w;
    }
    for (auto [r, s] : llvm::zip(x.getRegions(), y.getRegions()))
      if (!areAlike(r.front(), s.front(), pairs))
        return false;
  }
  return true;
}

static bool areAlike(KernelOp a, KernelOp b) {
  DenseMap<Value, Value> pairs;
  return a.getKind() == b.getKind() && a.getTied() == b.getTied() &&
         areAlike(*a.getBodyBlock(), *b.getBodyBlock(), pairs);
}

/// Kernels that are alike have equal hashes.
static size_t hashOf(KernelOp kernel) {
  llvm::hash_code hash =
      llvm::hash_combine(kernel.getKind(), llvm::hash_combine_range(kernel.getTied()),
                         kernel.getBodyBlock()->getNumArguments());
  kernel.getBody().walk([&](Operation *op) {
    hash = llvm::hash_combine(hash, op->getName(), op->getNumOperands(), op->getNumResults(),
                              op->getAttrDictionary());
  });
  return hash;
}

/// Most rows that one block merges, of its columns; those of more are shared by several.
constexpr int64_t kMostMergedRows = 640;

/// Only kernels over one dimension can differ in their extents alone; and, on a device, those that
/// merge few rows of matrices.
static bool mayDifferInExtents(KernelOp kernel, const DeviceModel &model) {
  if (kernel.getKind() != KernelKind::Fused)
    return false;
  if (countAlike(kernel))
    return isFlat(kernel);
  if (!model.isDevice)
    return false;
  FailureOr<plan::IterationStructure> s = plan::analyzeIteration(kernel);
  return succeeded(s) && plan::mergesRows(*s) && s->reducedPoints() <= kMostMergedRows;
}

/// Most tensors that one kernel takes. Compilers treat a function's arguments one by one and
/// each time look at all; past some hundred tensors a launch costs nothing beside the work.
constexpr size_t kMostTensors = 1024;

namespace {
struct BatchKernels : impl::BatchKernelsBase<BatchKernels> {
  using BatchKernelsBase::BatchKernelsBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    Block &block = getOperation().front();
    DenseMap<Value, Value> flattened;
    for (auto kernel : llvm::to_vector(block.getOps<KernelOp>()))
      flattenKernel(kernel, flattened);

    numCompared = numSteps = 0;
    OpGraph graph(block);
    SmallVector<SmallVector<KernelOp>> batches = findBatches(graph, block);
    llvm::erase_if(batches, [&](ArrayRef<KernelOp> batch) {
      return batch.size() < 2 || isWorkForOneBlock(batch);
    });
    order(graph, block, batches);
    reportWork(getOperation(), "batch-kernels",
               {{"comparisons", numCompared}, {"steps", numSteps + graph.getSteps()}});
    for (ArrayRef<KernelOp> batch : batches)
      buildBatch(batch);
  }

private:
  uint64_t numCompared = 0, numSteps = 0;

  /// Kernels that are alike and do not depend on each other: those before which as many
  /// kernels like them must run.
  SmallVector<SmallVector<KernelOp>> findBatches(const OpGraph &graph, Block &block) {
    SmallVector<SmallVector<KernelOp>> classes;
    DenseMap<size_t, SmallVector<size_t>> byHash; // of classes
    for (auto kernel : block.getOps<KernelOp>()) {
      if (!mayDifferInExtents(kernel, getDeviceModel(target, gpu)))
        continue;
      SmallVector<size_t> &candidates = byHash[hashOf(kernel)];
      auto same = llvm::find_if(candidates, [&](size_t i) {
        ++numCompared;
        return areAlike(classes[i].front(), kernel);
      });
      if (same != candidates.end()) {
        classes[*same].push_back(kernel);
        continue;
      }
      candidates.push_back(classes.size());
      classes.push_back({kernel});
    }

    std::map<std::pair<unsigned, unsigned>, SmallVector<KernelOp>> batches;
    for (ArrayRef<KernelOp> alike : classes)
      if (alike.size() > 1)
        divideByLevel(graph, alike, batches);
    SmallVector<SmallVector<KernelOp>> list;
    for (auto &[place, batch] : batches)
      divideBySize(batch, list);
    llvm::sort(list, [](ArrayRef<KernelOp> a, ArrayRef<KernelOp> b) {
      return a.front()->isBeforeInBlock(b.front());
    });
    return list;
  }

  /// Adds the kernels of a class, given in the order of the block, to batches that are named
  /// by the class's first kernel and by the most kernels of the class on a path to a kernel.
  void divideByLevel(const OpGraph &graph, ArrayRef<KernelOp> alike,
                     std::map<std::pair<unsigned, unsigned>, SmallVector<KernelOp>> &batches) {
    // No two groups are merged yet: their names are their places. Only what a kernel of the
    // class leads to is looked at, in the order of the block.
    unsigned first = *graph.find(alike.front()), last = *graph.find(alike.back());
    DenseMap<unsigned, unsigned> level; // of groups that are or were queued
    std::priority_queue<unsigned, std::vector<unsigned>, std::greater<>> queue;
    for (KernelOp kernel : alike) {
      level[*graph.find(kernel)] = 0;
      queue.push(*graph.find(kernel));
    }
    ArrayRef<KernelOp> rest = alike;
    while (!rest.empty()) {
      unsigned group = queue.top();
      queue.pop();
      unsigned own = level[group];
      if (graph.getOps(group).front() == rest.front()) {
        batches[{first, own}].push_back(rest.front());
        rest = rest.drop_front();
        ++own;
      }
      numSteps += graph.getSuccessors(group).size();
      for (unsigned next : graph.getSuccessors(group)) {
        if (next > last)
          continue;
        auto [it, isNew] = level.try_emplace(next, own);
        it->second = std::max(it->second, own);
        if (isNew)
          queue.push(next);
      }
    }
  }

  /// Adds a batch to `list`, in equal parts where it has more tensors than one kernel takes.
  static void divideBySize(ArrayRef<KernelOp> batch, SmallVector<SmallVector<KernelOp>> &list) {
    DenseSet<Value> tensors;
    for (KernelOp kernel : batch) {
      tensors.insert_range(kernel.getInputs());
      tensors.insert_range(kernel.getResults());
    }
    size_t parts = llvm::divideCeil(tensors.size(), kMostTensors);
    for (size_t i = 0; i < parts; ++i) {
      size_t begin = batch.size() * i / parts, end = batch.size() * (i + 1) / parts;
      list.emplace_back(batch.slice(begin, end - begin));
    }
  }

  /// Whether all of a batch is so little that a sequence takes it in.
  bool isWorkForOneBlock(ArrayRef<KernelOp> batch) {
    KernelSize size;
    for (KernelOp kernel : batch)
      size += KernelSize(kernel);
    return suitsOneBlock(size, getDeviceModel(target, gpu));
  }

  /// Orders the block with the kernels of each batch side by side. A batch that could only
  /// run before and after another one is given up.
  static void order(OpGraph &graph, Block &block, SmallVector<SmallVector<KernelOp>> &batches) {
    llvm::erase_if(batches, [&](ArrayRef<KernelOp> batch) {
      auto groups = llvm::map_to_vector(batch, [&](KernelOp k) { return *graph.find(k); });
      if (!graph.canMerge(groups))
        return true;
      graph.merge(groups);
      return false;
    });
    graph.moveOps(block);
  }

  void buildBatch(ArrayRef<KernelOp> batch) {
    llvm::SetVector<Value> inputs;
    SmallVector<Type> types;
    SmallVector<Location> locations;
    for (KernelOp kernel : batch) {
      inputs.insert(kernel.getInputs().begin(), kernel.getInputs().end());
      llvm::append_range(types, kernel.getResultTypes());
      locations.push_back(kernel.getLoc());
    }
    OpBuilder builder(batch.back());
    Location loc = FusedLoc::get(&getContext(), locations);
    auto multi =
        KernelOp::create(builder, loc, types, inputs.getArrayRef(), KernelKind::MultiTensor);
    IRMapping mapping;
    mapping.map(inputs.getArrayRef(), multi.getBodyBlock()->getArguments());
    OpBuilder body = OpBuilder::atBlockEnd(multi.getBodyBlock());
    SmallVector<Value> yielded, replaced;
    for (KernelOp kernel : batch) {
      llvm::append_range(yielded, body.clone(*kernel, mapping)->getResults());
      llvm::append_range(replaced, kernel.getResults());
    }
    plan::YieldOp::create(body, loc, yielded);
    for (auto [old, result] : llvm::zip(replaced, multi.getResults()))
      old.replaceAllUsesWith(result);
    for (KernelOp kernel : batch)
      kernel.erase();
    remark::passed(loc, remark::RemarkOpts::name("multi_tensor")
                            .category("plan-batch-kernels")
                            .function(getOperation().getName()))
        << remark::metric("nodes", joinNodeNames(loc)) << remark::metric("tensors", batch.size());
  }
};
} // namespace
} // namespace ampc
