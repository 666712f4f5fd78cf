//===- SupportTest.cpp - Ranges, locations and scalar builders ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../Check.h"
#include "ampc/Support/FloatRange.h"
#include "ampc/Support/NodeLocation.h"
#include "ampc/Support/OptimizerOptions.h"
#include "ampc/Support/PolicyFile.h"
#include "ampc/Support/ScalarBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace mlir;
using namespace ampc;
using namespace ampc::test;

namespace {

const llvm::fltSemantics &f16 = llvm::APFloat::IEEEhalf();
const llvm::fltSemantics &bf16 = llvm::APFloat::BFloat();
const llvm::fltSemantics &f32 = llvm::APFloat::IEEEsingle();

//===----------------------------------------------------------------------===//
// FloatRange
//===----------------------------------------------------------------------===//

void testConstants() {
  const double infinity = std::numeric_limits<double>::infinity();
  const double mask[] = {0, -1e9, -infinity, std::nan("")};
  FloatRange range = FloatRange::of(4, [&](size_t i) { return mask[i]; });
  CHECK(range.lowest == -1e9 && range.highest == 0); // infinities and NaN are left out
  CHECK(range.smallest == 1e9);                      // a constant counts by its largest element
  CHECK(!range.isOrdinary());
  CHECK(FloatRange().isOrdinary() && FloatRange::of(-3, 200).isOrdinary());
  CHECK(!FloatRange::of(1e-12).isOrdinary());

  FloatRange none = FloatRange::of(1, [&](size_t) { return infinity; });
  CHECK(none.magnitude() == 0 && none.fitsIn(f16));
}

void testFloats() {
  // One byte behind an aligned place, as in a file.
  auto rangeOf = [](std::vector<float> values) {
    std::vector<char> bytes(1 + values.size() * sizeof(float));
    std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(float));
    return FloatRange::ofFloats(llvm::ArrayRef(bytes).drop_front());
  };
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const float tiny = std::numeric_limits<float>::denorm_min();
  FloatRange range = rangeOf({0.5f, -1e9f, infinity, -infinity, nan, -nan, 3.0f, -0.0f});
  CHECK(range.lowest == -1e9f && range.highest == 3 && range.smallest == 1e9f);
  range = rangeOf({-2.0f, -1.0f, -tiny});
  CHECK(range.lowest == -2 && range.highest == -tiny);
  range = rangeOf({tiny, std::numeric_limits<float>::max()});
  CHECK(range.lowest == tiny && range.highest == std::numeric_limits<float>::max());
  CHECK(rangeOf({nan, infinity}).magnitude() == 0 && rangeOf({}).magnitude() == 0);
}

void testTypes() {
  // f16 ends at 65504 and rounds up from 65520; its least normal number is 2^-14.
  CHECK(FloatRange::of(65519).findOverflow(f16) == 0);
  CHECK(FloatRange::of(65520).findOverflow(f16) == 65520);
  CHECK(FloatRange::of(-1e9).findOverflow(f16) == -1e9);
  CHECK(FloatRange::of(-1e9).fitsIn(bf16) && FloatRange::of(-1e9).fitsIn(f32));
  CHECK(FloatRange::of(std::ldexp(1, -14)).findUnderflow(f16) == 0);
  CHECK(FloatRange::of(std::ldexp(1, -15)).findUnderflow(f16) == std::ldexp(1, -15));
  CHECK(FloatRange::of(1e-12).fitsIn(bf16));
  CHECK(FloatRange::of(-1e9).roundTo(f16).fitsIn(f16));
  CHECK(FloatRange::of(1e-12).roundTo(f16).fitsIn(f16));
}

void testArithmetic() {
  FloatRange data, mask = FloatRange::of(-1e4), epsilon = FloatRange::of(1e-12);
  FloatRange scores = data.add(mask);
  // -1e4 itself fits f16, but beside it f16 has steps of 8: 2^11 is the last exact offset.
  CHECK(!scores.findOverflow(f16) && scores.findLostDigits(f16) == 1e4);
  CHECK(data.add(FloatRange::of(2048)).findLostDigits(f16) == 0);
  CHECK(mask.add(mask).lowest == -2e4);
  CHECK(data.add(data).highest == 1); // sums of ordinary values are ordinary

  CHECK(data.add(epsilon).findUnderflow(f16) == 1e-12);
  CHECK(epsilon.sqrt().smallest == 1e-6);
  CHECK(data.divide(epsilon).highest == 1e12);

  // Factors between 2^-8 and 2^8 do not add up over the layers of a network.
  FloatRange scaled = data;
  for (int layer = 0; layer < 100; ++layer)
    scaled = scaled.multiply(FloatRange::of(0.125));
  CHECK(scaled.isOrdinary());
  CHECK(FloatRange::of(1e100).multiply(FloatRange::of(1e100)).highest == 1e150);

  CHECK(mask.negate().highest == 1e4 && mask.negate().lowest == 1e4);
  CHECK(mask.max(data).lowest == -1 && mask.min(data).highest == -1e4);
  CHECK(mask.join(epsilon).smallest == 1e-12 && mask.join(epsilon).lowest == -1e4);
}

//===----------------------------------------------------------------------===//
// NodeLocation
//===----------------------------------------------------------------------===//

void testLocations(MLIRContext &context) {
  Location fc1 = getNodeLocation(&context, "mlp.onnx", 3, "fc1", "Gemm");
  Location relu = getNodeLocation(&context, "mlp.onnx", 4, "relu", "Relu");
  CHECK(getNodeNames(fc1) == SmallVector<StringRef>{"fc1"} && getNodeType(fc1) == "Gemm");

  Location merged = FusedLoc::get(&context, {fc1, relu, fc1});
  CHECK(getNodeNames(merged) == SmallVector<StringRef>{"fc1", "relu"}); // each once, in order
  CHECK(getNodeType(merged) == "Gemm");
  CHECK(getNodeNames(CallSiteLoc::get(relu, fc1)) == SmallVector<StringRef>{"relu"});

  Location unknown = UnknownLoc::get(&context);
  CHECK(getNodeNames(unknown).empty() && getNodeType(unknown).empty());
  // A parameter's location has a name and no operator.
  CHECK(getNodeType(NameLoc::get(StringAttr::get(&context, "fc1.weight"))).empty());
}

void testResultNames(MLIRContext &context) {
  Location fc1 = getNodeLocation(&context, "mlp.onnx", 3, "fc1", "Gemm");
  Location relu = getNodeLocation(&context, "mlp.onnx", 4, "relu", "Relu");
  auto is = [](Location loc, unsigned result, StringRef node, StringRef value, bool isGradient) {
    ResultName name = getResultName(loc, result);
    return name.node == node && name.value == value && name.isGradient == isGradient;
  };
  CHECK(is(fc1, 0, "fc1", "", false));
  Location h = nameResults(fc1, {"h"}, false), split = nameResults(relu, {"a", "", "c"}, true);
  CHECK(is(h, 0, "fc1", "h", false) && getResultName(h, 0).type == "Gemm");
  CHECK(is(h, 1, "fc1", "", false));
  CHECK(is(split, 0, "relu", "a", true) && is(split, 1, "relu", "", true) &&
        is(split, 2, "relu", "c", true));
  CHECK(is(pickResult(split, 2), 0, "relu", "c", true));
  CHECK(is(nameNoResult(split), 0, "relu", "", true));
  CHECK(is(nameResults(h, {"g"}, true), 0, "fc1", "g", true)); // in the place of the other
  CHECK(getNodeNames(h) == SmallVector<StringRef>{"fc1"} && getNodeType(h) == "Gemm");
  // Put together, the last one stays; or the first, where it lists its results.
  CHECK(is(FusedLoc::get(&context, {h, split}), 0, "relu", "a", true));
  Location listed = joinResults(split, {pickResult(split, 2), h});
  CHECK(is(listed, 0, "relu", "c", true) && is(listed, 1, "fc1", "h", false));
  CHECK(is(FusedLoc::get(&context, {listed, h}), 0, "relu", "c", true));
  CHECK(getNodeNames(listed) == SmallVector<StringRef>{"relu"});
  // What has no node stays without.
  Location parameter = NameLoc::get(StringAttr::get(&context, "w"));
  CHECK(is(nameResults(parameter, {"w"}, true), 0, "w", "w", true));
  CHECK(getNodeType(nameResults(parameter, {"w"}, true)).empty());
  Location unknown = UnknownLoc::get(&context);
  CHECK(nameResults(unknown, {"x"}, false) == unknown && is(unknown, 0, "", "", false));
}

//===----------------------------------------------------------------------===//
// ScalarBuilder
//===----------------------------------------------------------------------===//

std::optional<double> asNumber(Value value) {
  FloatAttr real;
  if (matchPattern(value, m_Constant(&real)))
    return real.getValueAsDouble();
  IntegerAttr integer;
  if (matchPattern(value, m_Constant(&integer)))
    return double(integer.getType().isInteger(1) ? integer.getValue().getZExtValue()
                                                 : integer.getValue().getSExtValue());
  return std::nullopt;
}

void testScalars(MLIRContext &context) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  OpBuilder builder = OpBuilder::atBlockBegin(module->getBody());
  ScalarBuilder s(builder, UnknownLoc::get(&context));
  Type f32Type = builder.getF32Type(), i32 = builder.getI32Type(), i8 = builder.getI8Type(),
       i1 = builder.getI1Type(), index = builder.getIndexType();
  auto real = [&](double x) { return s.constant(f32Type, x); };
  auto whole = [&](int64_t x) { return s.constant(i32, x); };
  auto truth = [&](bool x) { return s.constant(i1, int64_t(x)); };

  // A constant is rounded to its type.
  CHECK(asNumber(real(0.1)) == double(0.1f));
  CHECK(asNumber(s.constant(i8, int64_t(300))) == 44);

  // One vocabulary picks the operation by the operands' type.
  CHECK(s.add(real(1), real(2)).getDefiningOp<arith::AddFOp>());
  CHECK(s.add(whole(1), whole(2)).getDefiningOp<arith::AddIOp>());
  CHECK(s.maximum(real(1), real(2)).getDefiningOp<arith::MaximumFOp>());
  CHECK(s.maximum(truth(false), truth(true)).getDefiningOp<arith::OrIOp>());
  CHECK(s.less(truth(false), truth(true)).getDefiningOp<arith::CmpIOp>().getPredicate() ==
        arith::CmpIPredicate::ult);
  CHECK(s.notEqual(real(0), real(0)).getDefiningOp<arith::CmpFOp>().getPredicate() ==
        arith::CmpFPredicate::UNE);

  // Conversions: none to the same type, through f32 between f16 and bf16, by test to i1.
  Value x = real(2.5);
  CHECK(s.convert(x, f32Type) == x);
  Value half = s.convert(x, builder.getF16Type());
  CHECK(half.getDefiningOp<arith::TruncFOp>());
  auto brain = s.convert(half, builder.getBF16Type()).getDefiningOp<arith::TruncFOp>();
  CHECK(brain && brain.getIn().getType() == f32Type);
  CHECK(s.convert(x, i1).getDefiningOp<arith::CmpFOp>());
  CHECK(s.convert(truth(true), i32).getDefiningOp<arith::ExtUIOp>());
  CHECK(s.convert(whole(7), index).getDefiningOp<arith::IndexCastOp>());

  // What an integer cannot hold is clamped before the conversion, which is poison there.
  auto truncated = s.convert(real(1e20), i32).getDefiningOp<arith::FPToSIOp>();
  auto clamped = truncated ? truncated.getIn().getDefiningOp<arith::MinNumFOp>() : nullptr;
  // 2^31 - 1 is no f32: the bound is the number below it.
  CHECK(clamped && asNumber(clamped.getRhs()) == 2147483520.0);

  // A fold is one loop that carries the value, from `from` to `to` by 1.
  Value sum = s.fold(s.constant(index, int64_t(0)), s.constant(index, int64_t(10)), real(0),
                     [&](ScalarBuilder &inner, Value i, Value value) {
                       CHECK(i.getType() == index);
                       return inner.add(value, inner.convert(i, f32Type));
                     });
  auto loop = sum.getDefiningOp<scf::ForOp>();
  CHECK(loop && sum.getType() == f32Type && asNumber(loop.getStep()) == 1 &&
        asNumber(loop.getUpperBound()) == 10);
  CHECK(loop && loop.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>());
}
//===----------------------------------------------------------------------===//
// Optimizer settings
//===----------------------------------------------------------------------===//

void testOptimizerSettings() {
  auto rate = OptimizerSetting::nonNegative("lr", 0.5, "");
  auto beta = OptimizerSetting::fraction("beta", 0.25, "");
  auto dampening = OptimizerSetting::finite("dampening", 0, "");
  CHECK(rate.check(0).empty() && rate.check(3e38).empty());
  CHECK(rate.check(-1) == "--lr=-1: must be at least 0 and finite");
  CHECK(rate.check(std::nan("")) == "--lr=nan: must be at least 0 and finite");
  CHECK(rate.check(1e-46) ==
        "--lr=1e-46: must be at least 0 and finite, also as f32, which would round it to 0");
  CHECK(beta.check(1) == "--beta=1: must be at least 0 and below 1");
  CHECK(beta.check(0.99999999999) == "--beta=0.99999999999: must be at least 0 and below 1, also "
                                     "as f32, which would round it to 1");
  CHECK(dampening.check(-7).empty());
  CHECK(dampening.check(1e39) == "--dampening=1e+39: must be a number that f32 holds");

  OptimizerOptions options;
  options.name = "this";
  CHECK(readSetting("beta=0.75", options.given).empty() && options.find("beta") == 0.75);
  CHECK(readSetting("beta=0.5", options.given) == "beta: is given twice" &&
        options.find("beta") == 0.75);
  CHECK(readSetting("lr", options.given) == "lr: a setting is FLAG=NUMBER");
  CHECK(readSetting("lr=fast", options.given) == "lr=fast: a setting is FLAG=NUMBER");
  CHECK(readSetting("=1", options.given) == "=1: a setting is FLAG=NUMBER" && !options.find(""));
  OptimizerSettings settings(options, {rate, beta});
  CHECK(settings.error().empty() && settings.name() == "this");
  CHECK(settings["beta"] == 0.75 && settings["lr"] == 0.5);
  OptimizerSettings undeclared(options, {rate});
  CHECK(StringRef(undeclared.error())
            .starts_with("--beta: --optimizer=this has no such setting; it has "));
  CHECK(settings.isGiven("beta") && !settings.isGiven("lr") && settings.all().size() == 2);
  OptimizerSettings grouped(options.withGroup({{"beta", 0.125}}), {rate, beta});
  CHECK(grouped.error().empty() && grouped["beta"] == 0.125 && grouped["lr"] == 0.5);
  auto decay = OptimizerSetting::notPositive("decay", -0.5, "");
  CHECK(decay.check(0).empty() && decay.check(-2).empty());
  CHECK(decay.check(0.25) == "--decay=0.25: must be at most 0 and finite");
  CHECK(!OptimizerSetting::atLeast(1, "d", 1, "").check(0.5).empty());
  options.given["beta"] = 2;
  CHECK(OptimizerSettings(options, {rate, beta}).error() == beta.check(2));
}

//===----------------------------------------------------------------------===//
// PolicyFile
//===----------------------------------------------------------------------===//

/// The error of a policy file that holds `text`, "" where it is taken.
std::string readPolicy(StringRef text, PrecisionRules *rules = nullptr) {
  SmallString<128> path;
  CHECK(!llvm::sys::fs::createTemporaryFile("policy", "json", path));
  {
    std::error_code error;
    llvm::raw_fd_ostream(path, error) << text;
  }
  llvm::Expected<PrecisionRules> read = readPolicyFile(path);
  llvm::sys::fs::remove(path);
  if (!read)
    return llvm::toString(read.takeError());
  if (rules)
    *rules = std::move(*read);
  return "";
}

void testPolicyFile() {
  const std::string text = R"({"extends": "pytorch",
    "operators": {"Exp": "allow", "a.b:C": {"bf16": "deny"}},
    "nodes": {"^\u00e9\n[0-9]{2}\\.": "follow"},
    "operands": [{"node": "x|y", "operand": 65535, "precision": {"f16": "deny"}},
                 {"operator": "Add", "operand": "caf\u00e9 \ud83d\ude00", "precision": "allow"}]})";
  PrecisionRules rules;
  CHECK(readPolicy(text, &rules).empty());
  CHECK(rules.profile == "pytorch" && rules.rules.size() == 5);
  CHECK(rules.rules[0].op == "Exp" && rules.rules[0].line == 2 && rules.rules[0].level == 0);
  CHECK(rules.rules[1].get("bf16") == Precision::Deny && !rules.rules[1].get("f16"));
  CHECK(rules.rules[2].node == "^\u00e9\n[0-9]{2}\\." && rules.rules[2].line == 3);
  CHECK(rules.rules[3].operandIndex == 65535u && rules.rules[3].isOfOperand());
  CHECK(rules.rules[4].operandName == "caf\u00e9 \U0001f600" && rules.rules[4].line == 5);
  // Whatever bytes come: an error that names a line, or rules; never a crash.
  size_t taken = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string error = readPolicy(text.substr(0, i));
    CHECK(StringRef(error).contains(".json:"));
    for (char c : {'{', '}', '"', '\\', ',', '\n', '\0', '9', '\xff'}) {
      std::string changed = text;
      changed[i] = c;
      error = readPolicy(changed);
      taken += error.empty();
      CHECK(error.empty() || StringRef(error).contains("policy"));
    }
  }
  CHECK(taken > 50 && taken < text.size() * 4);
}

} // namespace

int main() {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<arith::ArithDialect, math::MathDialect, scf::SCFDialect>();
  testConstants();
  testFloats();
  testTypes();
  testArithmetic();
  testLocations(context);
  testResultNames(context);
  testScalars(context);
  testOptimizerSettings();
  testPolicyFile();
  return finishChecks();
}
