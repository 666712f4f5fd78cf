//===- SoftmaxRecovery.cpp - Softmax and its logarithm, spelled out -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// softmax(x) = e ^ x / sum(e ^ x), log_softmax(x) = x - log(sum(e ^ x)): neither changes where a
// maximum is taken off x first, so that it is not taken off twice.
//
//===----------------------------------------------------------------------===//

#include "Recovery.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Reduction.h"
#include "ampc/Dialect/Amp/Ops/Softmax.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"

using namespace mlir;
using namespace ampc;

/// The input of a reduction along one axis, which stays as 1.
template <typename OpTy>
static Value takeLine(Spelling &spelling, Value value, int64_t &axis) {
  auto op = spelling.take<OpTy>(value);
  if (!op || !op.getKeepdims() || op.getAxes().size() != 1)
    return {};
  axis = op.getAxes().front();
  return op.getInput();
}

/// x of x - max(x) along `axis`; else the value itself.
static Value takeBelowMaximum(Spelling &spelling, Value value, int64_t axis) {
  auto difference = value.getDefiningOp<SubOp>();
  if (!difference)
    return value;
  Spelling trial = spelling;
  trial.takeOp(difference);
  int64_t along = -1;
  Value x = takeLine<ReduceMaxOp>(trial, difference.getRhs(), along);
  if (x != difference.getLhs() || along != axis)
    return value;
  spelling = trial;
  return x;
}

bool ampc::takeLogSumExp(Spelling &spelling, Value value, Value x, int64_t &axis) {
  Spelling before = spelling;
  if (takeLine<ReduceLogSumExpOp>(spelling, value, axis) == x)
    return true;
  spelling = before;
  Value sum = takeLine<ReduceLogSumOp>(spelling, value, axis);
  if (!sum) {
    spelling = before;
    if (auto log = spelling.take<LogOp>(value))
      sum = takeLine<ReduceSumOp>(spelling, log.getInput(), axis);
  }
  if (sum) {
    auto powers = spelling.take<ExpOp>(sum);
    return powers && powers.getInput() == x;
  }
  // max(x) + log(sum(e ^ (x - max(x))))
  spelling = before;
  auto add = spelling.take<AddOp>(value);
  if (!add)
    return false;
  for (auto [maximum, rest] :
       {std::pair(add.getLhs(), add.getRhs()), std::pair(add.getRhs(), add.getLhs())}) {
    Spelling trial = spelling;
    int64_t along = -1;
    if (takeLine<ReduceMaxOp>(trial, maximum, along) != x)
      continue;
    for (Operation *user : x.getUsers()) {
      auto difference = dyn_cast<SubOp>(user);
      Spelling inner = trial;
      if (!difference || difference.getLhs() != x || difference.getRhs() != maximum)
        continue;
      inner.takeOp(difference);
      if (takeLogSumExp(inner, rest, difference, axis) && axis == along) {
        spelling = inner;
        return true;
      }
    }
  }
  return false;
}

/// Puts `OpTy` of `x` in the place of all that is spelled out.
template <typename OpTy>
static LogicalResult finish(const Spelling &spelling, Value x, int64_t axis, StringRef kind,
                            Operation *core, PatternRewriter &rewriter, RecoveryLog &log) {
  Operation *last = spelling.getLast();
  if (x.getType() != last->getResult(0).getType())
    return failure();
  if (std::string why = spelling.whyNot(); !why.empty()) {
    log.miss(core, kind, why);
    return failure();
  }
  rewriter.setInsertionPoint(last);
  auto op = OpTy::create(rewriter, spelling.getLoc(), x, uint64_t(axis));
  spelling.replace(rewriter, log, kind, op, op);
  return success();
}

/// e ^ x over its sum.
static LogicalResult recoverSoftmax(Operation *last, PatternRewriter &rewriter, RecoveryLog &log) {
  Spelling outer(last);
  Product product = takeProduct(outer);
  if (product.factors.size() != 1 || product.divisors.size() != 1 || product.number != 1)
    return failure();
  Spelling spelling = outer;
  auto powers = spelling.take<ExpOp>(product.factors[0]);
  int64_t axis = -1;
  if (!powers || takeLine<ReduceSumOp>(spelling, product.divisors[0], axis) != powers)
    return failure();
  Value x = takeBelowMaximum(spelling, powers.getInput(), axis);
  return finish<SoftmaxOp>(spelling, x, axis, "softmax", powers, rewriter, log);
}

/// x - log(sum(e ^ x)).
static LogicalResult recoverLogSoftmax(Operation *last, PatternRewriter &rewriter,
                                       RecoveryLog &log) {
  auto difference = cast<SubOp>(last);
  if (!isa<FloatType>(difference.getType().getElementType()))
    return failure();
  Spelling spelling(last);
  int64_t axis = -1;
  Value x = difference.getLhs();
  if (!takeLogSumExp(spelling, difference.getRhs(), x, axis))
    return failure();
  Operation *core = difference.getRhs().getDefiningOp();
  x = takeBelowMaximum(spelling, x, axis);
  return finish<LogSoftmaxOp>(spelling, x, axis, "log softmax", core, rewriter, log);
}

/// The logarithm of a softmax: it loses what is below the least number.
static LogicalResult recoverLogOfSoftmax(Operation *last, PatternRewriter &rewriter,
                                         RecoveryLog &log) {
  Spelling spelling(last);
  auto softmax = spelling.take<SoftmaxOp>(cast<LogOp>(last).getInput());
  if (!softmax)
    return failure();
  return finish<LogSoftmaxOp>(spelling, softmax.getInput(), softmax.getAxis(), "log softmax", last,
                              rewriter, log);
}

void SoftmaxOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<MulOp, DivOp>(patterns, log, recoverSoftmax);
}

void LogSoftmaxOp::getRecoveryPatterns(RewritePatternSet &patterns, RecoveryLog &log) {
  addRecovery<SubOp>(patterns, log, recoverLogSoftmax);
  addRecovery<LogOp>(patterns, log, recoverLogOfSoftmax);
}
