//===- Expected.cpp - Shapes that come with the batch ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Expected.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Expected.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<int64_t>> ampc::requireDeclared(OnnxNode &node, unsigned i, unsigned given,
                                                      StringRef what) {
  if (std::optional<SmallVector<int64_t>> declared = node.declaredShape(i))
    return *declared;
  InFlightDiagnostic error = node.emitUnknown(given, what);
  if (node.hasOutput(i))
    error << ", or the shape of output '" << node.outputNames[i] << "' must be declared in the "
          << "model, all of it";
  return error;
}

InFlightDiagnostic ampc::emitDeclaredError(OnnxNode &node, unsigned i, unsigned given,
                                           ArrayRef<int64_t> declared) {
  InFlightDiagnostic error = node.emitError();
  error << "output '" << node.outputNames[i] << "' is declared as [" << declared
        << "], which no value of input " << given << ", '" << node.inputNames[given] << "', a "
        << node.input(given).getType() << ", gives";
  if (given > 0)
    error << " from " << node.input(0).getType();
  return error;
}

FailureOr<GivenNumbers>
ampc::givenInts(OnnxNode &node, unsigned i, StringRef what, unsigned result,
                function_ref<SmallVector<int64_t>(ArrayRef<int64_t>)> fromDeclared) {
  if (!isGivenLater(node, i)) {
    FailureOr<SmallVector<int64_t>> known = node.constantInts(i, what);
    if (failed(known))
      return failure();
    return GivenNumbers{*known};
  }
  FailureOr<SmallVector<int64_t>> declared = requireDeclared(node, result, i, what);
  if (failed(declared))
    return failure();
  RankedTensorType type = tensorType(node.input(i));
  if (isa<FloatType>(type.getElementType()) || type.getRank() > 1)
    return node.emitError() << "input " << i << " (" << what
                            << ") must be a list of integers, but is " << type;
  GivenNumbers given{fromDeclared(*declared), true};
  if (int64_t(given.numbers.size()) != type.getNumElements())
    return emitDeclaredError(node, result, i, *declared);
  return given;
}

SmallVector<int64_t> ampc::extentsAlong(RankedTensorType type, ArrayRef<int64_t> declared,
                                        ArrayRef<int64_t> axes) {
  if (int64_t(declared.size()) != type.getRank() ||
      keepAxes(declared, axes) != keepAxes(type.getShape(), axes))
    return {};
  SmallVector<int64_t> extents;
  for (int64_t axis : axes)
    extents.push_back(declared[axis]);
  return extents;
}

Value ampc::listOf(OpBuilder &b, Location loc, Value integers) {
  Value list = castTo(b, loc, integers, b.getI64Type());
  return reshapeTo(b, loc, list, {tensorType(list).getNumElements()});
}

Value ampc::isOneOf(OpBuilder &b, Location loc, Value list,
                    ArrayRef<SmallVector<int64_t>> choices) {
  Value result;
  for (ArrayRef<int64_t> choice : choices) {
    Value numbers = buildConstant(b, loc, DenseElementsAttr::get(tensorType(list), choice));
    Value isThis = EqualOp::create(b, loc, list, numbers);
    result = result ? Value(OrOp::create(b, loc, result, isThis)) : isThis;
  }
  return result;
}

Value ampc::areAllTrue(OpBuilder &b, Location loc, Value conditions) {
  RankedTensorType type = tensorType(conditions);
  if (type.getNumElements() == 0)
    return buildConstant(b, loc,
                         DenseElementsAttr::get(RankedTensorType::get({}, b.getI1Type()), true));
  if (type.getRank() == 0)
    return conditions;
  Value numbers = castTo(b, loc, conditions, b.getI32Type());
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  Value least = ReduceMinOp::create(b, loc, numbers, axes);
  return castTo(b, loc, least, b.getI1Type());
}

Value ampc::expectNumbers(OnnxNode &node, OpBuilder &b, unsigned i, const GivenNumbers &given,
                          Value x) {
  if (!given.areExpected || given.numbers.empty())
    return x;
  Value list = listOf(b, node.loc, node.input(i));
  Value isRight = isOneOf(b, node.loc, list, given.numbers);
  SmallVector<bool> isAny;
  for (int64_t number : given.numbers)
    isAny.push_back(number == kAnyNumber);
  if (llvm::is_contained(isAny, true)) {
    Value any = buildConstant(b, node.loc, DenseElementsAttr::get(tensorType(isRight), isAny));
    isRight = OrOp::create(b, node.loc, isRight, any);
  }
  return ExpectOp::create(b, node.loc, x, areAllTrue(b, node.loc, isRight));
}

//===----------------------------------------------------------------------===//
// expect
//===----------------------------------------------------------------------===//

OpFoldResult ExpectOp::fold(FoldAdaptor adaptor) {
  auto holds = dyn_cast_if_present<DenseElementsAttr>(adaptor.getHolds());
  if (holds && holds.getSplatValue<bool>())
    return getInput();
  return {};
}

// dx = g: where the batch is refused no gradient is used
void ExpectOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.resultGradient());
}

SmallVector<Value> ExpectOp::emitKernel(KernelBuilder &, ValueRange operands) {
  return {operands[0]};
}

Value ExpectOp::buildCheck(OpBuilder &b) {
  b.setInsertionPointAfter(*this);
  auto f32 = RankedTensorType::get({}, b.getF32Type());
  return WhereOp::create(b, getLoc(), getHolds(), splat(b, getLoc(), f32, 0),
                         splat(b, getLoc(), f32, AMPC_FLAG_SHAPE_DIFFERS));
}

int64_t ExpectOp::getCheckFlag() { return AMPC_FLAG_SHAPE_DIFFERS; }
Value ExpectOp::getCheckedValue() { return getHolds(); }
