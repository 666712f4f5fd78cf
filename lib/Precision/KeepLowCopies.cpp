//===- KeepLowCopies.cpp - Keep the low-precision copy of a master --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LowCopies.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Precision/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace ampc {
#define GEN_PASS_DEF_KEEPLOWCOPIES
#include "ampc/Precision/Passes.h.inc"

VariableOp getCopiedVariable(Value value, const SymbolTable &symbols) {
  auto cast = value.getDefiningOp<CastOp>();
  auto type = dyn_cast<FloatType>(getElementTypeOrSelf(value.getType()));
  auto read = cast ? cast.getInput().getDefiningOp<ReadOp>() : ReadOp();
  if (!read || !cast.getInserted() || !type || type.getWidth() > 16)
    return {};
  auto variable = symbols.lookup<VariableOp>(read.getVariable());
  bool isCopied =
      variable.getRole() == VariableRole::Parameter || variable.getRole() == VariableRole::Constant;
  return isCopied ? variable : VariableOp();
}

bool areAlignedInARow(ValueRange parts) {
  return llvm::all_of(parts.drop_back(), [](Value part) {
    auto type = mlir::cast<RankedTensorType>(part.getType());
    int64_t bits = type.getNumElements() * type.getElementTypeBitWidth();
    return bits != 0 && bits % (8 * AMPC_ALIGNMENT) == 0;
  });
}

namespace {
/// A tensor in the low type, of which each function that reads it makes one.
struct LowCopy {
  SmallVector<VariableOp> masters; ///< whose copies it is, one behind the other
  SmallVector<Value> made;         ///< all of one type
};

struct KeepLowCopies : impl::KeepLowCopiesBase<KeepLowCopies> {
  void runOnOperation() override {
    SymbolTable table(getOperation());
    symbols = &table;
    assigns.clear();
    getOperation().walk(
        [&](AssignOp assign) { assigns[assign.getVariableAttr().getAttr()].push_back(assign); });
    // All are found before any is kept: what writes a copy casts a master, too.
    LowCopies copies;
    DenseSet<Operation *> joins;
    getOperation().walk([&](JoinOpInterface join) {
      if (join.getJoinedDim() == 0 && addCopy(join->getResult(0), join->getOperands(), copies))
        joins.insert(join);
    });
    getOperation().walk([&](CastOp cast) {
      auto isJoin = [&](Operation *user) { return joins.contains(user); };
      if (cast->use_empty() || !llvm::all_of(cast->getUsers(), isJoin))
        addCopy(cast, cast->getResults(), copies);
    });
    for (auto &entry : copies)
      keep(entry.second);
  }

private:
  using LowCopies = llvm::MapVector<std::pair<ArrayAttr, Type>, LowCopy>;

  SymbolTable *symbols = nullptr;
  DenseMap<StringAttr, SmallVector<AssignOp>> assigns; ///< by variable, as they were

  /// Adds `made`, whose parts are `parts`, where these are low copies that can be kept one behind
  /// the other.
  bool addCopy(Value made, ValueRange parts, LowCopies &copies) {
    SmallVector<VariableOp> masters;
    SmallVector<Attribute> names;
    for (Value part : parts)
      if (VariableOp master = getCopiedVariable(part, *symbols)) {
        masters.push_back(master);
        names.push_back(master.getSymNameAttr());
      }
    if (masters.size() != parts.size() || !areAlignedInARow(parts) || !areAssignedTogether(masters))
      return false;
    LowCopy &copy = copies[{ArrayAttr::get(&getContext(), names), made.getType()}];
    copy.masters = std::move(masters);
    copy.made.push_back(made);
    return true;
  }

  /// Whether each function assigns all of them or none, so that it leaves no piece of the copy out.
  bool areAssignedTogether(ArrayRef<VariableOp> masters) {
    auto assigning = [&](VariableOp master) {
      return llvm::map_to_vector(assigns.lookup(master.getSymNameAttr()),
                                 [](AssignOp assign) { return assign->getParentOp(); });
    };
    return llvm::all_of(masters, [&](VariableOp master) {
      return assigning(master) == assigning(masters.front());
    });
  }

  /// Makes a variable of the copy.
  void keep(LowCopy &copy) {
    Type type = copy.made.front().getType();
    std::string name =
        "ampc.copy/" +
        llvm::join(
            llvm::map_range(copy.masters, [](VariableOp master) { return master.getSymName(); }),
            "+");
    if (symbols->lookup(name)) // a second low type of the same master
      name += llvm::formatv("/{0}", getElementTypeOrSelf(type)).str();
    OpBuilder b(&getContext());
    b.setInsertionPointAfter(copy.masters.back());
    Location loc = b.getFusedLoc(
        llvm::map_to_vector(copy.masters, [](VariableOp master) { return master.getLoc(); }));
    symbols->insert(VariableOp::create(b, loc, VariableRole::Derived, name, type, ElementsAttr(),
                                       false, false));
    for (Value made : copy.made) {
      Operation *op = made.getDefiningOp();
      b.setInsertionPoint(op);
      made.replaceAllUsesWith(ReadOp::create(b, op->getLoc(), type, name));
      SmallVector<Value> parts(op->getOperands());
      op->erase();
      for (Value part : parts)
        if (Operation *cast = part.getDefiningOp(); isOpTriviallyDead(cast))
          cast->erase();
    }
    func::FuncOp refresh = getRefresh();
    int64_t place = 0;
    for (VariableOp master : copy.masters) {
      Type part = master.getTensorType().clone(getElementTypeOrSelf(type));
      for (AssignOp assign : assigns.lookup(master.getSymNameAttr())) {
        b.setInsertionPointAfter(assign);
        assignCopy(b, assign.getLoc(), name, assign.getValue(), part, place);
      }
      b.setInsertionPoint(refresh.getBody().front().getTerminator());
      assignCopy(b, master.getLoc(), name,
                 ReadOp::create(b, master.getLoc(), master.getTensorType(), master.getSymName()),
                 part, place);
      place += master.getTensorType().getNumElements();
    }
  }

  static void assignCopy(OpBuilder &b, Location loc, StringRef name, Value value, Type type,
                         int64_t place) {
    auto copy = CastOp::create(b, loc, type, value);
    copy.setInserted(true);
    AssignOp::create(b, loc, name, copy, place);
  }

  func::FuncOp getRefresh() {
    auto refresh = symbols->lookup<func::FuncOp>(kRefreshFunction);
    if (refresh)
      return refresh;
    OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
    Location loc = getOperation().getLoc();
    refresh = func::FuncOp::create(b, loc, kRefreshFunction, b.getFunctionType({}, {}));
    symbols->insert(refresh);
    b.setInsertionPointToEnd(refresh.addEntryBlock());
    func::ReturnOp::create(b, loc);
    return refresh;
  }
};
} // namespace
} // namespace ampc
