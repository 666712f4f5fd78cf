//===- Recovery.h - Matching what files spell out --------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Patterns follow the flow of data from the op that gives the result back to its inputs. Which way
// round operands stand, in which order factors are multiplied and where numbers stand among them
// makes no difference.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_RECOVERY_H
#define AMPC_LIB_DIALECT_AMP_OPS_RECOVERY_H

#include "Common.h"
#include "ampc/Dialect/Amp/RecoveryLog.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

namespace ampc {

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

/// Puts an op in the place of what ends with `last`, or tells the log why not where it nearly can.
using RecoverFn = LogicalResult (*)(Operation *last, PatternRewriter &rewriter, RecoveryLog &log);

/// Adds a pattern for ops of the name `root`. `log` outlives it.
void addRecovery(RewritePatternSet &patterns, RecoveryLog &log, StringRef root, RecoverFn recover,
                 PatternBenefit benefit = 1);
/// One for each of several ops.
template <typename... Roots>
void addRecovery(RewritePatternSet &patterns, RecoveryLog &log, RecoverFn recover,
                 PatternBenefit benefit = 1) {
  (addRecovery(patterns, log, Roots::getOperationName(), recover, benefit), ...);
}

/// The ops that spell something out: the last one, and those that a matcher takes.
class Spelling {
public:
  explicit Spelling(Operation *last) : last(last) { ops.insert(last); }

  /// Takes the op that makes `value`, if it is an `OpTy`; else gives null.
  template <typename OpTy>
  OpTy take(Value value) {
    auto op = value.getDefiningOp<OpTy>();
    if (op)
      ops.insert(op);
    return op;
  }
  /// Takes `op`.
  void takeOp(Operation *op) { ops.insert(op); }
  /// Takes `op`, which stays where what it computes is read elsewhere.
  void takeShared(Operation *op) { shared.insert(op); }
  /// `next` reads the last op's result and gives the result in its place.
  void extend(Operation *next) {
    ops.insert(next);
    last = next;
  }
  /// The one `OpTy` that reads the result, of the same type; null where something else reads it.
  template <typename OpTy>
  OpTy getNext() const {
    Value y = last->getResult(0);
    auto next = y.hasOneUse() ? dyn_cast<OpTy>(*y.user_begin()) : OpTy();
    return next && next->getResult(0).getType() == y.getType() ? next : OpTy();
  }

  Operation *getLast() const { return last; }
  /// Where all of it comes from.
  Location getLoc() const;
  /// Why it cannot be replaced; "" where it can: nothing else reads what lies between, and the user
  /// asks one precision of all of it.
  std::string whyNot() const;
  /// Gives the precision that the user asks for to `op`, puts `result` in the place of the last
  /// op's, erases what is of no use any more, and logs `op` as a `kind`.
  void replace(PatternRewriter &rewriter, RecoveryLog &log, StringRef kind, Operation *op,
               Value result) const;

private:
  llvm::SmallSetVector<Operation *, 16> ops, shared;
  Operation *last;
};

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// The number that all elements of `x` are, where the file's constants alone tell it: one of them,
/// or what functions make of them.
std::optional<double> knownNumber(Value x);

/// Whether a number that was rounded to `type`, once or a few times, is `expected`.
bool isNear(double number, double expected, Type type);
inline bool isNear(double number, double expected, Value x) {
  return isNear(number, expected, tensorType(x).getElementType());
}

/// `number * factors / divisors`.
struct Product {
  double number = 1;
  SmallVector<Value, 4> factors, divisors;
};

/// Takes apart the product that ends with the spelling's last op, as far as nothing else reads what
/// lies between.
Product takeProduct(Spelling &spelling);
/// The same of `value`.
Product takeProduct(Spelling &spelling, Value value);

/// `offset + scale * core`.
struct Affine {
  Value core;
  double scale = 1, offset = 0;
};

/// Takes apart sums and products with numbers.
Affine takeAffine(Spelling &spelling, Value value);

/// The coefficients of `value` as a polynomial in `x`, from that of 1 up to that of x ^ 3; nullopt
/// where it is none.
using Polynomial = std::array<double, 4>;
std::optional<Polynomial> takePolynomial(Spelling &spelling, Value value, Value x);

//===----------------------------------------------------------------------===//
// Means and roots
//===----------------------------------------------------------------------===//

/// Whether `square` is `x * x`, and which x.
bool takeSquare(Spelling &spelling, Value square, Value &x);
/// v of sqrt(v) or v ^ 0.5.
bool takeRoot(Spelling &spelling, Value root, Value &of);
/// v of 1 / sqrt(v) or v ^ -0.5.
bool takeInverseRoot(Spelling &spelling, Value inverse, Value &of);
/// The mean of `of` along `axes`, which stay as 1: a mean, or a sum times 1 / n.
bool takeMean(Spelling &spelling, Value mean, Value &of, SmallVector<int64_t> &axes);
/// The mean of the squares of `of`.
bool takeMeanSquare(Spelling &spelling, Value mean, Value &of, SmallVector<int64_t> &axes);
/// Whether `value` is log(sum(e ^ x)) along an axis, which stays as 1.
bool takeLogSumExp(Spelling &spelling, Value value, Value x, int64_t &axis);
/// The sum of a value and a number.
bool takeShift(Spelling &spelling, Value sum, Value &of, double &number);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_RECOVERY_H
