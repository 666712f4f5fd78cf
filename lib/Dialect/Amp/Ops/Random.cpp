//===- Random.cpp - Ops that draw random numbers --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Random.h"
#include "Common.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Support/RandomBits.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Random bits
//===----------------------------------------------------------------------===//

namespace {
/// The place of the element that is being computed in a tensor of `shape`.
Value findPlace(KernelBuilder &kernel, ScalarBuilder &s, ArrayRef<int64_t> shape) {
  Type i64 = s.builder.getI64Type();
  Value place = s.constant(i64, int64_t(0));
  for (auto [d, stride] : llvm::enumerate(stridesOf(shape)))
    place = s.add(place, s.mul(s.convert(kernel.index(s, d), i64), s.constant(i64, stride)));
  return place;
}

/// Seed and attempt of the session, and the stream of a node: its name's, so that other nodes do
/// not change it.
struct Stream {
  Value seed, attempt;
  uint64_t stream;

  Stream(OnnxNode &node, OpBuilder &builder, uint64_t ownSeed)
      : stream(llvm::xxh3_64bits(node.name) ^ ownSeed) {
    auto zero = DenseElementsAttr::get(RankedTensorType::get({}, builder.getI64Type()), int64_t(0));
    seed = readScalar(builder, node.loc, AMPC_SCALAR_SEED, zero);
    attempt = readScalar(builder, node.loc, AMPC_SCALAR_ATTEMPT, zero);
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// dropout
//===----------------------------------------------------------------------===//

/// The op's ratio, as an attribute before opset 12 and an optional input since.
static FailureOr<double> importRatio(OnnxNode &node) {
  double ratio = 0.5;
  if (node.version < 12) {
    ratio = node.getFloat("ratio", 0.5);
  } else if (node.input(1)) {
    FailureOr<double> given = node.constantFloat(1, "ratio");
    if (failed(given))
      return failure();
    ratio = *given;
  }
  if (!(ratio >= 0 && ratio <= 1))
    return node.emitError() << "the ratio is " << ratio << ", but must be in [0, 1]";
  return ratio;
}

/// Whether the node trains: as the user says, else as the file does.
static FailureOr<bool> importTrainingMode(OnnxNode &node) {
  if (node.trainMode)
    return *node.trainMode;
  if (node.version < 7)
    return node.getInt("is_test", 0) == 0;
  if (!node.input(2)) // opsets 7 to 11 only know inference
    return false;
  if (DenseElementsAttr mode = node.constant(2);
      mode && mode.getNumElements() == 1 && mode.getElementType().isInteger(1))
    return *mode.getValues<bool>().begin();
  return node.emitError() << "training_mode, '" << node.inputNames[2]
                          << "', must be a boolean known at compile time; "
                             "--train-mode=on or off decides it";
}

FailureOr<SmallVector<Value>> DropoutOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, node.version < 12 ? 1 : 3)))
    return failure();
  // Asked for only where the file decides, and where there is something to draw.
  if (node.version < 7)
    node.knowAttributes({"is_test"});
  node.knowAttributes({"seed"});
  FailureOr<double> ratio = importRatio(node);
  FailureOr<bool> isTraining = importTrainingMode(node);
  if (failed(ratio) || failed(isTraining))
    return failure();
  Value input = node.input(0);
  RankedTensorType type = tensorType(input);
  Value output = input, mask;
  node.isInference = !*isTraining && *ratio != 0;
  if (*isTraining && *ratio != 0) {
    Stream stream(node, builder, uint64_t(node.getInt("seed", 0)));
    auto dropout = DropoutOp::create(builder, node.loc, input, stream.seed, stream.attempt,
                                     builder.getF64FloatAttr(*ratio),
                                     builder.getI64IntegerAttr(int64_t(stream.stream)));
    output = dropout.getOutput();
    mask = dropout.getMask();
  } else if (node.hasOutput(1)) {
    mask = splat(builder, node.loc, type.clone(builder.getI1Type()), 1);
  }
  // Masks were of the input's type before opset 10.
  if (node.hasOutput(1) && node.version < 10)
    mask = castTo(builder, node.loc, mask, type.getElementType());
  if (node.hadError)
    return failure();
  return SmallVector<Value>{output, node.hasOutput(1) ? mask : Value()};
}

LogicalResult DropoutOp::inferReturnTypes(MLIRContext *context, std::optional<Location>,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(adaptor.getInput());
  types.push_back(type);
  types.push_back(type.clone(IntegerType::get(context, 1)));
  return success();
}

bool DropoutOp::isDifferentiable(unsigned index) { return index == 0; }

// dx = mask ? g / (1 - ratio) : 0, with the mask drawn again
void DropoutOp::buildGradient(GradientBuilder &gradient) {
  if (Value g = gradient.resultGradient(0))
    gradient.set(
        0, gradient.create<DropoutOp>(g, getSeed(), getAttempt(), getRatioAttr(), getStreamAttr()));
}

SmallVector<Value> DropoutOp::buildInference(OpBuilder &builder) {
  Value mask;
  if (!getMask().use_empty())
    mask = splat(builder, getLoc(), getMask().getType(), 1);
  return {getInput(), mask};
}

SmallVector<Value> DropoutOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  double ratio = getRatio().convertToDouble();
  Value mask = kernel.pointwise(
      {operands[1], operands[2]}, getMask().getType(), [&](ScalarBuilder &s, ValueRange x) {
        Value key = buildRandomKey(s, x[0], x[1], getStream());
        return drawKept(s, findPlace(kernel, s, getInput().getType().getShape()), key, ratio);
      });
  double scale = keptScale(ratio);
  Value output = kernel.pointwise({operands[0], mask}, getOutput().getType(),
                                  [&](ScalarBuilder &s, ValueRange x) {
                                    Value kept = s.mul(x[0], s.constantLike(x[0], scale));
                                    return s.select(x[1], kept, s.constantLike(x[0], 0));
                                  });
  return {output, mask};
}

//===----------------------------------------------------------------------===//
// random
//===----------------------------------------------------------------------===//

namespace {
/// Builds a node's distribution from uniform numbers.
class RandomImporter {
public:
  RandomImporter(OnnxNode &node, OpBuilder &builder) : node(node), builder(builder) {}

  FailureOr<Value> run();

private:
  FailureOr<RankedTensorType> readType();
  /// Uniform in [0, 1); each number has streams of its own.
  Value uniform(ArrayRef<int64_t> shape, uint64_t which = 0) {
    float seed = float(node.getFloat("seed", 0));
    uint32_t bits = 0;
    std::memcpy(&bits, &seed, sizeof(bits));
    Stream stream(node, builder, bits ^ which << 32);
    auto type = RankedTensorType::get(shape, builder.getF32Type());
    return RandomOp::create(builder, node.loc, type, stream.seed, stream.attempt,
                            int64_t(stream.stream));
  }
  template <typename OpTy>
  Value build(Value x, Value y) {
    return OpTy::create(builder, node.loc, x, y);
  }
  Value number(double value) {
    return splat(builder, node.loc, RankedTensorType::get({}, builder.getF32Type()), value);
  }
  Value scaledBy(Value x, double scale, double offset) {
    return build<AddOp>(build<MulOp>(x, number(scale)), number(offset));
  }
  FailureOr<Value> drawMultinomial();

  OnnxNode &node;
  OpBuilder &builder;
};
} // namespace

/// The result's type: attributes, or what the operator is given the likeness of.
FailureOr<RankedTensorType> RandomImporter::readType() {
  StringRef opType = node.opType;
  bool hasInput = opType.ends_with("Like") || opType == "Bernoulli" || opType == "Multinomial";
  if (failed(node.expectInputs(hasInput, hasInput)))
    return failure();
  Type element = hasInput ? tensorType(node.input(0)).getElementType() : builder.getF32Type();
  if (opType == "Multinomial")
    element = builder.getI32Type();
  if (node.hasAttribute("dtype")) {
    FailureOr<Type> given = elementTypeOf(node, builder, "dtype");
    if (failed(given))
      return failure();
    element = *given;
  }
  if (hasInput)
    return RankedTensorType::get(tensorType(node.input(0)).getShape(), element);
  std::optional<std::vector<int64_t>> shape = node.getInts("shape");
  if (!shape || node.hadError)
    return node.emitError() << "lacks the attribute 'shape'";
  for (int64_t extent : *shape)
    if (extent < 0)
      return node.emitError() << "the shape has the extent " << extent;
  if (failed(checkedProduct(node, *shape)))
    return failure();
  return RankedTensorType::get(*shape, element);
}

/// For each row of unnormalized log probabilities, how many running sums lie at or below a uniform
/// number of their total.
FailureOr<Value> RandomImporter::drawMultinomial() {
  Value x = castTo(builder, node.loc, node.input(0), builder.getF32Type());
  RankedTensorType type = tensorType(x);
  int64_t samples = node.getInt("sample_size", 1);
  if (type.getRank() != 2 || type.getDimSize(1) == 0 || samples < 1)
    return node.emitError() << "cannot draw " << samples << " samples from " << type
                            << ": the input has a row of classes for each batch entry";
  int64_t rows = type.getDimSize(0), classes = type.getDimSize(1);
  Value highest =
      ReduceMaxOp::create(builder, node.loc, x, ArrayRef<int64_t>{1}, /*keepdims=*/true);
  Value weights = ExpOp::create(builder, node.loc, build<SubOp>(x, highest));
  Value sums = CumSumOp::create(builder, node.loc, weights, 1, false, false);
  Value total = SliceOp::create(builder, node.loc, sums, ArrayRef<int64_t>{0, classes - 1},
                                ArrayRef<int64_t>{rows, 1}, ArrayRef<int64_t>{1, 1});
  Value bound = build<MulOp>(uniform({rows, samples}), total);
  Value isBelow = build<LessOrEqualOp>(reshapeTo(builder, node.loc, sums, {rows, 1, classes}),
                                       reshapeTo(builder, node.loc, bound, {rows, samples, 1}));
  Value ones = castTo(builder, node.loc, isBelow, builder.getI64Type());
  Value count = ReduceSumOp::create(builder, node.loc, ones, ArrayRef<int64_t>{2},
                                    /*keepdims=*/false, /*wide=*/false);
  // A product that rounds up to the total is of the last class.
  auto scalar = RankedTensorType::get({}, builder.getI64Type());
  return build<MinOp>(count, splat(builder, node.loc, scalar, double(classes - 1)));
}

FailureOr<Value> RandomImporter::run() {
  FailureOr<RankedTensorType> type = readType();
  if (failed(type))
    return failure();
  StringRef opType = node.opType;
  Value result;
  if (opType == "Multinomial") {
    FailureOr<Value> drawn = drawMultinomial();
    if (failed(drawn))
      return failure();
    result = *drawn;
  } else if (opType == "Bernoulli") {
    Value probability = castTo(builder, node.loc, node.input(0), builder.getF32Type());
    result = build<LessOp>(uniform(type->getShape()), probability);
  } else if (opType.starts_with("RandomUniform")) {
    double low = node.getFloat("low", 0), high = node.getFloat("high", 1);
    result = scaledBy(uniform(type->getShape()), high - low, low);
  } else {
    // Box and Muller: sqrt(-2 log(1 - u)) * cos(2 pi v).
    Value u = uniform(type->getShape()), v = uniform(type->getShape(), 1);
    Value log = LogOp::create(builder, node.loc, build<SubOp>(number(1), u));
    Value radius = SqrtOp::create(builder, node.loc, build<MulOp>(log, number(-2)));
    Value angle = build<MulOp>(v, number(2 * llvm::numbers::pi));
    Value normal = build<MulOp>(radius, CosOp::create(builder, node.loc, angle));
    result = scaledBy(normal, node.getFloat("scale", 1), node.getFloat("mean", 0));
  }
  if (node.hadError)
    return failure();
  return castTo(builder, node.loc, result, type->getElementType());
}

FailureOr<SmallVector<Value>> RandomOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return single(RandomImporter(node, builder).run());
}

SmallVector<Value> RandomOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(), [&](ScalarBuilder &s, ValueRange x) {
    Value key = buildRandomKey(s, x[0], x[1], getStream());
    Value bits = drawRandomBits(s, findPlace(kernel, s, getType().getShape()), key);
    Type f32 = s.builder.getF32Type();
    return s.mul(s.convert(s.shiftRight(bits, s.constant(bits.getType(), int64_t(8))), f32),
                 s.constant(f32, 0x1p-24));
  })};
}
