//===- Import.h - From an ONNX file to the amp dialect ----- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_IMPORT_IMPORT_H
#define AMPC_IMPORT_IMPORT_H

#include "ampc/Support/OptimizerOptions.h"
#include "ampc/Support/PolicyFile.h"
#include "ampc/Support/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include <optional>
#include <string>

namespace ampc {

/// What the user asks of the import. Regexes are POSIX extended, unanchored, and unset
/// where empty.
struct ImportOptions {
  /// The size of every input's leading dimension that has a symbol which `dims` does not
  /// bind; with `batchDim`, of the dimension of that name.
  std::optional<int64_t> batch;
  /// That size where `batch` is not given; of no account where the dimension has no symbol.
  std::optional<int64_t> defaultBatch;
  /// The symbol of the dimension that counts samples, wherever it stands; "" for the leading one.
  std::string batchDim;
  /// Sizes of other symbolic dimensions, by name.
  llvm::StringMap<int64_t> dims;
  /// Dropout and normalization in their training form: on, off, or as the file says.
  std::optional<bool> trainMode;
  /// Nodes, by name, that compute in f32.
  std::string keepF32Regex;
  /// ONNX operators that the user puts into a category.
  llvm::SmallVector<std::string> allowOps, denyOps;
  /// What policy files say, and the low type for which they say it.
  std::vector<PolicyRule> precisionRules;
  std::string dtype = "f16";
  /// Which initializers are trained, by name; see docs/Parameters.md.
  std::string trainRegex, freezeRegex;
  /// Groups of parameters, by name: a parameter belongs to the first that matches.
  std::vector<ParameterGroup> groups;
  /// Trains what is left where the exporter folded parameters away.
  bool allowLostParameters = false;
  /// Off: the graph is compiled as it stands, so that it does not matter what is trained.
  bool trains = true;
  /// Which entry of `training_info` is the training step, counted from 0; needed where
  /// there are several.
  std::optional<int64_t> trainingInfo;
  /// Values of graph inputs that are fixed, by name: numbers with commas between them, or a file
  /// whose name ends in .npy.
  llvm::StringMap<std::string> bindings;
  /// Reads an array of numpy in the element type of that number (TensorProto.DataType), dense and
  /// row-major; "" or what is wrong. Set where `bindings` name files.
  std::function<std::string(const std::string &file, int32_t dataType, std::vector<int64_t> &shape,
                            std::string &bytes)>
      readArray;
  /// Shapes of the tensors in sequences that are graph inputs, by name.
  llvm::StringMap<llvm::SmallVector<llvm::SmallVector<int64_t>>> sequences;
  /// Takes the place of the learning rate that the file gives its optimizers.
  std::optional<double> learningRate;
  /// Files of ONNX Runtime's training artifacts beside the model; "" for none.
  std::string optimizerModel, ortCheckpoint, evalModel;
  /// Inputs that are state, each with the output that is its next value.
  std::vector<std::pair<std::string, std::string>> updates;
  /// Whether `updates` name the input.
  bool carriesOver(llvm::StringRef input) const {
    return llvm::any_of(updates, [&](const auto &update) { return update.first == input; });
  }
};

/// The step that ONNX Runtime's training artifacts describe, as far as it is no graph.
struct ArtifactStep {
  std::string loss; ///< name of the output that is minimised
  /// Of the optimizer model, where there is one.
  std::optional<OptimizerOptions> optimizer;
  std::optional<double> clipGradNorm;
};

struct ImportedModel {
  /// Only `amp` ops on tensors of static shape, in @main; with `training_info` also @train,
  /// the step as the file spells it out, and @init, where it has an `initialization`.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The values of the variables that are `from_model`.
  WeightStore weights;
  /// There is an @train: the file, or `updates`, spell it out.
  bool hasStep = false;
  std::optional<ArtifactStep> artifacts;
  /// Samples in a batch, where an input has a batch dimension with a symbol.
  std::optional<int64_t> batch;
  /// The files besides the model's that hold its tensors.
  std::vector<std::string> externalFiles;
};

/// Reads the ONNX model at `path`. Everything in the file is checked: a mistake gives one
/// error through the context's diagnostics (see ModelDiagnostics), then failure. The
/// dialects whose ops claim ONNX operators are loaded into the context.
llvm::FailureOr<ImportedModel> importOnnx(llvm::StringRef path, mlir::MLIRContext &context,
                                          const ImportOptions &options);

/// Where a model with trained weights is written to.
struct TrainedModelOutput {
  llvm::raw_ostream &model;
  /// The name of the file beside the model for tensors that the model's file is too small for (2
  /// GiB), and what opens it; "" where there can be none.
  std::string dataName;
  std::function<llvm::Expected<llvm::raw_ostream *>()> openData;
  /// Makes a file known that the model's tensors are read from: an error where it is to be written.
  std::function<llvm::Error(llvm::StringRef)> addInput;
  bool averages = false;     ///< write the moving averages of the parameters (--ema)
  std::string dtype = "f32"; ///< of trained f32 weights in the file: f32, f16 or bf16
};

/// Writes the ONNX model at `path` again, in its form for inference, with the trained parameters
/// and the state of layers that the checkpoint holds. What the importer decided of the file's
/// initializers, as `options` say, holds the other way round: tied ones get one value, split ones
/// become several. An error where the checkpoint is of another model.
llvm::LogicalResult writeTrainedModel(llvm::StringRef path, llvm::StringRef checkpoint,
                                      mlir::MLIRContext &context, const ImportOptions &options,
                                      const TrainedModelOutput &output);

} // namespace ampc

#endif // AMPC_IMPORT_IMPORT_H
