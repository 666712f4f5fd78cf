//===- DataPosition.h - Where in the data a run stands --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_DATAPOSITION_H
#define AMPC_RUN_DATAPOSITION_H

#include "Options.h"

#include <cstdint>
#include <string>

namespace ampc::run {

/// Where a run stands in its data, and what its order depends on. A checkpoint
/// carries it as metadata: data.epoch, data.sample, data.samples, data.batch,
/// data.micro_batches, data.seed, data.order. The place is one among samples, so
/// that it means the same to batches of another size.
struct DataPosition {
  uint64_t epoch = 0;   ///< complete epochs
  uint64_t sample = 0;  ///< samples of this epoch that are used up
  uint64_t samples = 0; ///< samples in the data
  uint64_t batch = 0;   ///< samples in a batch
  uint64_t microBatches = 1; ///< in a step: so many batches it takes
  int64_t seed = 0;
  BatchOrder order = BatchOrder::Shuffle;

  /// Takes the next batch of `batchSize` samples.
  void advance(uint64_t batchSize);
  /// Begins the next epoch where this one has no complete batch left.
  void settle(uint64_t batchSize);

  /// Writes it to the metadata of `session`.
  void save(ampc_session_t *session) const;
  /// Reads the metadata that the session has from checkpoint `path`. Throws
  /// Error where they do not fit the flags given or the data at hand: `*this`
  /// holds the number of samples, the rest is filled in. False where the
  /// checkpoint tells no position.
  bool load(ampc_session_t *session, const TrainOptions &options);
};

} // namespace ampc::run

#endif // AMPC_RUN_DATAPOSITION_H
