//===- LowerOps.cpp - Replace every op by what it says it computes ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EraseSigns.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Plan/Views.h"
#include "ampc/Optimize/LibraryTable.h"
#include "ampc/Optimize/Passes.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_LOWEROPS
#include "ampc/Optimize/Passes.h.inc"

namespace {
struct LowerOps : impl::LowerOpsBase<LowerOps> {
  using LowerOpsBase::LowerOpsBase;

  void runOnOperation() override {
    constants.clear();
    // Before the bodies of loops, which it adds.
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (!function.isExternal())
        lower(function);
    // An iteration gives a part of what the loop gives.
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr(plan::kLoopBodyAttr))
        function.walk([](Operation *op) { op->setLoc(nameNoResult(op->getLoc())); });
    eraseSigns(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      if (failed(simplify(function)))
        return signalPassFailure();
      function.walk([](linalg::GenericOp generic) { separateUses(generic); });
      placeConstants(function);
      sinkConstants(function);
    }
    eraseUnusedBodies();
  }

private:
  /// Variables made for constants, by value.
  DenseMap<Attribute, VariableOp> constants;

  void lower(func::FuncOp function) const {
    IRRewriter rewriter(function.getContext());
    LibraryTable libraries(target);
    function.walk([&](KernelOpInterface op) {
      rewriter.setInsertionPoint(op);
      KernelBuilder kernel(rewriter, op.getLoc(), &libraries);
      Operation *before = op->getPrevNode();
      SmallVector<Value> results = op.emitKernel(kernel, op->getOperands());
      nameResultsOf(op, before, results);
      rewriter.replaceOp(op, results);
    });
  }

  /// Of what is made in the place of `op`, behind `before`, that keeps a name which is what the op
  /// gives.
  static void nameResultsOf(Operation *op, Operation *before, ArrayRef<Value> results) {
    DenseMap<Operation *, SmallVector<StringRef>> names;
    for (auto [i, result] : llvm::enumerate(results)) {
      auto made = dyn_cast_if_present<OpResult>(getViewed(result));
      if (!made)
        continue;
      SmallVector<StringRef> &given = names[made.getOwner()];
      given.resize(made.getOwner()->getNumResults());
      given[made.getResultNumber()] = getResultName(op->getLoc(), i).value;
    }
    bool isGradient = getResultName(op->getLoc(), 0).isGradient;
    Block::iterator first = before ? std::next(before->getIterator()) : op->getBlock()->begin();
    for (Operation &made : llvm::make_range(first, op->getIterator())) {
      Location loc = nameResults(made.getLoc(), names.lookup(&made), isGradient);
      // Listed, so that patterns which put ops together say which one stays.
      SmallVector<Location> each;
      for (unsigned i = 0; i != made.getNumResults(); ++i)
        each.push_back(pickResult(loc, i));
      made.setLoc(isa<linalg::GenericOp>(made) ? joinResults(loc, each) : loc);
    }
  }

  /// Takes constants of one value into bodies, and drops unused operands and results.
  static LogicalResult simplify(func::FuncOp function) {
    MLIRContext *context = function.getContext();
    RewritePatternSet patterns(context);
    linalg::populateElementwiseOpsFusionPatterns(patterns, [](OpOperand *) { return false; });
    linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
    return applyPatternsGreedily(function, std::move(patterns));
  }

  /// Gives each select of an operand an operand of its own, where patterns have made one of
  /// several: of what is concatenated with itself, each part has its range (OperandIndex.h).
  static void separateUses(linalg::GenericOp generic) {
    unsigned count = generic.getNumDpsInputs();
    for (unsigned i = 0; i < count; ++i) {
      BlockArgument argument = generic.getBody()->getArgument(i);
      auto isChosen = [](OpOperand &use) {
        return isa<arith::SelectOp>(use.getOwner()) && use.getOperandNumber() == 1;
      };
      if (argument.use_empty() || !llvm::all_of(argument.getUses(), isChosen))
        continue;
      for (OpOperand &use : llvm::make_early_inc_range(llvm::drop_begin(argument.getUses()))) {
        unsigned last = generic.getNumDpsInputs();
        SmallVector<AffineMap> maps = generic.getIndexingMapsArray();
        maps.insert(maps.begin() + last, maps[i]);
        generic.setIndexingMapsAttr(Builder(generic).getAffineMapArrayAttr(maps));
        generic.getInputsMutable().append(generic.getInputs()[i]);
        use.set(generic.getBody()->insertArgument(last, argument.getType(), argument.getLoc()));
      }
    }
  }

  /// A constant that no body took in needs a buffer. It is filled where all elements are equal;
  /// other constants are derived variables.
  void placeConstants(func::FuncOp function) {
    IRRewriter rewriter(function.getContext());
    for (auto constant : llvm::make_early_inc_range(function.getOps<arith::ConstantOp>())) {
      auto value = dyn_cast<DenseElementsAttr>(constant.getValue());
      if (!value)
        continue;
      rewriter.setInsertionPoint(constant);
      if (value.isSplat())
        rewriter.replaceOp(constant, fill(rewriter, constant.getLoc(), constant.getType(),
                                          value.getSplatValue<TypedAttr>()));
      else
        rewriter.replaceOpWithNewOp<ReadOp>(
            constant, constant.getType(),
            FlatSymbolRefAttr::get(getVariable(constant.getLoc(), value)));
    }
    // A tensor.empty that an op reads, and does not only write to, stands for a tensor without
    // elements.
    for (auto empty : llvm::make_early_inc_range(function.getOps<tensor::EmptyOp>()))
      for (OpOperand &use : llvm::make_early_inc_range(empty->getUses())) {
        auto structured = dyn_cast<linalg::LinalgOp>(use.getOwner());
        if (structured && structured.isDpsInit(&use))
          continue;
        rewriter.setInsertionPointAfter(empty);
        TypedAttr zero = rewriter.getZeroAttr(empty.getType().getElementType());
        use.set(fill(rewriter, empty.getLoc(), empty.getType(), zero));
      }
  }

  /// An op of its own that writes `value` to every element.
  static Value fill(OpBuilder &builder, Location loc, Type type, TypedAttr value) {
    auto tensorType = cast<RankedTensorType>(type);
    Value empty =
        tensor::EmptyOp::create(builder, loc, tensorType.getShape(), tensorType.getElementType());
    SmallVector<utils::IteratorType> iterators(tensorType.getRank(), utils::IteratorType::parallel);
    return linalg::GenericOp::create(
               builder, loc, type, ValueRange(), empty,
               builder.getMultiDimIdentityMap(tensorType.getRank()), iterators,
               [&](OpBuilder &nested, Location nestedLoc, ValueRange) {
                 Value scalar = arith::ConstantOp::create(nested, nestedLoc, value);
                 linalg::YieldOp::create(nested, nestedLoc, scalar);
               })
        .getResult(0);
  }

  /// Of loops that nobody read.
  void eraseUnusedBodies() {
    DenseSet<StringAttr> used;
    getOperation().walk([&](plan::LoopOp loop) { used.insert(loop.getBodyAttr().getAttr()); });
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (function->hasAttr(plan::kLoopBodyAttr) && !used.contains(function.getSymNameAttr()))
        function.erase();
  }

  VariableOp getVariable(Location loc, DenseElementsAttr value) {
    VariableOp &variable = constants[value];
    if (!variable) {
      // The variable is inserted into the table, not into the module, so that the table renames
      // it where the name is taken: a second constant becomes `ampc.constant_0`.
      SymbolTable symbols(getOperation());
      OpBuilder detached(&getContext());
      variable = VariableOp::create(detached, loc, VariableRole::Derived, "ampc.constant",
                                    value.getType(), value, /*from_model=*/false,
                                    /*trained=*/false);
      symbols.insert(variable, getOperation().getBody()->begin());
    }
    return variable;
  }

  /// Puts scalar constants into the bodies that use them, so that a body stands for
  /// itself wherever it is moved.
  static void sinkConstants(func::FuncOp function) {
    OpBuilder builder(function.getContext());
    function.walk([&](linalg::GenericOp generic) {
      DenseMap<Operation *, Value> sunk;
      generic.getRegion().walk([&](Operation *op) {
        for (OpOperand &operand : op->getOpOperands()) {
          Operation *constant = operand.get().getDefiningOp();
          if (!constant || !constant->hasTrait<OpTrait::ConstantLike>() ||
              generic.getRegion().isAncestor(constant->getParentRegion()))
            continue;
          Value &clone = sunk[constant];
          if (!clone) {
            builder.setInsertionPointToStart(generic.getBody());
            clone = builder.clone(*constant)->getResult(0);
          }
          operand.set(clone);
        }
      });
    });
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }
};
} // namespace
} // namespace ampc
