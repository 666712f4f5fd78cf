//===- ValueErrors.h - How far two steps' values are apart ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two modules of one model write the same tensors, in other types, in an order of their own and
// through kernels that keep other ones in registers. Both steps run side by side and hand over what
// they write, piece by piece; a piece is gone as soon as the other side's is there, so that little
// of a large network's values is ever kept.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_VALUEERRORS_H
#define AMPC_RUN_VALUEERRORS_H

#include "ElementType.h"

#include <ampc-runtime/ampc.h>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace ampc::run {

/// "f16", "bf16", "f32" or "f64".
std::string floatName(ElementType type);

/// What a value is to the model: the same in all modules of it.
struct ValueName {
  std::string tensor, node;
  bool isGradient = false;

  bool operator<(const ValueName &other) const {
    return std::tie(tensor, node, isGradient) <
           std::tie(other.tensor, other.node, other.isGradient);
  }
};

/// A value as a step of one module writes it.
struct SeenValue {
  ValueName name;
  std::string opType;
  ElementType type;
  std::vector<int64_t> shape; ///< as the step has it: channels may be last
  uint64_t elements = 0;      ///< in all iterations of a loop
};

/// Tells the values of a step from copies of them and from what has no name.
class ValueTracker {
public:
  /// A new step begins.
  void restart() { places.clear(); }
  /// True for a piece of a named value; false for a part of a node, and for a value that is there
  /// already: its copy in another type, or in another layout.
  bool isValue(const ampc_value_t &value);

private:
  struct Place {
    int64_t iteration = -1;
    bool isCopy = false;
  };
  std::map<ValueName, Place> places;
};

/// A shape that elements may have, and its dimensions in the order in which another side has them.
struct ValueLayout {
  std::vector<int64_t> shape;
  std::vector<size_t> order;
};

/// What a step of a module writes, in the order of the plan.
class ValueCensus {
public:
  /// For ampc_session_step_visited; `user` is the census.
  static void visit(void *user, const ampc_value_t *value);

  std::vector<SeenValue> values;
  size_t parts = 0; ///< pieces that have no name

private:
  ValueTracker tracker;
  std::map<ValueName, size_t> places;
};

/// Sums over the elements of a value that is there twice.
class ErrorSums {
public:
  /// `factors` are what the second value's elements may have to be multiplied with; the one that
  /// brings them closest is taken.
  explicit ErrorSums(std::vector<double> factors = {1});

  void add(ElementType typeA, const char *a, ElementType typeB, const char *b, uint64_t count);

  /// ||a - b|| / ||a||, of ||b|| where a is 0; infinite where an element is finite in one alone.
  double error() const;
  double squaredDifference() const { return sums[best()].squares; }
  double squaredNorm() const { return squaresOfA; }
  double largestDifference() const { return sums[best()].largest; }
  uint64_t badInA = 0, badInB = 0; ///< elements that are infinite or NaN

private:
  size_t best() const;

  struct Sum {
    double factor, squares = 0, largest = 0;
  };
  std::vector<Sum> sums;
  double squaresOfA = 0, squaresOfB = 0;
  uint64_t mismatched = 0;
  std::vector<double> bufferA, bufferB;
};

/// A value that both modules write, and its error over the steps that were compared.
struct ComparedValue {
  SeenValue a, b;
  std::optional<double> first; ///< in the first step that was compared
  double most = 0;             ///< in the step with the largest error, `mostStep`
  int64_t mostStep = 0;
  double largestDifference = 0; ///< of an element, in that step
  uint64_t badInA = 0, badInB = 0;

  /// Another step was compared.
  void add(const ErrorSums &sums, int64_t step);
};

/// Compares the values of two steps that run at the same time, each in a thread.
class ValueErrors {
public:
  /// At most about `limit` bytes wait for the other side, but where an order of the plans needs
  /// more.
  ValueErrors(const ValueCensus &a, const ValueCensus &b, uint64_t limit = uint64_t(256) << 20);

  /// Begins a step with these loss scales, which gradients may carry.
  void begin(double scaleA, double scaleB);
  /// Takes a piece that side 0 or 1 has written; may wait for the other one.
  void visit(int side, const ampc_value_t &value);
  /// The step of `side` is done.
  void finish(int side);
  /// Ends a step: what it showed is a part of `values`, but for the gradients where
  /// `withGradients` is false. Throws what a visit threw.
  void end(int64_t step, bool withGradients);

  /// In the order in which the first module writes them.
  const std::vector<ComparedValue> &values() const { return compared; }
  /// Of the last step: ||a - b|| / ||a|| of the gradients of `parameters` together, as far as both
  /// sides write them; nothing where they write none.
  std::optional<double> gradientError(const std::vector<std::string> &parameters) const;
  /// What one side alone writes; and what both write in forms that do not fit.
  const std::vector<SeenValue> &only(int side) const { return single[side]; }
  const std::vector<SeenValue> &misfits() const { return unlike; }

private:
  /// A value on its way: what one side has written and the other one has not.
  struct Stream {
    std::vector<char> waiting[2];
    uint64_t taken[2] = {0, 0}; ///< bytes of `waiting` that are done with
    bool isWhole = false;       ///< compared at the end, as the layout differs
    std::optional<ErrorSums> sums;
  };
  void take(size_t index, int side, const char *data, uint64_t bytes);
  void compareWhole(size_t index);
  void drop(Stream &stream);

  const uint64_t limit;
  std::vector<ComparedValue> compared;
  std::vector<SeenValue> single[2], unlike;
  std::map<ValueName, size_t> places;
  std::vector<Stream> streams;
  std::vector<std::vector<ValueLayout>> layouts; ///< that the second side may have; of each value
  std::vector<double> factors;                   ///< of gradients

  std::mutex mutex;
  std::condition_variable changed;
  ValueTracker trackers[2];
  uint64_t pending = 0;
  bool waits[2] = {}, isDone[2] = {};
  std::exception_ptr failure;
};

} // namespace ampc::run

#endif // AMPC_RUN_VALUEERRORS_H
