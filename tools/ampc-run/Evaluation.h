//===- Evaluation.h - The forward graph over a data set -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_EVALUATION_H
#define AMPC_RUN_EVALUATION_H

#include "Accuracy.h"
#include "Api.h"
#include "DataSet.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ampc::run {

/// Runs the forward graph of a session in inference mode, batch by batch, fetches the
/// outputs that are wanted, and sums up loss and accuracy. All arguments must outlive it.
class Evaluation {
public:
  /// An output that is asked for in each batch.
  struct Wanted {
    const TensorSpec *spec;
    std::unique_ptr<char[]> data;
    DLTensor tensor;
    /// Rows that belong to a sample; 0 for an output that is one value a batch.
    uint64_t rowsInSample;
  };

  /// Wants what loss and accuracy need.
  Evaluation(const Module &module, Session &session, DataSet &data);

  /// Wants all other outputs too.
  void wantAll();
  const std::vector<Wanted> &outputs() const { return wanted; }
  /// Wants no more what cannot be computed as labels are absent; the names of these outputs.
  std::vector<std::string> dropWhatNeedsLabels();

  /// Batches in the data, an incomplete one counted.
  uint64_t batches() const { return batchCount; }
  /// The loss is computed, in each batch.
  bool hasLoss() const { return loss != nullptr; }
  /// Forgets what was summed up.
  void restart();
  /// Evaluates batch number `batch`, from 0; the number of its samples. Throws Error, which
  /// names the rows where the data are refused.
  uint64_t run(uint64_t batch);

  /// Batches in `meanLoss`, which an incomplete one is not: it was filled up.
  uint64_t lossBatches() const { return countedBatches; }
  double meanLoss() const;
  /// Nothing where the module has no such pair of label and output.
  const std::optional<Accuracy> &accuracy() const { return counter; }

private:
  void want(const TensorSpec &spec);
  bool isWanted(const TensorSpec &spec) const;
  ampc_status_t evaluate(const std::vector<ampc_named_tensor_t> &inputs);
  const void *dataOf(const TensorSpec &spec) const;

  const Module &module;
  Session &session;
  DataSet &data;
  std::vector<Wanted> wanted;
  std::optional<Accuracy> counter;
  const TensorSpec *loss = nullptr;
  uint64_t batchCount, countedBatches = 0;
  double lossSum = 0;
};

} // namespace ampc::run

#endif // AMPC_RUN_EVALUATION_H
