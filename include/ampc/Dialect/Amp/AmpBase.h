//===- AmpBase.h - The amp dialect and its interfaces --------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// All of the dialect but its ops. These come by family: ampc/Dialect/Amp/Ops/<Family>.h, which the
// build generates and which includes this file. Include the families whose ops you name, and
// only those: a change to a family then rebuilds few units.

#ifndef AMPC_DIALECT_AMP_AMPBASE_H
#define AMPC_DIALECT_AMP_AMPBASE_H

#include "ampc/Dialect/Amp/GradientBuilder.h"
#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "ampc/Support/FloatRange.h"
#include "ampc/Support/OnnxNode.h"
#include "ampc/Support/OperandUse.h"
#include "ampc/Support/OptimizerOptions.h"
#include "ampc/Support/Precision.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/CastInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace ampc {
using namespace mlir;

class RecoveryLog;

/// Answers PrecisionOpInterface::getPrecisionRecord from the op's definition in ODS.
template <Precision f16, Precision bf16, Precision pytorch>
struct HasPrecision {
  template <typename ConcreteOp>
  struct Impl : OpTrait::TraitBase<ConcreteOp, Impl> {
    static PrecisionRecord getPrecisionRecord() { return {f16, bf16, pytorch}; }
  };
};

/// Answers OperandUseOpInterface::getOperandUse from the op's definition in ODS.
template <OperandUse... uses>
struct HasOperandUses {
  template <typename ConcreteOp>
  struct Impl : OpTrait::TraitBase<ConcreteOp, Impl> {
    OperandUse getOperandUse(unsigned index) {
      constexpr OperandUse list[] = {uses...};
      return list[std::min<size_t>(index, sizeof...(uses) - 1)];
    }
  };
};

/// Answers RangeOpInterface::inferRange for an op whose results are ordinary.
template <typename ConcreteOp>
struct OrdinaryRange : OpTrait::TraitBase<ConcreteOp, OrdinaryRange> {
  FloatRange inferRange(ArrayRef<FloatRange>) { return {}; }
};

/// Answers LinearOpInterface::isLinearIn for an op that is linear in all float operands together.
template <typename ConcreteOp>
struct LinearInAll : OpTrait::TraitBase<ConcreteOp, LinearInAll> {
  bool isLinearIn(ArrayRef<bool> scaled) {
    for (auto [operand, isScaled] : llvm::zip_equal(this->getOperation()->getOperands(), scaled))
      if (!isScaled && isa<FloatType>(getElementTypeOrSelf(operand.getType())))
        return false;
    return true;
  }
};

/// The same for a product of the first two operands, to which further ones are added.
template <typename ConcreteOp>
struct LinearInFactors : OpTrait::TraitBase<ConcreteOp, LinearInFactors> {
  bool isLinearIn(ArrayRef<bool> scaled) {
    return scaled[0] != scaled[1] && llvm::all_of(scaled.drop_front(2), [](bool x) { return x; });
  }
};

/// The same for an op that is linear in its first operand alone.
template <typename ConcreteOp>
struct LinearInFirst : OpTrait::TraitBase<ConcreteOp, LinearInFirst> {
  bool isLinearIn(ArrayRef<bool> scaled) {
    return scaled[0] && llvm::none_of(scaled.drop_front(), [](bool x) { return x; });
  }
};

/// Where in an order (LayoutOpInterface) these dimensions of the file lie.
SmallVector<int64_t> placesIn(ArrayRef<int64_t> order, ArrayRef<int64_t> dimensions);

/// The order of what is left of a tensor in `order` without `dimensions` of the file.
SmallVector<int64_t> orderWithout(ArrayRef<int64_t> order, ArrayRef<int64_t> dimensions);

namespace detail {
/// Answers LayoutOpInterface for an op whose operands and results all have the one order. Traits
/// with another answer hide that of this.
template <typename ConcreteOp, template <typename> class Trait>
struct OneOrder : OpTrait::TraitBase<ConcreteOp, Trait> {
  int64_t getOrderedRank() { return rankOf(this->getOperation()->getResult(0)); }
  SmallVector<int64_t> getOperandOrder(unsigned, ArrayRef<int64_t> order) {
    return SmallVector<int64_t>(order);
  }
  SmallVector<int64_t> getResultOrder(unsigned, ArrayRef<int64_t> order) {
    return SmallVector<int64_t>(order);
  }

protected:
  static int64_t rankOf(Value x) { return cast<RankedTensorType>(x.getType()).getRank(); }
};
} // namespace detail

/// For an op that computes in any order, the same for its operands, which may broadcast, and its
/// results.
template <typename ConcreteOp>
struct AnyOrder : detail::OneOrder<ConcreteOp, AnyOrder> {
  SmallVector<int64_t> getOperandOrder(unsigned index, ArrayRef<int64_t> order) {
    // A single number fits every order.
    bool isScalar = this->rankOf(this->getOperation()->getOperand(index)) == 0;
    return SmallVector<int64_t>(isScalar ? ArrayRef<int64_t>() : order);
  }
  void setOrder(ArrayRef<int64_t>) {}
};

/// The same along the attribute `axis`.
template <typename ConcreteOp>
struct AnyOrderAlongAxis : detail::OneOrder<ConcreteOp, AnyOrderAlongAxis> {
  void setOrder(ArrayRef<int64_t> order) {
    auto op = cast<ConcreteOp>(this->getOperation());
    op.setAxis(placesIn(order, {int64_t(op.getAxis())}).front());
  }
};

/// The same for a reduction along the attribute `axes`.
template <typename ConcreteOp>
struct AnyOrderAlongAxes : detail::OneOrder<ConcreteOp, AnyOrderAlongAxes> {
  int64_t getOrderedRank() { return this->rankOf(this->getOperation()->getOperand(0)); }
  SmallVector<int64_t> getResultOrder(unsigned, ArrayRef<int64_t> order) {
    auto op = cast<ConcreteOp>(this->getOperation());
    return op.getKeepdims() ? SmallVector<int64_t>(order) : orderWithout(order, op.getAxes());
  }
  void setOrder(ArrayRef<int64_t> order) {
    auto op = cast<ConcreteOp>(this->getOperation());
    SmallVector<int64_t> axes = placesIn(order, op.getAxes());
    llvm::sort(axes);
    op.setAxes(axes);
  }
};

/// The same for an op with a number for each dimension in `starts`, `sizes` and `steps`.
template <typename ConcreteOp>
struct AnyOrderOfSteps : detail::OneOrder<ConcreteOp, AnyOrderOfSteps> {
  void setOrder(ArrayRef<int64_t> order) {
    auto op = cast<ConcreteOp>(this->getOperation());
    op.setStarts(applyPermutation(op.getStarts(), order));
    op.setSizes(applyPermutation(op.getSizes(), order));
    op.setSteps(applyPermutation(op.getSteps(), order));
  }
};

/// The result is the sum of the operands, rounded to their type.
template <typename ConcreteOp>
struct AddsOperands : OpTrait::TraitBase<ConcreteOp, AddsOperands> {};

/// Among the operands are gradients of parameters, summed and final.
template <typename ConcreteOp>
struct ReadsGradients : OpTrait::TraitBase<ConcreteOp, ReadsGradients> {};

/// What the op computes are probabilities, not scores.
template <typename ConcreteOp>
struct GivesProbabilities : OpTrait::TraitBase<ConcreteOp, GivesProbabilities> {};

/// Takes operands of types that are only stored (StoredTypes.h): moves, chooses or casts them.
template <typename ConcreteOp>
struct TakesStoredTypes : OpTrait::TraitBase<ConcreteOp, TakesStoredTypes> {};

/// The op is a norm; see AmpInterfaces.td.
template <typename ConcreteOp>
struct Normalizes : OpTrait::TraitBase<ConcreteOp, Normalizes> {};

template <typename ConcreteOp>
struct OnnxNames : OpTrait::TraitBase<ConcreteOp, OnnxNames> {};

/// The shape that numpy's broadcasting gives; nullopt where the shapes do not fit.
std::optional<SmallVector<int64_t>> broadcastShapes(ArrayRef<ArrayRef<int64_t>> shapes);

/// Casts between element types; `x` itself where it has `type` already.
Value castTo(OpBuilder &builder, Location loc, Value x, Type type);

/// A tensor of `type` with every element `value`.
Value splat(OpBuilder &builder, Location loc, RankedTensorType type, double value);

/// The value of the scalar state `variable` (an AMPC_SCALAR_* name), which is added to
/// the module around the builder's insertion point where it does not exist yet, starting
/// as `initial`, a rank-0 dense attribute that also gives its type.
Value readScalar(OpBuilder &builder, Location loc, StringRef variable, DenseElementsAttr initial);

/// Attributes of functions' arguments and results: the ONNX name.
constexpr llvm::StringLiteral kNameAttr = "amp.name";
/// On a function's argument or result: a dimension counts samples; the leading one, but for what
/// kBatchAxisAttr says.
constexpr llvm::StringLiteral kBatchedAttr = "amp.batched";
constexpr llvm::StringLiteral kBatchAxisAttr = "amp.batch_axis";
/// Writes both; `axis` is nullopt where no dimension counts samples.
void setBatchAxis(NamedAttrList &attributes, MLIRContext *context, std::optional<int64_t> axis);
/// Reads them.
std::optional<int64_t> getBatchAxis(DictionaryAttr attributes);
/// On an argument of @eval: only the loss depends on it, so evaluation does without it.
constexpr llvm::StringLiteral kLabelAttr = "amp.label";
/// On a function argument: the AMPC_FLAG_* of the checks that look at it, summed.
constexpr llvm::StringLiteral kCheckedAttr = "amp.checked";
/// On a function's argument or result that has another element type than the model declares: the
/// declared type.
constexpr llvm::StringLiteral kDeclaredTypeAttr = "plan.declared_type";
/// On a function result: the loss that is minimised.
constexpr llvm::StringLiteral kLossAttr = "amp.loss";
/// On an op, what the user asks for, before all lists: `category`, a name of a Precision or
/// `kFullPrecision`, and `reason`, the flag.
constexpr llvm::StringLiteral kPrecisionAttr = "amp.precision";
/// On an op, what the user asks for some of its operands: `operand`, the index, `category`, which
/// is allow or deny, and `reason`, of each. Deny: the op computes in f32. Allow: the operand has no
/// vote, and is taken in the type that the op computes in.
constexpr llvm::StringLiteral kOperandPrecisionAttr = "amp.operand_precision";
/// On the module, what the user asks of operators: a `kPrecisionAttr` by the ONNX name. Ops that
/// stand for several nodes, such as a norm that a file spells out, take theirs from here.
constexpr llvm::StringLiteral kOperatorPrecisionsAttr = "amp.operator_precisions";
/// f32, as for an op that is denied.
constexpr llvm::StringLiteral kFullPrecision = "f32";
/// On @train: the names of the parameters whose gradients (or, in a step without
/// gradients, new values) are checked, in the order in which a culprit is counted; "" for
/// a gradient by something else.
constexpr llvm::StringLiteral kGradientsAttr = "amp.gradients";
/// On @train, where the step arrives differentiated and its gradients cannot be scaled: why.
constexpr llvm::StringLiteral kUnscalableAttr = "amp.unscalable";
/// On the module: the model's file name.
constexpr llvm::StringLiteral kModelAttr = "amp.model";

/// Functions of a module: the graph as imported, and what becomes of it.
constexpr llvm::StringLiteral kMainFunction = "main";
constexpr llvm::StringLiteral kTrainFunction = "train";
constexpr llvm::StringLiteral kEvalFunction = "eval";
constexpr llvm::StringLiteral kRefreshFunction = "refresh";
constexpr llvm::StringLiteral kInitFunction = "init";

/// Reports an impossible operand in type inference: "LOC: error: ...".
template <typename... Args>
LogicalResult inferenceError(std::optional<Location> loc, Args &&...args) {
  return emitOptionalError(loc, std::forward<Args>(args)...);
}
} // namespace ampc

#include "ampc/Dialect/Amp/AmpDialect.h.inc"
#include "ampc/Dialect/Amp/AmpInterfaces.h.inc"

namespace ampc {
/// The import of an ONNX operator whose inputs are the op's operands, one to one.
template <typename ConcreteOp>
struct ImportedByOperands : OpTrait::TraitBase<ConcreteOp, ImportedByOperands> {
  static FailureOr<SmallVector<Value>> importNode(OnnxNode &node, OpBuilder &builder) {
    return importByOperands(node, builder, ConcreteOp::getOperationName());
  }
};
/// Builds the op `name` on the node's inputs, all of which must be present, with its
/// result types inferred; an inference error becomes the node's.
FailureOr<SmallVector<Value>> importByOperands(OnnxNode &node, OpBuilder &builder, StringRef name);

/// Builds an op for `node` with its result types inferred. Unlike `OpTy::create`, a shape or
/// type error is reported once as the node's, and gives failure.
FailureOr<Operation *> createChecked(OnnxNode &node, OpBuilder &builder, StringRef name,
                                     ValueRange operands, ArrayRef<NamedAttribute> attributes = {});
} // namespace ampc

#endif // AMPC_DIALECT_AMP_AMPBASE_H
