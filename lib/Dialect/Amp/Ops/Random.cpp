//===- Random.cpp - Ops that draw random numbers --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Random.h"
#include "Common.h"
#include "ampc-runtime/module_format.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Random bits
//===----------------------------------------------------------------------===//

namespace {
/// 64-bit arithmetic on unsigned numbers.
struct Bits {
  ScalarBuilder &s;

  Value constant(uint64_t value) { return s.constant(s.builder.getI64Type(), int64_t(value)); }
  Value shiftRight(Value x, uint64_t count) {
    return arith::ShRUIOp::create(s.builder, s.loc, x, constant(count));
  }
  Value rotateHalf(Value x) {
    Value high = arith::ShLIOp::create(s.builder, s.loc, x, constant(32));
    return s.logicalOr(shiftRight(x, 32), high);
  }

  /// The finalizer of splitmix64: every bit of the result depends on every bit
  /// of `x`.
  Value mix(Value x) {
    x = s.add(x, constant(0x9e3779b97f4a7c15));
    x = s.mul(s.logicalXor(x, shiftRight(x, 30)), constant(0xbf58476d1ce4e5b9));
    x = s.mul(s.logicalXor(x, shiftRight(x, 27)), constant(0x94d049bb133111eb));
    return s.logicalXor(x, shiftRight(x, 31));
  }

  /// 32 random bits for `counter` under an odd `key`: "squares" with four
  /// rounds (Widynski, arXiv 2004.06278).
  Value squares(Value counter, Value key) {
    Value y = s.mul(counter, key), z = s.add(y, key);
    Value x = rotateHalf(s.add(s.mul(y, y), y));
    x = rotateHalf(s.add(s.mul(x, x), z));
    x = rotateHalf(s.add(s.mul(x, x), y));
    return shiftRight(s.add(s.mul(x, x), z), 32);
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
    auto zero = DenseElementsAttr::get(RankedTensorType::get({}, builder.getI64Type()), int64_t(0));
    Value seed = readScalar(builder, node.loc, AMPC_SCALAR_SEED, zero);
    Value attempt = readScalar(builder, node.loc, AMPC_SCALAR_ATTEMPT, zero);
    // A node's stream is its name's, so that other nodes do not change it.
    uint64_t stream = llvm::xxh3_64bits(node.name) ^ uint64_t(node.getInt("seed", 0));
    auto dropout =
        DropoutOp::create(builder, node.loc, input, seed, attempt, builder.getF64FloatAttr(*ratio),
                          builder.getI64IntegerAttr(int64_t(stream)));
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
  // Of 2^32 equally likely numbers, those below the threshold drop the element.
  uint64_t threshold = uint64_t(ratio * 4294967296.0 + 0.5);
  SmallVector<int64_t> strides = stridesOf(getInput().getType().getShape());
  Value mask = kernel.pointwise(
      {operands[1], operands[2]}, getMask().getType(), [&](ScalarBuilder &s, ValueRange x) {
        Bits bits{s};
        Value key = bits.mix(s.logicalXor(x[0], bits.constant(getStream())));
        key = bits.mix(s.add(key, x[1]));
        key = s.logicalOr(key, bits.constant(1));
        Value counter = bits.constant(0);
        for (auto [d, stride] : llvm::enumerate(strides)) {
          Value index = s.convert(kernel.index(s, d), s.builder.getI64Type());
          counter = s.add(counter, s.mul(index, bits.constant(stride)));
        }
        return s.greaterOrEqual(bits.squares(counter, key), bits.constant(threshold));
      });
  double scale = ratio < 1 ? 1 / (1 - ratio) : 0;
  Value output = kernel.pointwise({operands[0], mask}, getOutput().getType(),
                                  [&](ScalarBuilder &s, ValueRange x) {
                                    Value kept = s.mul(x[0], s.constantLike(x[0], scale));
                                    return s.select(x[1], kept, s.constantLike(x[0], 0));
                                  });
  return {output, mask};
}
