//===- DataSet.cpp - Arrays cut into batches ------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DataSet.h"
#include "Error.h"
#include "NpzReader.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <sys/stat.h>

using namespace ampc::run;

namespace {

std::string joinQuoted(const std::vector<std::string> &names) {
  constexpr size_t limit = 20;
  std::string text;
  for (size_t i = 0; i < names.size() && i < limit; ++i)
    text += (i ? ", " : "") + quoted(names[i]);
  if (names.size() > limit)
    text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

std::string joinInputs(const std::vector<TensorSpec> &inputs) {
  std::vector<std::string> names;
  for (const TensorSpec &spec : inputs)
    names.push_back(spec.name);
  return joinQuoted(names);
}

std::string typeText(const TensorSpec &spec) {
  return std::string(elementName(spec.type)) + " " + shapeText(spec.shape);
}

/// The rows of a batch; 0 for an input that is not cut.
uint64_t rowsInBatch(const TensorSpec &spec) {
  return spec.shape.empty() ? 0 : static_cast<uint64_t>(spec.shape[spec.batchAxis]);
}

/// True where an array of `shape` holds rows of the input, however many.
bool holdsRows(std::vector<int64_t> shape, const TensorSpec &spec) {
  if (rowsInBatch(spec) == 0 || shape.size() != spec.shape.size())
    return false;
  shape[spec.batchAxis] = spec.shape[spec.batchAxis];
  return shape == spec.shape;
}

/// "[rows, 3, 4]", the shape of arrays that are cut.
std::string rowsText(const TensorSpec &spec) {
  std::string text;
  for (size_t i = 0; i < spec.shape.size(); ++i)
    text += (i ? ", " : "") +
            (i == spec.batchAxis ? std::string("rows") : std::to_string(spec.shape[i]));
  return "[" + text + "]";
}

} // namespace

DataFlag DataFlag::parse(const std::string &text) {
  struct stat status;
  size_t sign = text.find('=');
  if (sign == std::string::npos || ::stat(text.c_str(), &status) == 0)
    return {text, std::nullopt};
  return {text.substr(sign + 1), text.substr(0, sign)};
}

DataSet::DataSet(const std::vector<DataFlag> &flags, const std::vector<TensorSpec> &inputs, Use use)
    : inputs(inputs) {
  for (const DataFlag &flag : flags)
    flag.name ? loadArray(flag) : loadArchive(flag);
  requireInputs(flags, use);
  cutIntoSamples(use);
  prepareTensors();
}

const TensorSpec *DataSet::findInput(const std::string &name) const {
  for (const TensorSpec &spec : inputs)
    if (spec.name == name)
      return &spec;
  return nullptr;
}

bool DataSet::has(const std::string &input) const {
  return std::any_of(feeds.begin(), feeds.end(),
                     [&](const Feed &feed) { return feed.spec->name == input; });
}

void DataSet::loadArchive(const DataFlag &flag) {
  InputFile probe(flag.path);
  if (!NpzReader::isArchive(probe)) {
    char start[6] = {};
    probe.readAt(0, start, std::min<uint64_t>(probe.size(), sizeof start));
    bool isArray = std::memcmp(start, "\x93NUMPY", sizeof start) == 0;
    throw Error(flag.path, isArray
                               ? "is a single array: say which input it is for, with "
                                 "--data=NAME=" +
                                     printable(flag.path) + "; the inputs are " + joinInputs(inputs)
                               : "is no .npz archive as numpy.savez writes it");
  }
  NpzReader archive(flag.path);
  std::vector<std::string> ignored;
  for (const NpzReader::Member &member : archive.members()) {
    held.push_back(member.name);
    if (const TensorSpec *spec = findInput(member.name))
      add(*archive.open(member), flag.path, *spec);
    else
      ignored.push_back(member.name);
  }
  if (!ignored.empty())
    remarks.push_back(printable(flag.path) + " also holds " + joinQuoted(ignored) +
                      ": no such input, not read (the inputs are " + joinInputs(inputs) + ")");
}

void DataSet::loadArray(const DataFlag &flag) {
  const TensorSpec *spec = findInput(*flag.name);
  if (!spec)
    throw Error(flag.path, "is meant for " + quoted(*flag.name) + ", but the inputs are " +
                               joinInputs(inputs));
  InputFile file(flag.path);
  if (NpzReader::isArchive(file))
    throw Error(flag.path, "is an archive of arrays: give it without a name, as "
                           "--data=" +
                               printable(flag.path));
  held.push_back(*flag.name);
  FileSource source(std::move(file));
  add(source, flag.path, *spec);
}

void DataSet::add(ByteSource &source, const std::string &file, const TensorSpec &spec) {
  for (const Feed &feed : feeds)
    if (feed.spec == &spec)
      throw Error(file, "holds input " + quoted(spec.name) + ", which " + quoted(feed.file) +
                            " holds too");
  NpyReader reader(source, file, spec.name);
  const std::vector<int64_t> &shape = reader.header().shape;
  if (shape != spec.shape && !holdsRows(shape, spec)) {
    std::string wanted = "exactly " + shapeText(spec.shape);
    if (uint64_t rows = rowsInBatch(spec))
      wanted = rowsText(spec) + ", and takes " + std::to_string(rows) + " rows at a time";
    throw Error(file, "array " + quoted(spec.name) + " has shape " + shapeText(shape) +
                          ", but the input is " + wanted);
  }
  Feed feed{};
  feed.spec = &spec;
  feed.file = file;
  feed.array = reader.read(spec.type);
  feeds.push_back(std::move(feed));
}

void DataSet::requireInputs(const std::vector<DataFlag> &flags, Use use) const {
  for (const TensorSpec &spec : inputs) {
    bool isOptional = use == Use::Train      ? spec.optionalInStep
                      : use == Use::Evaluate ? spec.label || spec.optionalInEvaluate
                      : spec.label           ? spec.optionalInStep // where nothing reads it
                                             : spec.optionalInEvaluate;
    if (has(spec.name) || isOptional)
      continue;
    std::string holds = held.empty() ? "no array" : joinQuoted(held);
    throw Error(flags.empty() ? "ampc-run" : flags[0].path,
                "input " + quoted(spec.name) + " (" + typeText(spec) +
                    ") is missing: the data holds " + holds +
                    "; arrays must have the names of the inputs, or be given "
                    "as --data=NAME=F.npy");
  }
}

void DataSet::cutIntoSamples(Use use) {
  const Feed *first = nullptr;
  for (Feed &feed : feeds) {
    feed.sliced = feed.array.shape != feed.spec->shape;
    if (!feed.sliced)
      continue;
    uint64_t rows = rowsInBatch(*feed.spec);
    samplesInBatch = first ? std::gcd(samplesInBatch, rows) : rows;
    first = first ? first : &feed;
  }
  if (!first) {
    // One batch. Its samples only count for samples a second.
    for (const Feed &feed : feeds)
      if (feed.spec->batched && rowsInBatch(*feed.spec) > 0) {
        sampleCount = samplesInBatch = rowsInBatch(*feed.spec);
        return;
      }
    return;
  }
  for (Feed &feed : feeds) {
    if (!feed.sliced)
      continue;
    auto rows = static_cast<uint64_t>(feed.array.shape[feed.spec->batchAxis]);
    uint64_t rowsInSample = rowsInBatch(*feed.spec) / samplesInBatch;
    feed.rows = rows;
    uint64_t samples = rows / rowsInSample;
    std::string name = quoted(feed.spec->name);
    if (rows == 0)
      throw Error(feed.file, "array " + name + " has no rows");
    if (rows % rowsInSample)
      throw Error(feed.file, "array " + name + " has " + std::to_string(rows) +
                                 " rows, but a sample takes " + std::to_string(rowsInSample));
    if (&feed != first && samples != sampleCount)
      throw Error(feed.file, "arrays " + quoted(first->spec->name) + " and " + name +
                                 " do not belong together: " + std::to_string(first->rows) +
                                 " and " + std::to_string(rows) + " rows");
    sampleCount = samples;
    feed.sampleBytes = feed.spec->rowBytes() * rowsInSample;
  }
  if (use == Use::Evaluate)
    return;
  if (sampleCount < samplesInBatch)
    throw Error(first->file, "holds " + std::to_string(sampleCount) +
                                 " rows, fewer than the batch of " +
                                 std::to_string(samplesInBatch) +
                                 " that the module was compiled for; compile "
                                 "with --batch=" +
                                 std::to_string(sampleCount) + " or less, or give more data");
  uint64_t dropped = sampleCount % samplesInBatch;
  if (dropped && use == Use::Validate)
    remarks.push_back(std::to_string(sampleCount) + " rows to evaluate are " +
                      std::to_string(sampleCount / samplesInBatch) + " batches of " +
                      std::to_string(samplesInBatch) + ": the last " + std::to_string(dropped) +
                      " make no batch and do not count for the loss");
  else if (dropped)
    remarks.push_back(std::to_string(sampleCount) + " rows are " +
                      std::to_string(sampleCount / samplesInBatch) + " batches of " +
                      std::to_string(samplesInBatch) + ": the last " + std::to_string(dropped) +
                      " in each epoch's order make no batch and are dropped");
}

void DataSet::prepareTensors() {
  for (Feed &feed : feeds) {
    if (feed.sliced)
      feed.staging.reset(new char[feed.spec->bytes()]);
    feed.tensor = feed.spec->tensorAt(feed.array.data.get());
  }
  for (Feed &feed : feeds) // no more pushes: their addresses stay
    tensors.push_back({feed.spec->name.c_str(), &feed.tensor});
}

/// Copies the samples of a batch into the staging buffer: for each of the
/// dimensions before that of the samples, a block of the array has them all.
void DataSet::gather(Feed &feed, uint64_t first, const std::vector<uint64_t> *order) {
  uint64_t blocks = feed.spec->blocks();
  uint64_t from = feed.rows * feed.spec->rowBytes(), to = samplesInBatch * feed.sampleBytes;
  for (uint64_t block = 0; block < blocks; ++block) {
    const char *rows = feed.array.data.get() + block * from;
    char *batch = feed.staging.get() + block * to;
    for (uint64_t i = 0; i < samplesInBatch; ++i) {
      uint64_t place = std::min(first + i, sampleCount - 1);
      uint64_t sample = order ? (*order)[place] : place;
      std::memcpy(batch + i * feed.sampleBytes, rows + sample * feed.sampleBytes, feed.sampleBytes);
    }
  }
}

const std::vector<ampc_named_tensor_t> &DataSet::batch(uint64_t first,
                                                       const std::vector<uint64_t> *order) {
  bool isWhole = !order && first + samplesInBatch <= sampleCount;
  for (Feed &feed : feeds) {
    if (!feed.sliced)
      continue;
    if (isWhole && feed.spec->blocks() == 1) {
      feed.tensor.data = feed.array.data.get() + first * feed.sampleBytes;
      continue;
    }
    feed.tensor.data = feed.staging.get();
    gather(feed, first, order);
  }
  return tensors;
}
