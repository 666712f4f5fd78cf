//===- DataPosition.cpp - Where in the data a run stands ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DataPosition.h"
#include "Api.h"
#include "Error.h"
#include "Progress.h"

#include <charconv>

using namespace ampc::run;

namespace {

constexpr const char *epochKey = "data.epoch";
constexpr const char *sampleKey = "data.sample";
constexpr const char *samplesKey = "data.samples";
constexpr const char *seedKey = "data.seed";
constexpr const char *orderKey = "data.order";

/// The metadata value `key` as a number in [0, most]. A checkpoint may have been edited.
template <typename T>
T readNumber(ampc_session_t *session, const char *key, const std::string &path, T most,
             const std::string &limit) {
  const char *value = ampc_session_get_metadata(session, key);
  std::string text = value ? value : "";
  T number = 0;
  const char *end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, number);
  std::string what = "its metadata " + std::string(key) + " is ";
  if (!value)
    throw Error(path, what + "missing");
  if (error != std::errc() || at != end || number < 0 || number > most)
    throw Error(path, what + quoted(text) + ", not a whole number from 0 to " +
                          std::to_string(most) + limit);
  return number;
}

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
  set(seedKey, std::to_string(seed));
  set(orderKey, batchOrderName(order));
}

bool DataPosition::load(ampc_session_t *session, const TrainOptions &options) {
  const std::string &path = *options.resume;
  if (!ampc_session_get_metadata(session, epochKey))
    return false;
  auto read = [&](const char *key, uint64_t most, const std::string &limit) {
    return readNumber<uint64_t>(session, key, path, most, limit);
  };
  // Each epoch has taken a step at least, and each sample lies in the data.
  epoch = read(epochKey, uint64_t(ampc_session_steps(session)), ", the steps that were made");
  auto oldSamples = read(samplesKey, uint64_t(INT64_MAX), "");
  sample = read(sampleKey, oldSamples, ", its " + std::string(samplesKey));
  seed = readNumber<int64_t>(session, seedKey, path, INT64_MAX, "");
  const char *value = ampc_session_get_metadata(session, orderKey);
  std::string orderName = value ? value : "";
  if (orderName != "shuffle" && orderName != "file")
    throw Error(path, "its metadata data.order is " + quoted(orderName) +
                          ", neither 'shuffle' nor 'file'");
  order = orderName == "file" ? BatchOrder::File : BatchOrder::Shuffle;

  if (options.seed && *options.seed != seed)
    throw Error(path, "was trained with --seed=" + std::to_string(seed) + ", not " +
                          std::to_string(*options.seed) + "; leave --seed out to go on with it");
  if (options.order && *options.order != order)
    throw Error(path, "was trained with --batch-order=" + orderName +
                          "; leave the flag out to go on with it");
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
