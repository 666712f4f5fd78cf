//===- AttachLoss.cpp - Decide which value is minimised -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/LossBuilder.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {
#define GEN_PASS_DEF_ATTACHLOSS
#include "ampc/Training/Passes.h.inc"

namespace {
constexpr StringLiteral kTargetName = "target", kLossName = "loss";

/// An ONNX name; empty where dialect text gives none.
StringRef nameText(StringAttr name) { return name ? name.getValue() : StringRef(); }

StringRef resultName(func::FuncOp function, unsigned i) {
  return nameText(function.getResultAttrOfType<StringAttr>(i, kNameAttr));
}

/// "'a' tensor<..>, 'b' tensor<..>": the results of a function, for messages.
std::string describeResults(func::FuncOp function) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(llvm::seq<unsigned>(0, function.getNumResults()), os, [&](unsigned i) {
    os << "'" << resultName(function, i) << "' " << function.getResultTypes()[i];
  });
  return text;
}

bool isScalarFloat(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<FloatType>(tensor.getElementType()) && tensor.getNumElements() == 1;
}

/// What a named loss takes: the first output of floats that has dimensions, as classifiers of
/// other frameworks give labels and scores; the first output where there is none.
unsigned findPrediction(func::FuncOp function) {
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor && isa<FloatType>(tensor.getElementType()) && tensor.getRank() > 0)
      return i;
  }
  return 0;
}

/// Whether a softmax or a sigmoid made `value`, which may have been moved since.
bool holdsProbabilities(Value value) {
  Operation *op = value.getDefiningOp();
  while (op && !op->hasTrait<GivesProbabilities>()) {
    auto moved = dyn_cast<OperandUseOpInterface>(op);
    if (!moved || op->getNumOperands() != 1 || moved.getOperandUse(0) != OperandUse::Moved)
      return false;
    op = op->getOperand(0).getDefiningOp();
  }
  return op != nullptr;
}

struct AttachLoss : impl::AttachLossBase<AttachLoss> {
  using AttachLossBase::AttachLossBase;

  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>(kMainFunction);
    // A module that brings its own training step has its loss inside.
    if (!function || getOperation().lookupSymbol(kTrainFunction))
      return;
    StringRef name(loss);
    LogicalResult done = failure();
    if (name == "auto")
      done = markOnlyScalar(function);
    else if (name.consume_front("output:"))
      done = markOutput(function, name);
    else
      done = appendLoss(function, name);
    if (failed(done))
      signalPassFailure();
  }

  void mark(func::FuncOp function, unsigned result) {
    function.setResultAttr(result, kLossAttr, UnitAttr::get(&getContext()));
  }

  LogicalResult markOnlyScalar(func::FuncOp function) {
    SmallVector<unsigned> candidates;
    for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
      if (isScalarFloat(type))
        candidates.push_back(i);
    if (candidates.size() == 1) {
      mark(function, candidates.front());
      return success();
    }
    return emitError(function.getLoc())
           << "--loss=auto: the graph has "
           << (candidates.empty() ? "no float output of one element"
                                  : "several float outputs of one element")
           << " (outputs: " << describeResults(function)
           << "); pass --loss=output:NAME, or a loss by name: " << llvm::join(getLossNames(), ", ");
  }

  LogicalResult markOutput(func::FuncOp function, StringRef name) {
    for (unsigned i = 0; i < function.getNumResults(); ++i) {
      if (resultName(function, i) != name)
        continue;
      if (!isScalarFloat(function.getResultTypes()[i]))
        return emitError(function.getLoc())
               << "--loss=output:" << name << ": a loss is one float, this output is "
               << function.getResultTypes()[i];
      mark(function, i);
      return success();
    }
    return emitError(function.getLoc())
           << "--loss=output:" << name << ": no such output (outputs: " << describeResults(function)
           << ")";
  }

  LogicalResult appendLoss(func::FuncOp function, StringRef name) {
    if (function.getNumResults() == 0)
      return emitError(function.getLoc()) << "--loss=" << name << ": the graph has no output";
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      if (nameText(function.getArgAttrOfType<StringAttr>(i, kNameAttr)) == kTargetName)
        return emitError(function.getLoc())
               << "--loss=" << name
               << ": would add an input 'target', but the graph has one; name the output "
                  "that is the loss with --loss=output:NAME";
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      if (resultName(function, i) == kLossName)
        return emitError(function.getLoc())
               << "--loss=" << name
               << ": would add an output 'loss', but the graph has one; if that is what to "
                  "minimise, pass --loss=output:loss";
    unsigned prediction = findPrediction(function);
    auto type = dyn_cast<RankedTensorType>(function.getResultTypes()[prediction]);
    if (!type)
      return emitError(function.getLoc())
             << "--loss=" << name << ": the graph's first output is no tensor, but "
             << function.getResultTypes()[prediction];
    LossOptions options{name.str(),
                        classAxis ? classAxis : 1,
                        ignoreIndex,
                        labelSmoothing,
                        {classWeights.begin(), classWeights.end()},
                        huberDelta,
                        smoothL1Beta,
                        softLabels,
                        fromProbabilities};
    std::string why;
    FailureOr<RankedTensorType> targetType = getTargetType(options, type, why);
    if (failed(targetType))
      return emitError(function.getLoc()) << "--loss=" << name << ": " << why;
    std::optional<int64_t> batchAxis = getBatchAxis(function.getResultAttrDict(prediction));
    std::optional<int64_t> targetAxis = batchAxis;
    if (hasClasses(name) && batchAxis) {
      int64_t axis = options.classAxis + (options.classAxis < 0 ? type.getRank() : 0);
      if (axis == *batchAxis)
        return emitError(function.getLoc())
               << "--loss=" << name << ": axis " << axis << " of '"
               << resultName(function, prediction) << "', " << type
               << ", counts samples (--batch-dim) and holds no classes: "
               << "--class-axis=N says where they are (-1: the last axis)";
      if (takesLabels(options) && axis < *batchAxis)
        targetAxis = *batchAxis - 1;
    }
    if (hasClasses(name) && !classAxis && type.getRank() > 2)
      emitWarning(function.getLoc())
          << "--loss=" << name << ": axis 1 of '" << resultName(function, prediction) << "', "
          << type << ", is taken for its " << type.getDimSize(1)
          << " classes; --class-axis=N says where they are (-1: the last axis)";

    Operation *terminator = function.getBody().front().getTerminator();
    Value scores = terminator->getOperand(prediction);
    if ((hasClasses(name) || name == "bce_with_logits") && !fromProbabilities &&
        holdsProbabilities(scores))
      emitWarning(function.getLoc())
          << "--loss=" << name << ": takes scores or their logarithms, but '"
          << resultName(function, prediction) << "' holds probabilities; "
          << (hasClasses(name) ? "--from-probabilities takes their logarithms"
                               : "--loss=bce takes probabilities");

    OpBuilder builder(&getContext());
    auto named = [&](StringRef value, std::optional<int64_t> axis) {
      NamedAttrList attributes;
      attributes.set(kNameAttr, builder.getStringAttr(value));
      setBatchAxis(attributes, &getContext(), axis);
      return attributes.getDictionary(&getContext());
    };
    Location loc = NameLoc::get(builder.getStringAttr("loss"));
    unsigned argument = function.getNumArguments(), result = function.getNumResults();
    if (failed(function.insertArgument(argument, *targetType, named(kTargetName, targetAxis), loc)))
      return failure();
    builder.setInsertionPoint(terminator);
    Value value = buildLoss(builder, loc, options, scores, function.getArgument(argument));
    terminator->insertOperands(result, value);
    if (failed(function.insertResult(result, value.getType(), named(kLossName, std::nullopt))))
      return failure();
    mark(function, result);
    return success();
  }
};
} // namespace
} // namespace ampc
