//===- WeighIslands.cpp - 16 bits where they pay off ----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// After autocast, when every type is known, and before differentiation, so that the gradient of
// what goes back to f32 is f32. What a cast costs depends on fusing, which comes much later: a
// kernel that makes a value writes it in another type for nothing, a library does not.
//
//===----------------------------------------------------------------------===//

#include "PrecisionPolicy.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Product.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Precision/Passes.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

namespace ampc {
#define GEN_PASS_DEF_WEIGHISLANDS
#include "ampc/Precision/Passes.h.inc"

namespace {
constexpr StringLiteral kCategory = "amp-weigh-islands";

/// Of an element, in the low type and more in f32.
constexpr double kLowBytes = 2, kWideBytes = 4;
/// How many times faster tensor cores are in 16 bits than processors are in f32: 14.8 to 16 on the
/// devices that there are models of.
constexpr double kTensorCoreGain = 15;
/// Products that a forward product becomes with its gradient. Each tensor of it is read or written
/// in all three, itself or as its gradient; a weight in two, for its gradient leaves in f32.
constexpr double kPasses = 3, kPassesOfWeight = 2;

double countElements(Value value) {
  return double(cast<RankedTensorType>(value.getType()).getNumElements());
}

bool isLow(Value value) {
  auto type = dyn_cast<FloatType>(getElementTypeOrSelf(value.getType()));
  return type && type.getWidth() == 16;
}

bool isF32(Value value) { return getElementTypeOrSelf(value.getType()).isF32(); }

/// The cast from f32 that autocast put before `value`; null where there is none.
CastOp castFromF32(Value value) {
  auto op = value.getDefiningOp<CastOp>();
  return op && op.getInserted() && isLow(value) && isF32(op.getInput()) ? op : CastOp();
}

bool isCastToLow(Operation *op) {
  return op->getNumResults() == 1 && castFromF32(op->getResult(0));
}

/// The variable that `value` is read from; null where it is computed.
VariableOp variableOf(Value value) {
  auto read = value.getDefiningOp<ReadOp>();
  return read ? SymbolTable::lookupNearestSymbolFrom<VariableOp>(read, read.getVariableAttr())
              : VariableOp();
}

/// Whether the lists, and no one else, have an op compute in 16 bits that can be weighed.
bool isCandidate(Operation *op) {
  auto precision = dyn_cast<PrecisionOpInterface>(op);
  if (!precision || !isa<ProductOpInterface>(op) || isDecidedByUser(op))
    return false;
  SmallVector<OpOperand *> operands = computedOperands(precision);
  // A product whose result is wide is a part of a sum in f32 already.
  return !operands.empty() && op->getNumResults() == 1 && isLow(op->getResult(0)) &&
         llvm::all_of(operands, [](OpOperand *operand) { return isLow(operand->get()); });
}

/// Names an op in all functions of a module; "" where it stands for no node.
std::string keyOf(Operation *op) {
  std::string names = llvm::join(getNodeNames(op->getLoc()), "\n");
  return names.empty() ? "" : (op->getName().getStringRef() + "\n" + names).str();
}

using Island = SmallVector<Operation *>;

/// In microseconds.
struct Figures {
  double cost = 0, saved = 0;
  unsigned casts = 0, launches = 0;
};

struct WeighIslands : impl::WeighIslandsBase<WeighIslands> {
  using WeighIslandsBase::WeighIslandsBase;

  void runOnOperation() override {
    model = &getDeviceModel(Target::Cuda, gpu);
    auto train = getOperation().lookupSymbol<func::FuncOp>(kTrainFunction);
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && function.getName() != kInitFunction)
        hoistCasts(function);
    if (train && failed(weigh(train)))
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function == train || function.getName() == kInitFunction)
        continue;
      if (failed(train ? dropAs(function) : weigh(function)))
        return signalPassFailure();
    }
  }

private:
  const DeviceModel *model = nullptr;
  /// What was dropped in @train: the reason by `keyOf`.
  llvm::StringMap<std::string> dropped;

  void hoistCasts(func::FuncOp function);
  LogicalResult weigh(func::FuncOp function);
  /// Drops what was dropped in @train.
  LogicalResult dropAs(func::FuncOp function);
  std::vector<Island> findIslands(func::FuncOp function) const;
  bool isConnectedElsewhere(const Island &island) const;
  Figures weigh(const Island &island, bool isTrained) const;
  void addCast(CastOp cast, const DenseSet<Operation *> &inside, bool isTrained,
               Figures &figures) const;
  LogicalResult drop(const Island &island, StringRef reason);
};

/// A remark as autocast's: reports tell the last type of an op by it.
void remarkType(Operation *op, Precision category, StringRef reason) {
  std::string type = llvm::formatv("{0}", getElementTypeOrSelf(op->getOperand(0).getType())).str();
  remark::analysis(op->getLoc(), remark::RemarkOpts::name("computes-in")
                                     .category(kCategory)
                                     .function(op->getName().getStringRef()))
      << remark::metric("type", type) << remark::metric("list", stringify(category))
      << remark::reason("{0}", reason)
      << remark::metric("function", op->getParentOfType<func::FuncOp>().getName());
}

//===----------------------------------------------------------------------===//
// Casts of inputs
//===----------------------------------------------------------------------===//

/// What gives `value`, where that only puts the elements of a tensor in f32 into other places; null
/// else.
OpOperand *movedTensor(Value value) {
  auto op = dyn_cast_if_present<PrecisionOpInterface>(value.getDefiningOp());
  auto uses = dyn_cast_if_present<OperandUseOpInterface>(value.getDefiningOp());
  if (!op || !uses || op->getNumResults() != 1 || !op.getPrecisionRecord().isFollow())
    return nullptr;
  SmallVector<OpOperand *> operands = computedOperands(op);
  if (operands.size() != 1)
    return nullptr;
  OpOperand *moved = operands.front();
  bool isMoved = uses.getOperandUse(moved->getOperandNumber()) == OperandUse::Moved &&
                 countElements(moved->get()) == countElements(value) && isF32(moved->get());
  return isMoved ? moved : nullptr;
}

/// `movedTensor`, where it is an input, all else between reads nothing else, and the user did not
/// decide about it.
OpOperand *movedInput(Value value) {
  OpOperand *moved = movedTensor(value);
  if (!moved || isDecidedByUser(moved->getOwner()) || !value.hasOneUse() ||
      !moved->get().hasOneUse())
    return nullptr;
  return isa<BlockArgument>(moved->get()) || movedInput(moved->get()) ? moved : nullptr;
}

/// The tensor that `value` is with other dimensions. Among ops that move elements those that change
/// the rank do no more than that.
OpOperand *viewedTensor(Value value) {
  auto rank = [](Value x) { return cast<RankedTensorType>(x.getType()).getRank(); };
  OpOperand *moved = movedTensor(value);
  return moved && rank(moved->get()) != rank(value) ? moved : nullptr;
}

void WeighIslands::hoistCasts(func::FuncOp function) {
  SmallVector<CastOp> casts;
  function.walk([&](CastOp op) {
    if (isCastToLow(op))
      casts.push_back(op);
  });
  while (!casts.empty()) {
    CastOp cast = casts.pop_back_val();
    OpOperand *operand = movedInput(cast.getInput());
    if (!operand)
      continue;
    Operation *op = operand->getOwner();
    Type element = getElementTypeOrSelf(cast.getType());
    auto type = mlir::cast<RankedTensorType>(operand->get().getType()).clone(element);
    OpBuilder b(op);
    auto before = CastOp::create(b, cast.getLoc(), type, operand->get());
    before.setInserted(true);
    operand->set(before);
    op->getResult(0).setType(mlir::cast<RankedTensorType>(cast.getType()));
    cast.replaceAllUsesWith(op->getResult(0));
    cast.erase();
    remarkType(op, Precision::Follow, "moves an input that is read in the low type");
    casts.push_back(before);
    ++numHoisted;
  }
}

//===----------------------------------------------------------------------===//
// Islands
//===----------------------------------------------------------------------===//

std::vector<Island> WeighIslands::findIslands(func::FuncOp function) const {
  std::vector<Operation *> candidates;
  llvm::EquivalenceClasses<Operation *> classes;
  function.walk([&](Operation *op) {
    if (!isCandidate(op))
      return;
    candidates.push_back(op);
    classes.insert(op);
    for (OpOperand *operand : computedOperands(cast<PrecisionOpInterface>(op))) {
      Operation *source = operand->get().getDefiningOp();
      if (!source)
        continue;
      if (isCandidate(source))
        classes.unionSets(op, source);
      // Not of a weight: its copy is there for each alone.
      if (isCastToLow(source) && !variableOf(source->getOperand(0)))
        for (Operation *other : source->getUsers())
          if (isCandidate(other))
            classes.unionSets(op, other);
    }
  });
  // In the order of the function.
  std::vector<Island> islands;
  DenseMap<Operation *, size_t> places;
  for (Operation *op : candidates) {
    auto [it, isNew] = places.try_emplace(classes.getLeaderValue(op), islands.size());
    if (isNew)
      islands.emplace_back();
    islands[it->second].push_back(op);
  }
  return islands;
}

/// Whether a library computes with a result in the low type, outside of the island: it would be
/// cast there, and by no kernel.
bool WeighIslands::isConnectedElsewhere(const Island &island) const {
  return llvm::any_of(island, [&](Operation *op) {
    return llvm::any_of(op->getUsers(), [&](Operation *user) {
      auto precision = dyn_cast<PrecisionOpInterface>(user);
      return precision && precision.getPrecisionRecord().f16 == Precision::Allow &&
             !llvm::is_contained(island, user);
    });
  });
}

void WeighIslands::addCast(CastOp cast, const DenseSet<Operation *> &inside, bool isTrained,
                           Figures &figures) const {
  // One that others read as well stays.
  if (!llvm::all_of(cast->getUsers(), [&](Operation *user) { return inside.contains(user); }))
    return;
  Value source = cast.getInput();
  double elements = countElements(source);
  VariableOp variable = variableOf(source);
  bool isCopied = variable && (variable.getRole() == VariableRole::Parameter ||
                               variable.getRole() == VariableRole::Constant);
  if (isCopied) { // kept from step to step, and written by the update
    if (isTrained && variable.getTrained())
      figures.cost += elements * kLowBytes / model->bandwidth;
    return;
  }
  bool isOnlyCast = llvm::all_of(source.getUsers(), isCastToLow);
  while (OpOperand *viewed = viewedTensor(source)) {
    source = viewed->get();
    isOnlyCast &= source.hasOneUse();
  }
  Operation *op = source.getDefiningOp();
  if (!op && isOnlyCast) // staged in the low type
    return;
  ++figures.casts;
  // Another product, an input, state: nothing there could write a second type.
  bool isKernel = op && !isa<ProductOpInterface>(op) && !variable;
  if (isKernel) {
    figures.cost += isOnlyCast ? 0 : elements * kLowBytes / model->bandwidth;
    return;
  }
  ++figures.launches;
  figures.cost += model->launchTime + elements * (kWideBytes + kLowBytes) / model->bandwidth;
}

Figures WeighIslands::weigh(const Island &island, bool isTrained) const {
  Figures figures;
  DenseSet<Operation *> inside(llvm::from_range, island);
  DenseSet<Value> seen;
  constexpr int64_t vector = DeviceModel::kVectorBytes / int64_t(kLowBytes);
  double bytes = 0, flops = 0;
  for (Operation *op : island) {
    for (OpOperand *operand : computedOperands(cast<PrecisionOpInterface>(op))) {
      Value value = operand->get();
      CastOp cast = castFromF32(value);
      bool isWeight = cast && variableOf(cast.getInput());
      bytes += countElements(value) * (kWideBytes - kLowBytes) *
               (!isTrained ? 1
                : isWeight ? kPassesOfWeight
                           : kPasses);
      if (cast && seen.insert(value).second)
        addCast(cast, inside, isTrained, figures);
    }
    bytes += countElements(op->getResult(0)) * (kWideBytes - kLowBytes) * (isTrained ? kPasses : 1);
    ProductExtents extents = cast<ProductOpInterface>(op).getProductExtents();
    if (extents.inner % vector == 0 && extents.columns % vector == 0)
      flops += extents.flops * (isTrained ? kPasses : 1);
  }
  figures.saved = bytes / model->bandwidth + flops * (kTensorCoreGain - 1) / model->productRate;
  return figures;
}

LogicalResult WeighIslands::weigh(func::FuncOp function) {
  // A step whose gradients are spelled out has its products all there.
  bool isTrained = !function.getOps<GradientOp>().empty();
  for (const Island &island : findIslands(function)) {
    Figures figures = weigh(island, isTrained);
    bool isDropped = figures.cost > figures.saved && !isConnectedElsewhere(island);
    if (!isDropped && figures.launches == 0)
      continue;
    auto opts = remark::RemarkOpts::name(isDropped ? "drop" : "keep")
                    .category(kCategory)
                    .function(island.front()->getName().getStringRef());
    Location loc = island.front()->getLoc();
    (isDropped ? remark::passed(loc, opts) : remark::missed(loc, opts))
        << remark::metric("products", unsigned(island.size()))
        << remark::metric("casts", figures.casts) << remark::metric("launches", figures.launches)
        << remark::metric("cost", figures.cost) << remark::metric("saved", figures.saved);
    if (!isDropped)
      continue;
    std::string reason = llvm::formatv("its casts take {0:f1} ns, and 16 bits save {1:f1} ns",
                                       1000 * figures.cost, 1000 * figures.saved);
    for (Operation *op : island)
      if (std::string key = keyOf(op); !key.empty())
        dropped[key] = reason;
    if (failed(drop(island, reason)))
      return failure();
  }
  return success();
}

LogicalResult WeighIslands::dropAs(func::FuncOp function) {
  SmallVector<std::pair<Operation *, StringRef>> found;
  function.walk([&](Operation *op) {
    if (isCandidate(op))
      if (auto it = dropped.find(keyOf(op)); it != dropped.end())
        found.push_back({op, it->second});
  });
  for (auto [op, reason] : found)
    if (failed(drop({op}, reason)))
      return failure();
  return success();
}

LogicalResult WeighIslands::drop(const Island &island, StringRef reason) {
  for (Operation *op : island) {
    OpBuilder b(op);
    for (OpOperand *operand : computedOperands(cast<PrecisionOpInterface>(op))) {
      Value value = operand->get();
      if (isF32(value)) // given by the island
        continue;
      if (CastOp cast = castFromF32(value)) {
        operand->set(cast.getInput());
        if (cast->use_empty())
          cast->erase();
        continue;
      }
      auto wide = cast<RankedTensorType>(value.getType()).clone(b.getF32Type());
      auto made = CastOp::create(b, value.getLoc(), wide, value);
      made.setInserted(true);
      operand->set(made);
    }
    Value result = op->getResult(0);
    auto low = cast<RankedTensorType>(result.getType());
    if (failed(inferResultTypes(op)))
      return failure();
    remarkType(op, Precision::Deny, reason);
    ++numDropped;
    CastOp narrowed;
    for (OpOperand &use : llvm::make_early_inc_range(result.getUses())) {
      Operation *user = use.getOwner();
      if (llvm::is_contained(island, user))
        continue;
      auto widened = dyn_cast<CastOp>(user);
      if (widened && widened.getInserted() && isF32(widened.getResult())) {
        widened.replaceAllUsesWith(result);
        widened.erase();
        continue;
      }
      if (!narrowed) {
        b.setInsertionPointAfter(op);
        narrowed = CastOp::create(b, op->getLoc(), low, result);
        narrowed.setInserted(true);
      }
      use.set(narrowed);
    }
  }
  return success();
}
} // namespace
} // namespace ampc
