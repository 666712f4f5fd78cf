//===- Recovery.cpp - Matching what files spell out -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Support/NodeLocation.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

namespace {
struct Recover : RewritePattern {
  Recover(StringRef root, PatternBenefit benefit, MLIRContext *context, RecoverFn recover,
          RecoveryLog &log)
      : RewritePattern(root, benefit, context), recover(recover), log(log) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    return recover(op, rewriter, log);
  }

private:
  RecoverFn recover;
  RecoveryLog &log;
};
} // namespace

void ampc::addRecovery(RewritePatternSet &patterns, RecoveryLog &log, StringRef root,
                       RecoverFn recover, PatternBenefit benefit) {
  patterns.add(std::make_unique<Recover>(root, benefit, patterns.getContext(), recover, log));
}

Location Spelling::getLoc() const {
  // In the order in which they stand in the file.
  SmallVector<Operation *> sorted(ops.begin(), ops.end());
  llvm::sort(sorted, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  auto locations = llvm::map_to_vector(sorted, [](Operation *op) { return op->getLoc(); });
  return FusedLoc::get(last->getContext(), locations);
}

std::string Spelling::whyNot() const {
  Attribute asked = last->getAttr(kPrecisionAttr);
  for (Operation *op : ops) {
    if (isa<PrecisionOpInterface>(op) && op->getAttr(kPrecisionAttr) != asked)
      return "different precisions are asked for its parts";
    if (op->hasAttr(kOperandPrecisionAttr))
      return "a precision is asked for an operand of its parts";
    if (op == last)
      continue;
    for (Operation *user : op->getUsers()) {
      if (ops.contains(user))
        continue;
      std::string why = "what '" + op->getName().getStringRef().str() + "' computes";
      if (SmallVector<StringRef> nodes = getNodeNames(op->getLoc()); !nodes.empty())
        why += " (" + llvm::join(nodes, ", ") + ")";
      return why + " is read elsewhere too";
    }
  }
  return "";
}

/// What the user asks of an operator that `op` stands for; null where that is nothing.
static Attribute findOperatorPrecision(Operation *op) {
  auto asked =
      op->getParentOfType<ModuleOp>()->getAttrOfType<DictionaryAttr>(kOperatorPrecisionsAttr);
  auto onnx = dyn_cast<OnnxOpInterface>(op);
  if (asked && onnx)
    for (const OnnxName &name : onnx.getOnnxNames())
      if (Attribute found = asked.get(name.name); found && name.domain.empty())
        return found;
  return nullptr;
}

/// Whether PyTorch's lists put the result of what the file spells out into f32, though not `op`: an
/// op of theirs among the parts makes what is computed of it wide.
static bool isWideInPyTorch(ArrayRef<Operation *> parts, Operation *op) {
  auto recordOf = [](Operation *op) {
    auto precision = dyn_cast<PrecisionOpInterface>(op);
    return precision ? precision.getPrecisionRecord().pytorch : Precision::Follow;
  };
  return recordOf(op) == Precision::Promote && llvm::any_of(parts, [&](Operation *part) {
           return recordOf(part) == Precision::Deny || part->hasAttr(kWideInPyTorchAttr);
         });
}

void Spelling::replace(PatternRewriter &rewriter, RecoveryLog &log, StringRef kind, Operation *op,
                       Value result) const {
  Attribute asked = last->getAttr(kPrecisionAttr);
  if (!asked)
    asked = findOperatorPrecision(op);
  if (asked && isa<PrecisionOpInterface>(op))
    op->setAttr(kPrecisionAttr, asked);
  if (isWideInPyTorch(SmallVector<Operation *>(ops.begin(), ops.end()), op))
    op->setAttr(kWideInPyTorchAttr, rewriter.getUnitAttr());
  SmallVector<Operation *> dead;
  for (Operation *taken : ops)
    if (taken != last)
      dead.push_back(taken);
  llvm::append_range(dead, shared);
  llvm::sort(dead, [](Operation *a, Operation *b) { return b->isBeforeInBlock(a); });
  dead.erase(llvm::unique(dead), dead.end());
  rewriter.replaceOp(last, result);
  for (Operation *old : dead)
    if (old->use_empty())
      rewriter.eraseOp(old);
  log.recover(op, kind, op->getLoc());
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// So deep are functions of constants at most: 1 / sqrt(sqrt(cast(constant))).
static constexpr unsigned kMostDepth = 8;

static std::optional<double> evaluate(Value x, unsigned depth) {
  Operation *op = x.getDefiningOp();
  if (!op || depth == 0 || !isa<FloatType>(getElementTypeOrSelf(x.getType())))
    return std::nullopt;
  if (std::optional<double> number = splatNumber(x))
    return number;
  auto operand = [&](unsigned i) { return evaluate(op->getOperand(i), depth - 1); };
  if (isa<ReshapeOp, BroadcastOp, CastOp>(op))
    return operand(0);
  bool isUnary = isa<SqrtOp, ReciprocalOp, NegOp, ExpOp, LogOp>(op);
  if (!isUnary && !isa<AddOp, SubOp, MulOp, DivOp, PowOp>(op))
    return std::nullopt;
  std::optional<double> a = operand(0), b = isUnary ? 0 : operand(1);
  if (!a || !b)
    return std::nullopt;
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case([&](SqrtOp) { return std::sqrt(*a); })
      .Case([&](ReciprocalOp) { return 1 / *a; })
      .Case([&](NegOp) { return -*a; })
      .Case([&](ExpOp) { return std::exp(*a); })
      .Case([&](LogOp) { return std::log(*a); })
      .Case([&](AddOp) { return *a + *b; })
      .Case([&](SubOp) { return *a - *b; })
      .Case([&](MulOp) { return *a * *b; })
      .Case([&](DivOp) { return *a / *b; })
      .Case([&](PowOp) { return std::pow(*a, *b); });
}

std::optional<double> ampc::knownNumber(Value x) { return evaluate(x, kMostDepth); }

bool ampc::isNear(double number, double expected, Type type) {
  // A few roundings: of what is multiplied, and of the product.
  unsigned bits = APFloat::semanticsPrecision(cast<FloatType>(type).getFloatSemantics());
  return std::abs(number - expected) <= std::abs(expected) * std::ldexp(4, -int(bits));
}

/// `isOpen`: what makes `value` is taken apart whatever reads it.
static void takeFactors(Spelling &spelling, Value value, bool isOpen, bool isDivisor, Product &p) {
  if (std::optional<double> number = knownNumber(value)) {
    p.number = isDivisor ? p.number / *number : p.number * *number;
    return;
  }
  if (isOpen || value.hasOneUse()) {
    if (auto product = spelling.take<MulOp>(value)) {
      takeFactors(spelling, product.getLhs(), false, isDivisor, p);
      takeFactors(spelling, product.getRhs(), false, isDivisor, p);
      return;
    }
    if (auto quotient = spelling.take<DivOp>(value)) {
      takeFactors(spelling, quotient.getLhs(), false, isDivisor, p);
      takeFactors(spelling, quotient.getRhs(), false, !isDivisor, p);
      return;
    }
    if (auto reciprocal = spelling.take<ReciprocalOp>(value))
      return takeFactors(spelling, reciprocal.getInput(), false, !isDivisor, p);
    if (auto negated = spelling.take<NegOp>(value)) {
      p.number = -p.number;
      return takeFactors(spelling, negated.getInput(), false, isDivisor, p);
    }
  }
  (isDivisor ? p.divisors : p.factors).push_back(value);
}

Product ampc::takeProduct(Spelling &spelling) {
  Product p;
  takeFactors(spelling, spelling.getLast()->getResult(0), /*isOpen=*/true, false, p);
  return p;
}

Product ampc::takeProduct(Spelling &spelling, Value value) {
  Product p;
  takeFactors(spelling, value, /*isOpen=*/false, false, p);
  return p;
}

Affine ampc::takeAffine(Spelling &spelling, Value value) {
  Affine a{value};
  // value = offset + scale * core
  for (Operation *op = value.getDefiningOp(); op; op = a.core.getDefiningOp()) {
    if (op->getNumResults() != 1 || !a.core.hasOneUse())
      break;
    if (auto negated = dyn_cast<NegOp>(op)) {
      a.scale = -a.scale;
      a.core = negated.getInput();
    } else if (isa<AddOp, SubOp, MulOp, DivOp>(op)) {
      std::optional<double> left = knownNumber(op->getOperand(0));
      std::optional<double> right = knownNumber(op->getOperand(1));
      if (bool(left) == bool(right) || (isa<DivOp>(op) && left))
        break;
      double number = left ? *left : *right;
      a.core = op->getOperand(left ? 1 : 0);
      if (isa<AddOp>(op)) {
        a.offset += a.scale * number;
      } else if (isa<MulOp>(op)) {
        a.scale *= number;
      } else if (isa<DivOp>(op)) {
        a.scale /= number;
      } else {
        a.offset += left ? a.scale * number : -a.scale * number;
        a.scale = left ? -a.scale : a.scale;
      }
    } else {
      break;
    }
    spelling.takeOp(op);
  }
  return a;
}

static std::optional<Polynomial> multiply(const Polynomial &a, const Polynomial &b) {
  Polynomial product{};
  for (unsigned i = 0; i < a.size(); ++i)
    for (unsigned j = 0; j < b.size(); ++j) {
      if (a[i] == 0 || b[j] == 0)
        continue;
      if (i + j >= product.size())
        return std::nullopt;
      product[i + j] += a[i] * b[j];
    }
  return product;
}

static std::optional<Polynomial> polynomialOf(Spelling &spelling, Value value, Value x,
                                              unsigned depth) {
  if (value == x)
    return Polynomial{0, 1};
  if (std::optional<double> number = knownNumber(value))
    return Polynomial{*number};
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || !isa<NegOp, AddOp, SubOp, MulOp, DivOp, PowOp>(op))
    return std::nullopt;
  spelling.takeOp(op);
  std::optional<Polynomial> a = polynomialOf(spelling, op->getOperand(0), x, depth - 1);
  if (!a)
    return std::nullopt;
  auto scale = [](Polynomial p, double factor) {
    for (double &coefficient : p)
      coefficient *= factor;
    return p;
  };
  if (isa<NegOp>(op))
    return scale(*a, -1);
  if (isa<DivOp, PowOp>(op)) {
    std::optional<double> number = knownNumber(op->getOperand(1));
    if (!number)
      return std::nullopt;
    if (isa<DivOp>(op))
      return scale(*a, 1 / *number);
    if (*number != 1 && *number != 2 && *number != 3)
      return std::nullopt;
    std::optional<Polynomial> power = a;
    for (int i = 1; i < int(*number) && power; ++i)
      power = multiply(*power, *a);
    return power;
  }
  std::optional<Polynomial> b = polynomialOf(spelling, op->getOperand(1), x, depth - 1);
  if (!b || isa<MulOp>(op))
    return b ? multiply(*a, *b) : b;
  Polynomial sum = scale(*b, isa<SubOp>(op) ? -1 : 1);
  for (unsigned i = 0; i < sum.size(); ++i)
    sum[i] += (*a)[i];
  return sum;
}

std::optional<Polynomial> ampc::takePolynomial(Spelling &spelling, Value value, Value x) {
  return polynomialOf(spelling, value, x, kMostDepth);
}

//===----------------------------------------------------------------------===//
// Means and roots
//===----------------------------------------------------------------------===//

bool ampc::takeSquare(Spelling &spelling, Value square, Value &x) {
  if (auto product = spelling.take<MulOp>(square)) {
    x = product.getLhs();
    return product.getRhs() == x;
  }
  auto power = spelling.take<PowOp>(square);
  if (!power || knownNumber(power.getRhs()) != 2.0 || power.getType() != power.getLhs().getType())
    return false;
  x = power.getLhs();
  return true;
}

bool ampc::takeRoot(Spelling &spelling, Value root, Value &of) {
  if (auto sqrt = spelling.take<SqrtOp>(root)) {
    of = sqrt.getInput();
    return true;
  }
  auto power = spelling.take<PowOp>(root);
  if (!power || knownNumber(power.getRhs()) != 0.5)
    return false;
  of = power.getLhs();
  return true;
}

bool ampc::takeInverseRoot(Spelling &spelling, Value inverse, Value &of) {
  if (auto reciprocal = spelling.take<ReciprocalOp>(inverse))
    return takeRoot(spelling, reciprocal.getInput(), of);
  if (auto quotient = spelling.take<DivOp>(inverse))
    return knownNumber(quotient.getLhs()) == 1.0 && takeRoot(spelling, quotient.getRhs(), of);
  auto power = spelling.take<PowOp>(inverse);
  if (!power || knownNumber(power.getRhs()) != -0.5)
    return false;
  of = power.getLhs();
  return true;
}

/// The reduction that `value` is, whose dimensions a reshape may put back as 1.
template <typename OpTy>
static OpTy takeReduction(Spelling &spelling, Value value, SmallVector<int64_t> &axes) {
  Value reduced = value;
  if (auto reshape = spelling.take<ReshapeOp>(value))
    reduced = reshape.getInput();
  auto op = spelling.take<OpTy>(reduced);
  if (!op)
    return op;
  RankedTensorType type = tensorType(op.getInput());
  axes.assign(op.getAxes().begin(), op.getAxes().end());
  bool isKept = tensorType(value).getShape() == ArrayRef(keepAxes(type.getShape(), axes));
  return isKept && isa<FloatType>(type.getElementType()) && !axes.empty() ? op : OpTy();
}

/// Whether `scale` is 1 / n, for the n elements along the axes of `of`.
static bool isShare(double scale, Value of, ArrayRef<int64_t> axes) {
  double count = 1;
  for (int64_t axis : axes)
    count *= double(tensorType(of).getDimSize(axis));
  return isNear(scale * count, 1, of);
}

bool ampc::takeMean(Spelling &spelling, Value mean, Value &of, SmallVector<int64_t> &axes) {
  Spelling before = spelling;
  if (auto op = takeReduction<ReduceMeanOp>(spelling, mean, axes)) {
    of = op.getInput();
    return true;
  }
  spelling = before;
  Product product = takeProduct(spelling, mean);
  if (product.factors.size() != 1 || !product.divisors.empty())
    return false;
  auto sum = takeReduction<ReduceSumOp>(spelling, product.factors[0], axes);
  if (!sum || product.factors[0].getType() != mean.getType())
    return false;
  of = sum.getInput();
  return isShare(product.number, of, axes);
}

bool ampc::takeMeanSquare(Spelling &spelling, Value mean, Value &of, SmallVector<int64_t> &axes) {
  Spelling before = spelling;
  Value square;
  if (takeMean(spelling, mean, square, axes) && takeSquare(spelling, square, of))
    return true;
  spelling = before;
  Product product = takeProduct(spelling, mean);
  if (product.factors.size() != 1 || !product.divisors.empty())
    return false;
  auto sum = takeReduction<ReduceSumSquareOp>(spelling, product.factors[0], axes);
  if (!sum || product.factors[0].getType() != mean.getType())
    return false;
  of = sum.getInput();
  return isShare(product.number, of, axes);
}

bool ampc::takeShift(Spelling &spelling, Value sum, Value &of, double &number) {
  auto add = spelling.take<AddOp>(sum);
  if (!add)
    return false;
  bool isRight = knownNumber(add.getRhs()).has_value();
  std::optional<double> added = knownNumber(isRight ? add.getRhs() : add.getLhs());
  of = isRight ? add.getLhs() : add.getRhs();
  if (!added || add.getType() != of.getType())
    return false;
  number = *added;
  return true;
}
