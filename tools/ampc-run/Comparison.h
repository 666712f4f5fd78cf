//===- Comparison.h - Two modules trained side by side ----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_COMPARISON_H
#define AMPC_RUN_COMPARISON_H

#include "Api.h"
#include "DataSet.h"
#include "Json.h"
#include "Options.h"
#include "ValueErrors.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ampc::run {

/// A tensor of a session's state.
struct StateTensor {
  std::string name;
  ampc_tensor_role_t role;
  DLDataType dtype;
  std::vector<int64_t> shape;
  bool trained = false;
};

/// What one step was on both sides; of one that has no training step, an evaluation.
struct ComparedStep {
  int64_t step = 0;
  ampc_step_info_t info[2] = {};
  std::optional<double> gradientError; ///< where values were compared
};

/// Trains two modules of one model on the same batches from the same state, and compares what
/// their steps write. Of modules that only evaluate it compares the outputs.
class Comparison {
public:
  /// Throws Error where the modules are not of one model. What is given must outlive this.
  Comparison(const CompareOptions &options, const Module &a, const Module &b, DataSet &data);
  ~Comparison();

  /// Makes the next step. False where one side's training stopped, or the data are at their end
  /// (of an evaluation).
  bool step();

  const std::vector<ComparedStep> &steps() const { return done; }
  const std::vector<ComparedValue> &values() const { return errors ? errors->values() : outputs; }
  /// What the user should know, each one sentence.
  const std::vector<std::string> &notes() const { return remarks; }
  /// Why a side's training stopped; "" where it did not.
  const std::string &stopped(int side) const { return stops[side]; }
  /// All of it, the worst value first.
  Json toJson() const;

private:
  struct Side;
  void requireOneModel() const;
  void takeState(bool isFirst);
  void probe();
  void enqueue(int side, const std::vector<ampc_named_tensor_t> &batch, ComparedStep &step,
               bool visits);
  void prepareEvaluation();
  bool evaluate();
  const std::vector<ampc_named_tensor_t> &nextBatch();

  const CompareOptions &options;
  DataSet &data;
  std::vector<std::unique_ptr<Side>> sides;
  std::unique_ptr<ValueErrors> errors; ///< of modules that train
  std::vector<ComparedValue> outputs;  ///< of others
  std::vector<StateTensor> shared;     ///< state that both have
  std::vector<std::string> parameters;
  std::vector<ComparedStep> done;
  std::vector<std::string> remarks;
  std::string stops[2];
  size_t parts[2] = {0, 0};
  uint64_t epoch = 0, sample = 0;
  std::vector<uint64_t> order;
};

/// The least precise float type that `values` have in the second module, and half the distance from
/// 1 to the next number in it: what rounding to it may do.
std::pair<std::string, double> roundoffOf(const std::vector<ComparedValue> &values);

/// Writes a page that needs nothing else: `comparison` as Comparison::toJson gives it. Throws
/// Error.
void writeComparePage(const std::string &path, const Json &comparison);

} // namespace ampc::run

#endif // AMPC_RUN_COMPARISON_H
