//===- Estimators.cpp - Operators of ai.onnx.ml ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Estimators.h"
#include "Places.h"
#include "ampc/Dialect/Amp/Ops/Activation.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Indexing.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "ampc/Dialect/Amp/Values.h"

using namespace mlir;
using namespace ampc;

/// Input 0 in f32, which all of these operators give.
static Value takeFeatures(OnnxNode &node, OpBuilder &builder) {
  return castTo(builder, node.loc, node.input(0), builder.getF32Type());
}

/// The attribute `key`, a number for each of `features` columns, or one for all; `otherwise` where
/// it is left out.
static FailureOr<Value> getColumnNumbers(OnnxNode &node, OpBuilder &builder, StringRef key,
                                         int64_t features, float otherwise) {
  std::vector<float> numbers = node.getFloats(key).value_or(std::vector<float>{otherwise});
  if (node.hadError)
    return failure();
  if (numbers.size() != 1 && int64_t(numbers.size()) != features)
    return node.emitError() << "attribute '" << key << "' has " << numbers.size() << " numbers for "
                            << features << " columns of the input";
  auto type = RankedTensorType::get(int64_t(numbers.size()), builder.getF32Type());
  return buildConstant(builder, node.loc, DenseElementsAttr::get(type, ArrayRef(numbers)));
}

/// Failure after an error where there are no columns.
static FailureOr<int64_t> countColumns(OnnxNode &node) {
  RankedTensorType type = tensorType(node.input(0));
  if (type.getRank() == 0)
    return node.emitError() << "the input must have columns, but is " << type;
  return type.getShape().back();
}

// (x - offset) * scale
FailureOr<Value> ampc::importScaler(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  FailureOr<int64_t> columns = countColumns(node);
  if (failed(columns))
    return failure();
  FailureOr<Value> offset = getColumnNumbers(node, builder, "offset", *columns, 0);
  FailureOr<Value> scale = getColumnNumbers(node, builder, "scale", *columns, 1);
  if (failed(offset) || failed(scale))
    return failure();
  FailureOr<Value> centered =
      importOp<SubOp>(node, builder, {takeFeatures(node, builder), *offset});
  if (failed(centered))
    return failure();
  return importOp<MulOp>(node, builder, {*centered, *scale});
}

// Rows that are 0 stay so.
FailureOr<Value> ampc::importNormalizer(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  FailureOr<int64_t> columns = countColumns(node);
  std::string kind = node.getString("norm", "MAX");
  if (failed(columns) || node.hadError)
    return failure();
  Value x = takeFeatures(node, builder), norm;
  SmallVector<int64_t> axes{tensorType(x).getRank() - 1};
  if (kind == "MAX")
    norm = ReduceMaxOp::create(builder, node.loc, x, axes, /*keepdims=*/true);
  else if (kind == "L1")
    norm = ReduceL1Op::create(builder, node.loc, x, axes, /*keepdims=*/true);
  else if (kind == "L2")
    norm = ReduceL2Op::create(builder, node.loc, x, axes, /*keepdims=*/true);
  else
    return node.emitError() << "attribute 'norm' is '" << kind
                            << "', but should be 'MAX', 'L1' or 'L2'";
  auto constant = [&](double value) { return splat(builder, node.loc, tensorType(norm), value); };
  Value isZero = EqualOp::create(builder, node.loc, norm, constant(0));
  Value divisor = WhereOp::create(builder, node.loc, isZero, constant(1), norm);
  return importOp<DivOp>(node, builder, {x, divisor});
}

// 1 above the threshold, else 0
FailureOr<Value> ampc::importBinarizer(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  double threshold = node.getFloat("threshold", 0);
  if (node.hadError)
    return failure();
  Value x = takeFeatures(node, builder);
  Value bound = splat(builder, node.loc, tensorType(x), threshold);
  FailureOr<Value> isAbove = importOp<GreaterOp>(node, builder, {x, bound});
  if (failed(isAbove))
    return failure();
  return castTo(builder, node.loc, *isAbove, builder.getF32Type());
}

FailureOr<Value> ampc::importArrayFeatureExtractor(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(2, 2)) || failed(countColumns(node)))
    return failure();
  Value x = node.input(0), columns = node.input(1);
  if (!tensorType(columns).getElementType().isInteger(64))
    return node.emitError() << "columns must be i64, but are " << columns.getType();
  int64_t count = tensorType(columns).getNumElements();
  if (tensorType(x).getRank() == 1) // one row
    x = reshapeTo(builder, node.loc, x, {1, tensorType(x).getDimSize(0)});
  int64_t axis = tensorType(x).getRank() - 1;
  return importOp<GatherOp>(node, builder, {x, reshapeTo(builder, node.loc, columns, {count})},
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(axis)));
}

/// What the attribute `post_transform` makes of scores.
static FailureOr<Value> transformScores(OnnxNode &node, OpBuilder &builder, Value scores) {
  std::string kind = node.getString("post_transform", "NONE");
  if (node.hadError)
    return failure();
  if (kind == "NONE")
    return scores;
  if (kind == "LOGISTIC")
    return importOp<SigmoidOp>(node, builder, scores);
  if (kind == "SOFTMAX")
    return importOp<SoftmaxOp>(node, builder, scores,
                               builder.getNamedAttr("axis", builder.getI64IntegerAttr(1)));
  return node.emitError() << "attribute 'post_transform' is '" << kind
                          << "', which is not supported, only 'NONE', 'LOGISTIC' and 'SOFTMAX'";
}

/// The class of the first greatest score of each row.
static FailureOr<Value> chooseClass(OnnxNode &node, OpBuilder &builder, Value scores,
                                    ArrayRef<int64_t> classes) {
  SmallVector<int64_t> axes{1};
  Value greatest = ReduceMaxOp::create(builder, node.loc, scores, axes, /*keepdims=*/true);
  Value isBest = EqualOp::create(builder, node.loc, scores, greatest);
  int64_t last = int64_t(classes.size()) - 1;
  Value place = indexAlong(builder, node.loc, 2, 1, last + 1);
  Value none = splat(builder, node.loc, RankedTensorType::get({}, builder.getI64Type()), last);
  Value places = WhereOp::create(builder, node.loc, isBest, place, none);
  Value chosen = ReduceMinOp::create(builder, node.loc, places, axes, /*keepdims=*/false);
  auto type = RankedTensorType::get(last + 1, builder.getI64Type());
  Value labels = buildConstant(builder, node.loc, DenseElementsAttr::get(type, classes));
  return importOp<GatherOp>(node, builder, {labels, chosen},
                            builder.getNamedAttr("axis", builder.getI64IntegerAttr(0)));
}

FailureOr<SmallVector<Value>> ampc::importLinearModel(OnnxNode &node, OpBuilder &builder) {
  // The importer has made inputs of what the file has as attributes.
  if (node.inputs.size() < 2 || !node.input(1))
    return node.emitError() << "has no attribute 'coefficients', a list of floats";
  if (failed(node.expectInputs(2, 3)))
    return failure();
  bool isClassifier = node.opType == "LinearClassifier";
  node.knowAttributes({"coefficients", "intercepts", "multi_class", "targets"});
  Value x = takeFeatures(node, builder);
  RankedTensorType type = tensorType(x);
  if (type.getRank() == 1) // one row
    x = reshapeTo(builder, node.loc, x, {1, type.getDimSize(0)});
  else if (type.getRank() != 2)
    return node.emitError() << "the input must be rows of features, but is " << type;
  int64_t features = type.getShape().back();
  int64_t coefficients = tensorType(node.input(1)).getNumElements();
  if (features == 0 || coefficients % features != 0)
    return node.emitError() << "attribute 'coefficients' has " << coefficients << " numbers for "
                            << features << " features";
  int64_t outputs = coefficients / features;
  SmallVector<Value> operands{x, reshapeTo(builder, node.loc, node.input(1), {outputs, features})};
  if (node.input(2)) {
    if (tensorType(node.input(2)).getNumElements() != outputs)
      return node.emitError() << "attribute 'intercepts' has "
                              << tensorType(node.input(2)).getNumElements() << " numbers for "
                              << outputs << " results";
    operands.push_back(node.input(2));
  }
  FailureOr<Value> scores = importOp<MatMulOp>(
      node, builder, operands, builder.getNamedAttr("transpose_rhs", builder.getUnitAttr()));
  if (failed(scores))
    return failure();
  if (!isClassifier)
    return single(transformScores(node, builder, *scores));

  if (node.getStrings("classlabels_strings"))
    return node.emitError() << "its classes are named by strings, which no tensor of ampc holds: "
                               "fit the estimator on integers, and export it again";
  std::vector<int64_t> classes = node.getInts("classlabels_ints").value_or(std::vector<int64_t>());
  if (node.hadError)
    return failure();
  if (int64_t(classes.size()) != outputs)
    return node.emitError() << "has coefficients for " << outputs << " scores and labels of "
                            << classes.size() << " classes, but should have one score for each";
  FailureOr<Value> label = chooseClass(node, builder, *scores, classes);
  if (failed(label))
    return failure();
  FailureOr<Value> result = transformScores(node, builder, *scores);
  if (failed(result))
    return failure();
  return SmallVector<Value>{*label, *result};
}
