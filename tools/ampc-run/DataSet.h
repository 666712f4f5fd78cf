//===- DataSet.h - Arrays cut into batches --------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_DATASET_H
#define AMPC_RUN_DATASET_H

#include "Api.h"
#include "Npy.h"

#include <optional>
#include <string>
#include <vector>

namespace ampc::run {

/// What one --data says: a .npz file, or one .npy file and the input it is for.
struct DataFlag {
  std::string path;
  std::optional<std::string> name;

  /// `text` is F.npz or NAME=F.npy. A file that is called `text` as a whole
  /// comes first, else the first '=' ends the name.
  static DataFlag parse(const std::string &text);
};

/// The arrays that feed a module's inputs. Their rows are samples, where an
/// input's lie along another dimension than the leading one the array's do too;
/// one of exactly the compiled shape is one batch and, while others are longer,
/// stays the same from batch to batch.
///
/// Where inputs have different leading dimensions (tokens [8, 128], labels
/// [1024]), a sample is as many rows of each as their share of the batch.
class DataSet {
public:
  enum class Use {
    Train,    ///< all inputs, and at least one whole batch
    Evaluate, ///< labels may be absent, a batch may be incomplete
    Validate  ///< all that the loss needs, at least one whole batch; the last may be incomplete
  };

  /// Reads and converts all arrays. `inputs` must outlive this. Throws Error.
  DataSet(const std::vector<DataFlag> &flags, const std::vector<TensorSpec> &inputs, Use use);
  DataSet(const DataSet &) = delete; // batches hold its address
  DataSet &operator=(const DataSet &) = delete;

  /// What the user should know about the data; each one sentence.
  const std::vector<std::string> &notes() const { return remarks; }

  uint64_t samples() const { return sampleCount; }
  /// Samples in a batch.
  uint64_t batchSize() const { return samplesInBatch; }
  bool has(const std::string &input) const;

  /// The batch of the `batchSize()` samples from place `first` of `order` on,
  /// or of the file where that is null. Places behind the end take the last
  /// sample once more. Valid until the next call.
  const std::vector<ampc_named_tensor_t> &batch(uint64_t first, const std::vector<uint64_t> *order);

private:
  struct Feed {
    const TensorSpec *spec;
    Array array;
    std::string file;
    bool sliced = false;
    uint64_t sampleBytes = 0; ///< in each of the spec's blocks
    uint64_t rows = 0;        ///< of the array, along the dimension of the samples
    std::unique_ptr<char[]> staging;
    DLTensor tensor;
  };

  void loadArchive(const DataFlag &flag);
  void loadArray(const DataFlag &flag);
  void add(ByteSource &source, const std::string &file, const TensorSpec &spec);
  const TensorSpec *findInput(const std::string &name) const;
  void requireInputs(const std::vector<DataFlag> &flags, Use use) const;
  void cutIntoSamples(Use use);
  void prepareTensors();
  void gather(Feed &feed, uint64_t first, const std::vector<uint64_t> *order);

  const std::vector<TensorSpec> &inputs;
  std::vector<Feed> feeds;
  std::vector<std::string> held; ///< names of all arrays in the files
  std::vector<std::string> remarks;
  uint64_t sampleCount = 1, samplesInBatch = 1;
  std::vector<ampc_named_tensor_t> tensors;
};

} // namespace ampc::run

#endif // AMPC_RUN_DATASET_H
