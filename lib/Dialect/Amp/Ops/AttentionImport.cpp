//===- AttentionImport.cpp - ONNX's attention -----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionBuilder.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include <limits>

using namespace mlir;
using namespace ampc;

using Results = FailureOr<SmallVector<Value>>;

/// The type that the attribute `softmax_precision` numbers, where there is one.
static LogicalResult importSoftmaxType(OnnxNode &node, OpBuilder &builder, Attention &a) {
  if (!node.hasAttribute("softmax_precision"))
    return success();
  FailureOr<Type> type = elementTypeOf(node, builder, "softmax_precision");
  if (failed(type))
    return failure();
  if (!isa<FloatType>(*type))
    return node.emitError() << "attribute 'softmax_precision' is " << *type
                            << ", but should be a float type";
  a.softmaxType = *type;
  return success();
}

/// Query, key and value as [batch, heads, rows, size].
static LogicalResult importOperands(OnnxNode &node, OpBuilder &builder, Attention &a) {
  Value *values[] = {&a.q, &a.k, &a.v};
  const StringRef names[] = {"Q", "K", "V"};
  int64_t rank = tensorType(node.input(0)).getRank();
  for (unsigned i = 0; i < 3; ++i) {
    bool isQuery = i == 0;
    StringRef key = isQuery ? "q_num_heads" : "kv_num_heads";
    int64_t heads = node.getInt(key, 0);
    Value x = node.input(i);
    RankedTensorType type = tensorType(x);
    if (node.hadError)
      return failure();
    if (type.getRank() != rank || (rank != 3 && rank != 4) ||
        !isa<FloatType>(type.getElementType()))
      return node.emitError()
             << names[i] << " is " << type
             << ", but Q, K and V should be floats, all of rank 3 or all of rank 4";
    if (rank == 3) {
      if (!node.hasAttribute(key))
        return node.emitError() << "lacks the attribute '" << key
                                << "', which inputs of rank 3 need";
      FailureOr<Value> split = splitHeads(node, builder, x, heads, names[i]);
      if (failed(split))
        return failure();
      x = *split;
    } else if (node.hasAttribute(key) && heads != type.getDimSize(1)) {
      return node.emitError() << "attribute '" << key << "' is " << heads << ", but " << names[i]
                              << ", " << type << ", has " << type.getDimSize(1) << " heads";
    }
    *values[i] = x;
  }
  return success();
}

/// The mask, as long as there are columns: since opset 24 a shorter one leaves the others out.
static void importMask(OnnxNode &node, OpBuilder &builder, Attention &a) {
  a.mask = node.input(3);
  int64_t columns = tensorType(a.k).getDimSize(2);
  RankedTensorType type = a.mask ? tensorType(a.mask) : RankedTensorType();
  if (!type || type.getRank() == 0 || node.version < 24 || type.getShape().back() >= columns)
    return;
  double outside = 0; // false
  if (!type.getElementType().isInteger(1)) {
    a.mask = castTo(builder, node.loc, a.mask, tensorType(a.q).getElementType());
    outside = -std::numeric_limits<double>::infinity();
  }
  SmallVector<int64_t> starts(type.getRank(), 0), sizes(type.getShape()), steps(starts.size(), 1);
  sizes.back() = columns;
  a.mask = PadOp::create(builder, node.loc, a.mask, starts, sizes, steps, APFloat(outside));
}

static Results importOnnxAttention(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(3, node.version < 24 ? 6 : 7)))
    return failure();
  Attention a;
  if (failed(importOperands(node, builder, a)))
    return failure();
  Value pastKey = node.input(4), pastValue = node.input(5);
  if (!pastKey != !pastValue)
    return node.emitError() << "has only one of 'past_key' and 'past_value'";
  a.lengths = node.input(6);
  if (a.lengths && pastKey)
    return node.emitError() << "has both 'nonpad_kv_seqlen' and 'past_key', of which one tells "
                               "where the keys are";
  if (failed(appendToPast(node, builder, pastKey, a.k, "past_key")) ||
      failed(appendToPast(node, builder, pastValue, a.v, "past_value")) ||
      failed(importScale(node, a)) || failed(importSoftmaxType(node, builder, a)))
    return failure();
  a.softcap = node.getFloat("softcap", 0);
  if (node.getInt("is_causal", 0))
    a.causal = pastKey ? tensorType(pastKey).getDimSize(2) : 0;
  int64_t mode = node.getInt("qk_matmul_output_mode", 0);
  if (node.hadError)
    return failure();
  if (mode < 0 || mode > 3)
    return node.emitError() << "attribute 'qk_matmul_output_mode' is " << mode
                            << ", but should be from 0 to 3";
  // Values may have a type of their own.
  Type element = tensorType(a.q).getElementType();
  a.productType = tensorType(a.v).getElementType();
  importMask(node, builder, a);
  a.needsScores = node.hasOutput(3) && mode == 2;
  FailureOr<AttentionResults> built = buildAttention(node, builder, a);
  if (failed(built))
    return failure();
  Value y = castTo(builder, node.loc, built->y, element);
  if (tensorType(node.input(0)).getRank() == 3)
    y = joinHeads(builder, node.loc, y);
  Value given[] = {built->products, built->capped, built->scores, built->probabilities};
  SmallVector<Value> results{y, a.k, a.v, Value()};
  if (node.hasOutput(3))
    results[3] = castTo(builder, node.loc, given[mode], element);
  return results;
}

/// The graph that changes scores or probabilities, where there is one.
static LogicalResult importModifier(OnnxNode &node, OpBuilder &builder, StringRef key,
                                    Attention::Modifier &modifier) {
  const OnnxGraph *graph = node.getGraph(key);
  if (!graph)
    return success(!node.hadError);
  if (graph->inputCount != 1 || graph->outputCount != 1)
    return node.emitError() << "attribute '" << key << "' is a graph of " << graph->inputCount
                            << " inputs and " << graph->outputCount
                            << " outputs, but should have one of each";
  modifier = [graph, &builder](Value x) -> FailureOr<Value> {
    FailureOr<SmallVector<Value>> results = graph->importInline(builder, x);
    if (failed(results))
      return failure();
    return results->front();
  };
  return success();
}

static Results importFlexAttention(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(3, 3)) || failed(checkFloats(node)))
    return failure();
  Attention a;
  a.q = node.input(0);
  a.k = node.input(1);
  a.v = node.input(2);
  for (Value x : node.inputs)
    if (tensorType(x).getRank() != 4 ||
        tensorType(x).getElementType() != tensorType(a.q).getElementType())
      return node.emitError() << "Q, K and V should be of rank 4 and of one type, but are "
                              << a.q.getType() << ", " << a.k.getType() << " and " << a.v.getType();
  Type element = tensorType(a.q).getElementType();
  a.softmaxType = KernelBuilder::computeType(element);
  if (failed(importScale(node, a)) || failed(importSoftmaxType(node, builder, a)) ||
      failed(importModifier(node, builder, "score_mod", a.changeScores)) ||
      failed(importModifier(node, builder, "prob_mod", a.changeProbabilities)))
    return failure();
  a.productType = a.softmaxType;
  FailureOr<AttentionResults> built = buildAttention(node, builder, a);
  if (failed(built))
    return failure();
  return SmallVector<Value>{castTo(builder, node.loc, built->y, element)};
}

Results ampc::importAttention(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "FlexAttention")
    return importFlexAttention(node, builder);
  return node.domain.empty() ? importOnnxAttention(node, builder)
                             : importMicrosoftAttention(node, builder);
}
