//===- DataPosition.cpp - Where in the data a run stands ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DataPosition.h"
#include "Api.h"
#include "Error.h"
#include "Metadata.h"
#include "Progress.h"

#include <algorithm>

using namespace ampc::run;

namespace {

constexpr const char *epochKey = "data.epoch";
constexpr const char *sampleKey = "data.sample";
constexpr const char *samplesKey = "data.samples";
constexpr const char *batchKey = "data.batch";
constexpr const char *microBatchesKey = "data.micro_batches";
constexpr const char *seedKey = "data.seed";
constexpr const char *orderKey = "data.order";

} // namespace

void DataPosition::advance(uint64_t batchSize) {
  sample += batchSize;
  settle(batchSize);
}

void DataPosition::settle(uint64_t batchSize) {
  if (sample <= samples && samples - sample >= batchSize)
    return;
  ++epoch;
  sample = 0;
}

void DataPosition::save(ampc_session_t *session) const {
  auto set = [&](const char *key, const std::string &value) {
    check(ampc_session_set_metadata(session, key, value.c_str()));
  };
  set(epochKey, std::to_string(epoch));
  set(sampleKey, std::to_string(sample));
  set(samplesKey, std::to_string(samples));
  set(batchKey, std::to_string(batch));
  set(microBatchesKey, std::to_string(microBatches));
  set(seedKey, std::to_string(seed));
  set(orderKey, batchOrderName(order));
}

bool DataPosition::load(ampc_session_t *session, const TrainOptions &options) {
  const std::string &path = *options.resume;
  Metadata metadata(session, path);
  if (!metadata.has(epochKey))
    return false;
  // Each epoch has taken a batch at least, and each sample lies in the data.
  uint64_t oldBatch = batch, inStep = microBatches, batches = 0; // older checkpoints do not say
  if (metadata.has(batchKey))
    oldBatch = metadata.whole(batchKey, uint64_t(INT64_MAX), "");
  if (metadata.has(microBatchesKey))
    inStep = std::max(inStep, metadata.whole(microBatchesKey, uint64_t(INT64_MAX), ""));
  if (__builtin_mul_overflow(uint64_t(ampc_session_steps(session)) + 1, inStep, &batches))
    batches = UINT64_MAX;
  epoch = metadata.whole(epochKey, batches - 1, ", the batches that were taken");
  auto oldSamples = metadata.whole(samplesKey, uint64_t(INT64_MAX), "");
  sample = metadata.whole(sampleKey, oldSamples, ", its " + std::string(samplesKey));
  seed = metadata.whole(seedKey, INT64_MAX, "");
  std::string orderName = metadata.text(orderKey);
  if (orderName != "shuffle" && orderName != "file")
    metadata.fail(orderKey, ", neither 'shuffle' nor 'file'");
  order = orderName == "file" ? BatchOrder::File : BatchOrder::Shuffle;

  if (options.seed && *options.seed != seed)
    throw Error(path, "was trained with --seed=" + std::to_string(seed) + ", not " +
                          std::to_string(*options.seed) + "; leave --seed out to go on with it");
  if (options.order && *options.order != order)
    throw Error(path, "was trained with --batch-order=" + orderName +
                          "; leave the flag out to go on with it");
  if (oldBatch != batch)
    note(printable(path) + " was trained with batches of " + std::to_string(oldBatch) +
         ", and this module takes " + std::to_string(batch) + ": the run goes on behind the " +
         std::to_string(sample) + " samples of epoch " + std::to_string(epoch + 1) +
         " that are used up; learning rate and schedule stay as they are");
  if (oldSamples == samples)
    return true;
  std::string change = "was trained on " + std::to_string(oldSamples) + " rows, and the data has " +
                       std::to_string(samples);
  if (sample != 0)
    throw Error(path, change + ": its place in the middle of an epoch means nothing "
                               "there; resume with the data it was trained on");
  note(printable(path) + " " + change + "; the run goes on with the new data");
  return true;
}
