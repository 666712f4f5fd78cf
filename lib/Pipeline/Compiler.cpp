//===- Compiler.cpp - From a model file to a train.so ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Pipeline/Compiler.h"
#include "InternalErrors.h"
#include "TableWriter.h"
#include "ampc/Codegen/Passes.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Pipeline/Pipelines.h"
#include "ampc/Target/DeviceCompiler.h"
#include "ampc/Target/HostCompiler.h"
#include "ampc/Target/SharedObject.h"
#include "ampc/Target/SimtCompiler.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <map>

using namespace mlir;

namespace ampc {
namespace {
StringRef nameOf(Target target) { return target == Target::Host ? "host" : "cuda"; }

/// The module that holds the kernels of a planned program; null where it has none.
gpu::GPUModuleOp kernelsOf(ModuleOp module) {
  auto modules = module.getOps<gpu::GPUModuleOp>();
  return modules.empty() ? gpu::GPUModuleOp() : *modules.begin();
}

LogicalResult report(Location loc, llvm::Error error) {
  if (!error)
    return success();
  return emitError(loc) << llvm::toString(std::move(error));
}

/// Whether every buffer of the kernels can be indexed with 32 bits.
bool fits32Bits(gpu::GPUModuleOp kernels) {
  auto result = kernels.walk([](gpu::GPUFuncOp kernel) {
    for (Type type : kernel.getArgumentTypes())
      if (auto memref = dyn_cast<MemRefType>(type))
        if (memref.getNumElements() > std::numeric_limits<int32_t>::max())
          return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return !result.wasInterrupted();
}
} // namespace

Compiler::Compiler(MLIRContext &context, const CompileOptions &options, OutputFiles &outputs,
                   std::function<void(PassManager &)> configure)
    : context(context), options(options), outputs(outputs),
      watch(std::make_unique<InternalErrorWatch>(context, options.model, options.flags)) {
  this->configure = [this, configure = std::move(configure)](PassManager &pm) {
    if (configure)
      configure(pm);
    watch->watch(pm);
  };
}

Compiler::~Compiler() = default;

const std::optional<InternalError> &Compiler::internalError() const { return watch->found(); }

LogicalResult Compiler::run(ModuleOp module, llvm::function_ref<void(OpPassManager &)> build) {
  PassManager pm(&context);
  configure(pm);
  build(pm);
  return pm.run(module);
}

LogicalResult Compiler::dump(Operation *op, StringRef name) {
  if (options.dumpDirectory.empty())
    return success();
  SmallString<128> path(options.dumpDirectory);
  if (std::error_code error = llvm::sys::fs::create_directories(path))
    return emitError(op->getLoc()) << "--dump-ir=" << path << ": " << error.message();
  llvm::sys::path::append(path, name);
  // Kept where a later stage fails: that is what it is for.
  llvm::Error error = replaceFile(path, [&](llvm::raw_ostream &os) {
    op->print(os, OpPrintingFlags().enableDebugInfo());
    os << "\n";
    return llvm::Error::success();
  });
  if (error)
    return emitError(op->getLoc()) << "--dump-ir: " << llvm::toString(std::move(error));
  return success();
}

/// The files that --dump-ir writes; dump() is called with these names.
static constexpr StringLiteral kDumps[] = {"1-amp.mlir",          "2-train.mlir",
                                           "3-kernels-cuda.mlir", "3-kernels-host.mlir",
                                           "4-plan-cuda.mlir",    "4-plan-host.mlir"};

LogicalResult Compiler::checkFiles() {
  for (StringRef file : model.externalFiles)
    if (llvm::Error error = outputs.addInput("the external data", file))
      return report(model.module->getLoc(), std::move(error));
  if (options.dumpDirectory.empty())
    return success();
  for (StringRef name : kDumps) {
    SmallString<128> path(options.dumpDirectory);
    llvm::sys::path::append(path, name);
    if (llvm::Error error = outputs.addOutput("--dump-ir", path))
      return report(model.module->getLoc(), std::move(error));
  }
  return success();
}

/// A flag that shapes the update, "" where none is given; the learning rate may be.
static std::string flagOfOptimizer(const CompileOptions &options) {
  if (options.optimizer.name != "auto")
    return "--optimizer=" + options.optimizer.name;
  for (const auto &[flag, value] : options.optimizer.given)
    if (flag != kLearningRateSetting)
      return "--" + flag;
  if (!options.import.groups.empty())
    return options.import.groups.front().flag;
  if (options.clipGradNorm >= 0)
    return "--clip-grad-norm";
  return options.clipGradValue >= 0 ? "--clip-grad-value" : "";
}

LogicalResult Compiler::import() {
  ImportOptions importOptions = options.import;
  importOptions.trains = options.trains();
  FailureOr<ImportedModel> imported = importOnnx(options.model, context, importOptions);
  if (failed(imported))
    return failure();
  model = std::move(*imported);
  if (failed(checkFiles()))
    return failure();
  StringRef source = !options.import.updates.empty() ? "the step that --update names"
                     : model.hasStep                 ? "the model's training_info"
                                                     : "the model of --optimizer-model";
  if (model.hasStep && options.trains() && options.ema > 0)
    return emitError(model.module->getLoc())
           << "--ema: " << source << " updates its parameters itself; averages are not built there";
  if (model.hasStep && options.trains() && options.accumulate > 1)
    return emitError(model.module->getLoc())
           << "--accumulate=" << options.accumulate << ": " << source
           << " is a step of one batch, whose gradients cannot be added up";
  if ((model.hasStep || (model.artifacts && model.artifacts->optimizer)) && options.trains()) {
    std::string flag = flagOfOptimizer(options);
    if (!flag.empty())
      return emitError(model.module->getLoc())
             << flag << ": " << source << " brings its own optimizer";
  }
  if (model.artifacts && options.trains())
    adopt(*model.artifacts);
  return dump(*model.module, "1-amp.mlir");
}

/// From here on it is as if the flags had asked for what ONNX Runtime's artifacts say.
void Compiler::adopt(const ArtifactStep &step) {
  if (options.loss == "auto")
    options.loss = "output:" + step.loss;
  if (!step.optimizer)
    return;
  options.optimizer = *step.optimizer;
  options.clipGradNorm = step.clipGradNorm.value_or(-1);
}

LogicalResult Compiler::train() {
  if (failed(import()) ||
      failed(run(*model.module, [&](OpPassManager &pm) { buildTrainPipeline(pm, options); })))
    return failure();
  watch->setTrained();
  return dump(*model.module, "2-train.mlir");
}

/// Plans are made for the newest device that the code is for.
OptimizeOptions Compiler::optimizeOptions(Target target) const {
  return {target, newestGpu(options.cudaArchs), options.preferChannelsLast, options.memoryLimit};
}

PlanOptions Compiler::planOptions(Target target) const {
  return {optimizeOptions(target), {options.memoryLimit, options.deterministic}, {}};
}

LogicalResult Compiler::emit(Stage stage, llvm::raw_ostream &os) {
  return watch->run([&] { return print(stage, os); });
}

LogicalResult Compiler::print(Stage stage, llvm::raw_ostream &os) {
  if (stage == Stage::Amp) {
    if (failed(import()))
      return failure();
    model.module->print(os);
    return success();
  }
  if (failed(train()))
    return failure();
  if (stage == Stage::Train) {
    model.module->print(os);
    return success();
  }
  SmallVector<Target> targets;
  if (options.host && stage != Stage::Ptx)
    targets.push_back(Target::Host);
  if (options.cuda || stage == Stage::Ptx)
    targets.push_back(Target::Cuda);
  for (Target target : targets) {
    OwningOpRef<ModuleOp> module = model.module->clone();
    if (failed(run(*module,
                   [&](OpPassManager &pm) { buildKernelPipeline(pm, optimizeOptions(target)); })))
      return failure();
    if (targets.size() > 1)
      os << "// --target=" << nameOf(target) << "\n";
    if (stage == Stage::Kernels) {
      module->print(os);
      continue;
    }
    std::string ptx;
    if (failed(target == Target::Cuda ? planCuda(module, ptx)
                                      : run(*module, [&](OpPassManager &pm) {
                                          buildPlanPipeline(pm, planOptions(target));
                                        })))
      return failure();
    gpu::GPUModuleOp kernels = kernelsOf(*module);
    switch (stage) {
    case Stage::Gpu:
      if (kernels)
        kernels->print(os);
      os << "\n";
      break;
    case Stage::Ptx:
      os << ptx;
      break;
    default:
      if (kernels)
        kernels.erase();
      module->print(os);
      break;
    }
  }
  return success();
}

/// Plans the kernels of `module` for CUDA and compiles them to PTX, "" where there are none.
/// Sequences are divided by an estimate of their code; where a kernel comes out larger than a
/// kernel shall be, once more by what was counted.
LogicalResult Compiler::planCuda(OwningOpRef<ModuleOp> &module, std::string &ptx) {
  constexpr unsigned kTries = 6;
  std::map<std::string, int64_t> percent; // of the estimate
  for (unsigned tries = 1;; ++tries) {
    PlanOptions plan = planOptions(Target::Cuda);
    for (const auto &[name, value] : percent)
      plan.codeSizes.push_back(name + "=" + std::to_string(value));
    OwningOpRef<ModuleOp> planned = module->clone();
    if (failed(run(*planned, [&](OpPassManager &pm) { buildPlanPipeline(pm, plan); })))
      return failure();
    bool isDividedAgain = false;
    if (gpu::GPUModuleOp kernels = kernelsOf(*planned)) {
      DeviceOptions device;
      device.toolkit = findCudaToolkit(options.toolkitPrefixes);
      device.use32BitIndices = fits32Bits(kernels);
      device.configure = configure;
      FailureOr<std::string> code = compileToPtx(kernels, device);
      if (failed(code))
        return failure();
      ptx = std::move(*code);
      llvm::StringMap<int64_t> lines = countLines(ptx);
      std::map<std::string, int64_t> low; // percent by which a sequence was estimated too low
      for (auto function : kernels.getOps<gpu::GPUFuncOp>()) {
        int64_t counted = lines.lookup(function.getName());
        if (auto sequence = function->getAttrOfType<StringAttr>(codegen::kSequenceAttr);
            sequence && counted > codegen::kMostLines) {
          auto estimate = function->getAttrOfType<IntegerAttr>(codegen::kEstimateAttr);
          int64_t &most = low[sequence.str()];
          // Parts differ: a tenth more than counted.
          most = std::max<int64_t>(
              most, llvm::divideCeil(counted * 110, std::max<int64_t>(1, estimate.getInt())));
        }
      }
      for (const auto &[name, most] : low) {
        int64_t &of = percent.try_emplace(name, 100).first->second;
        of = llvm::divideCeil(of * most, 100);
        isDividedAgain = true;
      }
    }
    if (!isDividedAgain || tries == kTries) {
      module = std::move(planned);
      return success();
    }
  }
}

LogicalResult Compiler::emitTrained(StringRef checkpoint, StringRef path, llvm::raw_ostream &os) {
  bool isFile = !path.empty() && path != "-";
  std::string data = isFile ? (path + ".data").str() : "";
  TrainedModelOutput output{
      os,
      llvm::sys::path::filename(data).str(),
      [&] { return outputs.open("-o", data); },
      [&](StringRef file) { return outputs.addInput("the external data", file); },
      options.trainedAverages,
      options.trainedDtype};
  ImportOptions importOptions = options.import;
  importOptions.trains = options.trains();
  return writeTrainedModel(options.model, checkpoint, context, importOptions, output);
}

LogicalResult Compiler::emitSharedObject(llvm::raw_ostream &os) {
  return watch->run([&] { return compile(os); });
}

LogicalResult Compiler::compile(llvm::raw_ostream &os) {
  if (failed(train()))
    return failure();
  Location loc = model.module->getLoc();
  SmallVector<PlannedTarget, 2> planned;
  SmallVector<OwningOpRef<ModuleOp>, 2> owners;
  HostCode host;
  std::optional<CubinJob> cubins;
  // CUDA first: ptxas works in processes of its own while the host code is compiled.
  for (Target target : {Target::Cuda, Target::Host}) {
    if (target == Target::Cuda ? !options.cuda : !options.host)
      continue;
    OwningOpRef<ModuleOp> &module = owners.emplace_back(model.module->clone());
    if (failed(run(*module,
                   [&](OpPassManager &pm) { buildKernelPipeline(pm, optimizeOptions(target)); })) ||
        failed(dump(*module, ("3-kernels-" + nameOf(target) + ".mlir").str())))
      return failure();
    PlannedTarget &entry = planned.emplace_back();
    if (failed(target == Target::Cuda
                   ? planCuda(module, entry.ptx)
                   : run(*module,
                         [&](OpPassManager &pm) { buildPlanPipeline(pm, planOptions(target)); })) ||
        failed(dump(*module, ("4-plan-" + nameOf(target) + ".mlir").str())))
      return failure();
    entry.target = target;
    entry.module = *module;
    gpu::GPUModuleOp kernels = kernelsOf(*module);
    if (!kernels)
      continue;
    if (target == Target::Host) {
      HostOptions hostOptions;
      hostOptions.configure = configure;
      hostOptions.cpu = options.hostCpu;
      FailureOr<HostCode> code = compileHostKernels(kernels, hostOptions);
      if (failed(code))
        return failure();
      host = std::move(*code);
      entry.hostSymbols.assign(host.symbols.begin(), host.symbols.end());
      entry.features = host.features;
      continue;
    }
    std::string ptxas = findCudaToolkit(options.toolkitPrefixes).ptxas;
    if (!ptxas.empty() && !options.cudaArchs.empty()) {
      llvm::Expected<CubinJob> job = CubinJob::start(ptxas, entry.ptx, options.cudaArchs);
      if (!job)
        return report(loc, job.takeError());
      cubins = std::move(*job);
    } else if (!options.cudaArchs.empty()) {
      emitWarning(loc) << "no ptxas was found (--cuda-path=DIR says where one is): the driver "
                          "compiles the PTX whenever a session starts";
    }
  }
  if (cubins) {
    auto done = cubins->wait();
    if (!done)
      return report(loc, done.takeError());
    planned.front().cubins = std::move(*done);
  }
  if (!options.simtFile.empty() && options.cuda && kernelsOf(planned.front().module)) {
    SmallVector<StringRef> images{planned.front().ptx};
    for (const Cubin &cubin : planned.front().cubins)
      images.push_back(StringRef(cubin.bytes.data(), cubin.bytes.size()));
    if (failed(writeSimtLibrary(options.simtFile, kernelsOf(planned.front().module), images)))
      return failure();
  }
  StringRef optimizer = options.optimizer.name;
  if (model.hasStep || !options.trains())
    optimizer = "";
  else if (optimizer == "auto")
    optimizer = "adam";
  FailureOr<Tables> tables = writeTables(planned, model.weights, options, optimizer);
  if (failed(tables))
    return failure();
  if (failed(report(loc, writeSharedObject(os, host, tables->bytes, tables->weights))))
    return failure();

  unsigned trained = 0;
  int64_t elements = 0;
  for (auto variable : model.module->getOps<VariableOp>())
    if (variable.getTrained()) {
      ++trained;
      elements += variable.getTensorType().getNumElements();
    }
  if (trained)
    summaryText = llvm::formatv("trains {0} parameter{1}, {2} elements", trained,
                                trained == 1 ? "" : "s", elements)
                      .str();
  return success();
}
} // namespace ampc
