//===- ChooseLayouts.cpp - Store tensors as libraries prefer them ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Orders spread from the ops that prefer one to all around them that can compute in it, and are
// then taken back from the rim inwards where that saves transposes. The other way, growing op by op
// while it saves bytes, would stop at the first cast to f32, behind which there may be a cast to
// f16 again. Each step looks at an op, a value or a use a bounded number of times.
//
//===----------------------------------------------------------------------===//

#include "OpGraph.h"
#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/LibraryTable.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/FoldUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "ampc/Optimize/Passes.h.inc"

namespace {
/// An order of LayoutOpInterface, unique by its numbers; null is the file's.
using Order = DenseI64ArrayAttr;

/// What a target's libraries compute, all of which prefer channels last.
class ChannelsLastLibraries : public LibrarySupport {
public:
  explicit ChannelsLastLibraries(Target target) : table(target) {}
  bool supports(const LibraryRequest &request) const override { return table.supports(request); }
  Type nearestResult(const LibraryRequest &request) const override {
    return table.nearestResult(request);
  }
  bool prefersChannelsLast(const LibraryRequest &) const override { return true; }
  bool fusesAttention(Type element, int64_t size) const override {
    return table.fusesAttention(element, size);
  }
  bool hasManyThreads() const override { return table.hasManyThreads(); }

private:
  LibraryTable table;
};

/// The orders that the ops of a function compute in.
class Choice {
public:
  Choice(func::FuncOp function, const LibrarySupport &libraries)
      : function(function), libraries(libraries) {}

  /// Gives ops the order that they prefer; whether there are any.
  bool seed();
  /// Gives the ops around them the same, where they can compute in it.
  void spread();
  /// Takes orders back from the ops that were only reached where that saves transposes.
  void takeBack();

  /// The order that an op computes in.
  Order of(Operation *op) const { return orders.lookup(op); }
  bool isPreferred(Operation *op) const { return preferring.contains(op); }
  /// The order in which a value lies, and that in which an operand is read.
  Order ofValue(Value value) const;
  Order ofOperand(OpOperand &operand) const;
  /// The bytes that are read and written to have `value`, which lies in one order, in another.
  static uint64_t costOfMove(Value value, Order from, Order to);

  uint64_t visits = 0; ///< of uses, to see how they grow

private:
  static Order makeOrder(Operation *op, ArrayRef<int64_t> order);
  static bool movesNothing(Value value, Order order);
  /// Whether a value takes its order to the ops that define and read it.
  static bool spreadsBy(Value value, Order order);
  void reach(Operation *op, Order order, function_ref<bool(LayoutOpInterface)> fits);
  void set(Operation *op, Order order);
  uint64_t costOf(Value value) const;

  /// Operands that read a value, by the order they read it in.
  struct Readers {
    SmallVector<std::pair<Order, unsigned>, 2> counts;
    unsigned &operator[](Order order);
  };
  void count(Operation *op, int change);

  func::FuncOp function;
  const LibrarySupport &libraries;
  DenseMap<Operation *, Order> orders;
  DenseSet<Operation *> preferring;
  SmallVector<Operation *> given; ///< all ops that got an order, as they got it
  DenseMap<Value, Readers> readers;
};

/// Rewrites a function as chosen.
class Rewrite {
public:
  Rewrite(func::FuncOp function, const Choice &choice)
      : function(function), choice(choice), builder(function.getContext()) {}
  void run();

private:
  void rewrite(Operation *op);
  /// What `value` has become, in `order`.
  Value get(Value value, Order order);
  void fold();

  func::FuncOp function;
  const Choice &choice;
  OpBuilder builder;
  DenseMap<std::pair<Value, Attribute>, Value> versions;
};

void tell(func::FuncOp function, const Choice &choice);

struct ChooseLayouts : impl::ChooseLayoutsBase<ChooseLayouts> {
  using ChooseLayoutsBase::ChooseLayoutsBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    LibraryTable table(target);
    ChannelsLastLibraries pretended(target);
    const LibrarySupport *libraries = &table;
    if (preferChannelsLast)
      libraries = &pretended;
    Choice choice(function, *libraries);
    if (!choice.seed())
      return;
    choice.spread();
    choice.takeBack();
    reportWork(function, "choose-layouts", {{"visits", choice.visits}});
    tell(function, choice);
    Rewrite(function, choice).run();
  }
};

//===----------------------------------------------------------------------===//
// Choice
//===----------------------------------------------------------------------===//

Order Choice::makeOrder(Operation *op, ArrayRef<int64_t> order) {
  return order.empty() ? Order() : Order::get(op->getContext(), order);
}

Order Choice::ofValue(Value value) const {
  auto result = dyn_cast<OpResult>(value);
  Order order = result ? of(result.getOwner()) : Order();
  if (!order)
    return {};
  auto op = cast<LayoutOpInterface>(result.getOwner());
  return makeOrder(op, op.getResultOrder(result.getResultNumber(), order));
}

Order Choice::ofOperand(OpOperand &operand) const {
  Order order = of(operand.getOwner());
  if (!order)
    return {};
  auto op = cast<LayoutOpInterface>(operand.getOwner());
  return makeOrder(op, op.getOperandOrder(operand.getOperandNumber(), order));
}

bool Choice::seed() {
  for (auto op : function.front().getOps<LayoutOpInterface>())
    if (Order order = makeOrder(op, op.getPreferredOrder(libraries))) {
      set(op, order);
      preferring.insert(op);
    }
  return !given.empty();
}

void Choice::set(Operation *op, Order order) {
  orders[op] = order;
  given.push_back(op);
}

bool Choice::spreadsBy(Value value, Order order) {
  // Many ops may share a constant that have nothing else in common.
  return order && cast<RankedTensorType>(value.getType()).getRank() == order.size() &&
         !matchPattern(value, m_Constant());
}

void Choice::reach(Operation *op, Order order, function_ref<bool(LayoutOpInterface)> fits) {
  ++visits;
  auto layout = dyn_cast_if_present<LayoutOpInterface>(op);
  if (layout && !of(op) && layout.getOrderedRank() == order.size() &&
      layout.computesIn(order, libraries) && fits(layout))
    set(op, order);
}

void Choice::spread() {
  DenseSet<std::pair<Value, Attribute>> seen;
  auto spreadBy = [&](Value value, Order order) {
    if (!spreadsBy(value, order) || !seen.insert({value, order}).second)
      return;
    reach(value.getDefiningOp(), order, [&](LayoutOpInterface op) {
      return op.getResultOrder(cast<OpResult>(value).getResultNumber(), order) ==
             ArrayRef<int64_t>(order);
    });
    for (OpOperand &use : value.getUses())
      reach(use.getOwner(), order, [&](LayoutOpInterface op) {
        return op.getOperandOrder(use.getOperandNumber(), order) == ArrayRef<int64_t>(order);
      });
  };
  for (size_t i = 0; i < given.size(); ++i) { // which grows
    Operation *op = given[i];
    for (OpOperand &operand : op->getOpOperands())
      spreadBy(operand.get(), ofOperand(operand));
    for (Value result : op->getResults())
      spreadBy(result, ofValue(result));
  }
}

bool Choice::movesNothing(Value value, Order order) {
  if (!order)
    return true;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  int64_t added = order.size() - int64_t(shape.size()), last = -1;
  for (int64_t from : order.asArrayRef()) {
    if (from < added || shape[from - added] == 1)
      continue;
    if (from < last)
      return false;
    last = from;
  }
  return true;
}

uint64_t Choice::costOfMove(Value value, Order from, Order to) {
  if (from == to || (movesNothing(value, from) && movesNothing(value, to)))
    return 0;
  DenseElementsAttr constant;
  if (matchPattern(value, m_Constant(&constant)) && constant.isSplat())
    return 0;
  auto type = cast<RankedTensorType>(value.getType());
  uint64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  return 2 * bytes * uint64_t(type.getNumElements());
}

unsigned &Choice::Readers::operator[](Order order) {
  for (auto &[known, number] : counts)
    if (known == order)
      return number;
  return counts.emplace_back(order, 0).second;
}

uint64_t Choice::costOf(Value value) const {
  uint64_t cost = 0;
  auto known = readers.find(value);
  if (known != readers.end())
    for (auto [order, number] : known->second.counts)
      if (number != 0)
        cost += costOfMove(value, ofValue(value), order);
  return cost;
}

/// Adds or takes away what an op reads.
void Choice::count(Operation *op, int change) {
  for (OpOperand &operand : op->getOpOperands())
    readers[operand.get()][ofOperand(operand)] += change;
}

void Choice::takeBack() {
  for (Operation &op : function.front())
    count(&op, 1);
  SmallVector<Operation *> list;
  DenseSet<Operation *> waiting;
  auto push = [&](Operation *op) {
    if (op && of(op) && !isPreferred(op) && waiting.insert(op).second)
      list.push_back(op);
  };
  for (Operation *op : llvm::reverse(given)) // from the rim
    push(op);
  for (size_t i = 0; i < list.size(); ++i) { // which grows
    Operation *op = list[i];
    ++visits;
    waiting.erase(op);
    Order order = of(op);
    llvm::SmallSetVector<Value, 4> around;
    around.insert_range(op->getOperands());
    around.insert_range(op->getResults());
    auto total = [&] {
      uint64_t cost = 0;
      for (Value value : around)
        cost += costOf(value);
      return cost;
    };
    SmallVector<Value> moved; // what the op reads or writes in another order now
    for (OpOperand &operand : op->getOpOperands())
      if (ofOperand(operand))
        moved.push_back(operand.get());
    for (Value result : op->getResults())
      if (ofValue(result))
        moved.push_back(result);
    uint64_t before = total();
    count(op, -1);
    orders[op] = {};
    count(op, 1);
    if (total() >= before) {
      count(op, -1);
      orders[op] = order;
      count(op, 1);
      continue;
    }
    // Others may follow where a value lies in another order now, or has its first readers in the
    // file's, or its last but one in this.
    for (Value value : moved) {
      Readers &read = readers[value];
      if (value.getDefiningOp() != op && read[{}] > 1 && read[order] > 1)
        continue;
      push(value.getDefiningOp());
      for (Operation *user : value.getUsers()) {
        ++visits;
        push(user);
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Rewrite
//===----------------------------------------------------------------------===//

void Rewrite::run() {
  for (Operation &op : llvm::make_early_inc_range(function.front()))
    rewrite(&op);
  fold();
}

void Rewrite::rewrite(Operation *op) {
  Order order = choice.of(op);
  if (!order) {
    for (OpOperand &operand : op->getOpOperands())
      operand.set(get(operand.get(), {}));
    return;
  }
  builder.setInsertionPoint(op);
  Operation *moved = builder.clone(*op);
  for (OpOperand &operand : op->getOpOperands())
    moved->setOperand(operand.getOperandNumber(), get(operand.get(), choice.ofOperand(operand)));
  for (OpResult result : op->getResults()) {
    Order lies = choice.ofValue(result);
    OpResult other = moved->getResult(result.getResultNumber());
    auto type = cast<RankedTensorType>(result.getType());
    if (lies)
      other.setType(type.clone(applyPermutation(type.getShape(), lies)));
    versions[{result, lies}] = other;
  }
  cast<LayoutOpInterface>(moved).setOrder(order);
}

Value Rewrite::get(Value value, Order order) {
  auto known = versions.find({value, order});
  if (known != versions.end())
    return known->second;
  Order lies = choice.ofValue(value);
  if (order == lies)
    return value;
  // By way of the file's order; two transposes in a row fold into one.
  Value from = order ? get(value, {}) : get(value, lies);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfterValue(from);
  Value moved = buildPermutation(builder, value.getLoc(), from,
                                 order ? SmallVector<int64_t>(order.asArrayRef())
                                       : invertPermutationVector(lies));
  versions[{value, order}] = moved;
  return moved;
}

/// The file's own transposes meet those that were added.
void Rewrite::fold() {
  OperationFolder folder(function.getContext());
  for (Operation &op : llvm::make_early_inc_range(function.front())) {
    bool inPlace = true;
    while (inPlace)
      if (failed(folder.tryToFold(&op, &inPlace)))
        break;
  }
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

//===----------------------------------------------------------------------===//
// Remarks
//===----------------------------------------------------------------------===//

std::string toText(Order order) {
  return order ? "[" +
                     llvm::join(llvm::map_range(order.asArrayRef(),
                                                [](int64_t x) { return std::to_string(x); }),
                                ", ") +
                     "]"
               : "the file's";
}

/// Tells the ops that have another order than the file's, and what is transposed for it.
void tell(func::FuncOp function, const Choice &choice) {
  auto named = [&](StringRef name) {
    return remark::RemarkOpts::name(name)
        .category("plan-choose-layouts")
        .function(function.getName());
  };
  auto tellMoves = [&](Value value) {
    SmallVector<Order> told{choice.ofValue(value)};
    for (OpOperand &use : value.getUses()) {
      Order order = choice.ofOperand(use);
      if (llvm::is_contained(told, order))
        continue;
      told.push_back(order);
      if (uint64_t bytes = Choice::costOfMove(value, told.front(), order))
        remark::passed(value.getLoc(), named("transpose"))
            << remark::metric("nodes", joinNodeNames(value.getLoc()))
            << remark::metric("from", toText(told.front())) << remark::metric("to", toText(order))
            << remark::metric("bytes", bytes);
    }
  };
  for (Value argument : function.getArguments())
    tellMoves(argument);
  for (Operation &op : function.front()) {
    if (Order order = choice.of(&op))
      remark::passed(op.getLoc(), named("layout"))
          << remark::metric("nodes", joinNodeNames(op.getLoc()))
          << remark::metric("order", toText(order))
          << remark::reason("{0}", choice.isPreferred(&op) ? "the op's library prefers it"
                                                           : "its neighbours lie so");
    for (Value result : op.getResults())
      tellMoves(result);
  }
}
} // namespace
} // namespace ampc
