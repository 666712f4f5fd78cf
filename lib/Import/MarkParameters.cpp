//===- MarkParameters.cpp - Which variables are trained -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MarkParameters.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/SettingAttr.h"
#include "ampc/Support/NodeLocation.h"
#include "ampc/Support/StateNames.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"

using namespace mlir;

namespace ampc {
static bool isFloat(Value value) { return isa<FloatType>(getElementTypeOrSelf(value.getType())); }

llvm::StringSet<> variablesReaching(ArrayRef<Value> roots) {
  llvm::StringSet<> names;
  llvm::DenseSet<Value> seen;
  SmallVector<Value> worklist(llvm::make_filter_range(roots, isFloat));
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    Operation *op = value.getDefiningOp();
    if (auto read = dyn_cast_or_null<ReadOp>(op))
      names.insert(read.getVariable());
    auto gradient = dyn_cast_or_null<GradientOpInterface>(op);
    if (!gradient)
      continue;
    for (OpOperand &operand : op->getOpOperands())
      if (isFloat(operand.get()) && gradient.isDifferentiable(operand.getOperandNumber()))
        worklist.push_back(operand.get());
  }
  return names;
}

namespace {
/// Magnitudes from here on are of masks, not of weights.
constexpr double kHuge = 1e4;
/// Names that a note lists; the rest is counted.
constexpr size_t kListedNames = 6;

/// Sets of OperandUse, as bits.
using Uses = unsigned;
constexpr Uses bit(OperandUse use) { return 1u << unsigned(use); }

struct Candidate {
  VariableOp variable;
  Uses uses = 0;
  bool reaches = false; ///< a gradient reaches it
  bool isAsked = false; ///< a Gradient node of the file asks for its gradient
  bool isParameter = false, isTrained = false;
  /// Decided by the rule, and could be otherwise.
  bool isDoubtful = false;
  std::string standsFor; ///< the module's parameter, where it is not `variable`'s name
  std::string reason;

  StringRef name() { return variable.getSymName(); }
  bool matches(const llvm::Regex &regex) {
    return regex.match(name()) || (!standsFor.empty() && regex.match(standsFor));
  }
};

class ParameterMarker {
public:
  ParameterMarker(ModuleOp module, WeightStore &weights, const ImportOptions &options,
                  const ExportMetadata &metadata, Resolution resolution)
      : module(module), weights(weights), options(options), metadata(metadata),
        resolution(std::move(resolution)) {}

  LogicalResult run();

private:
  void collect();
  void collectUses();
  void decideByMetadata(Candidate &candidate);
  void decideByRule(Candidate &candidate);
  void matchByCount();
  void tieDeclared();
  void tieTransposes();
  void tie(Candidate &first, Candidate &second);
  LogicalResult reportLost();
  void warnAboutFusedConvolutions();
  LogicalResult applyFlags();
  LogicalResult applyGroups();
  void tell();
  void remark();
  void nameInStateDict();

  ModuleOp module;
  WeightStore &weights;
  const ImportOptions &options;
  const ExportMetadata &metadata;
  Resolution resolution;

  llvm::MapVector<StringRef, Candidate, llvm::StringMap<unsigned>> candidates;
  std::vector<std::string> ties; ///< what to tell about them
};
} // namespace

/// The flag's regex, not valid where the flag is not given.
static FailureOr<llvm::Regex> compile(ModuleOp module, StringRef flag, StringRef pattern) {
  if (pattern.empty())
    return llvm::Regex();
  llvm::Regex regex(pattern);
  std::string reason;
  if (!regex.isValid(reason))
    return module.emitError() << flag << "=" << pattern << ": " << reason;
  return regex;
}

/// "'a', 'b', 'c' and 4 more".
static std::string listNames(ArrayRef<std::string> names) {
  std::string text;
  for (const std::string &name : names.take_front(kListedNames))
    text += (text.empty() ? "'" : ", '") + name + "'";
  if (names.size() > kListedNames)
    text += " and " + std::to_string(names.size() - kListedNames) + " more";
  return text;
}

/// A regex that matches the names that listNames lists and nothing else.
static std::string regexOf(ArrayRef<std::string> names) {
  std::string text;
  for (const std::string &name : names.take_front(kListedNames))
    text += (text.empty() ? "" : "|") + llvm::Regex::escape(name);
  return names.size() == 1 ? "^" + text + "$" : "^(" + text + ")$";
}

static const char *plural(size_t count) { return count == 1 ? "" : "s"; }

static bool hasHugeValue(const Weight &weight) {
  auto dropPages = llvm::scope_exit([&] { weight.dropPages(); });
  auto isHuge = [](double x) { return !(std::abs(x) < kHuge); };
  Type type = weight.type.getElementType();
  size_t size = WeightStore::elementSize(type);
  if (type.isF32()) { // the only type of large tensors in most files: no branch, so that it is fast
    bool found = false;
    for (size_t i = 0; i < weight.bytes.size(); i += size) {
      float x;
      std::memcpy(&x, weight.bytes.data() + i, size);
      found |= !(std::abs(x) < float(kHuge));
    }
    return found;
  }
  const llvm::fltSemantics &semantics = cast<FloatType>(type).getFloatSemantics();
  for (size_t i = 0; i < weight.bytes.size(); i += size) {
    uint64_t bits = 0;
    std::memcpy(&bits, weight.bytes.data() + i, size);
    APFloat value(semantics, APInt(unsigned(8 * size), bits));
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    if (isHuge(value.convertToDouble()))
      return true;
  }
  return false;
}

void ParameterMarker::collect() {
  auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
  llvm::StringSet<> reaching =
      variablesReaching(SmallVector<Value>(main.getBody().front().getTerminator()->getOperands()));
  for (auto variable : module.getOps<VariableOp>()) {
    if (!variable.getFromModel() || variable.getRole() == VariableRole::State ||
        !isa<FloatType>(variable.getTensorType().getElementType()))
      continue;
    Candidate &candidate = candidates[variable.getSymName()];
    candidate.variable = variable;
    candidate.reaches = reaching.contains(variable.getSymName());
  }
  main.walk([&](GradientOp gradient) {
    for (Value value : gradient.getWrt())
      if (auto read = value.getDefiningOp<ReadOp>())
        if (auto it = candidates.find(read.getVariable()); it != candidates.end())
          it->second.isAsked = true;
  });
}

/// What each variable is to the ops that read it, also after it was moved.
void ParameterMarker::collectUses() {
  auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
  llvm::DenseMap<Value, Uses> usesOf;
  // Backwards: what users do with a result is known before the op is seen.
  for (Operation &op : llvm::reverse(main.getBody().front()))
    for (Value result : op.getResults()) {
      Uses uses = 0;
      for (OpOperand &operand : result.getUses()) {
        Operation *user = operand.getOwner();
        unsigned index = operand.getOperandNumber();
        auto gradient = dyn_cast<GradientOpInterface>(user);
        auto asked = dyn_cast<OperandUseOpInterface>(user);
        OperandUse use = asked ? asked.getOperandUse(index) : OperandUse::Other;
        if (user->hasAttr(kSettingAttr))
          use = OperandUse::Setting;
        if (use == OperandUse::Moved)
          uses |= usesOf.lookup(user->getResult(0));
        else if (!gradient || gradient.isDifferentiable(index))
          uses |= bit(use);
      }
      usesOf[result] = uses;
      if (auto read = dyn_cast<ReadOp>(op))
        if (auto it = candidates.find(read.getVariable()); it != candidates.end())
          it->second.uses |= uses;
    }
}

void ParameterMarker::decideByMetadata(Candidate &candidate) {
  auto known = resolution.initializers.find(candidate.name());
  if (known == resolution.initializers.end()) {
    candidate.reason = "the metadata names no parameter that it could hold";
    return;
  }
  const Provenance &provenance = known->second;
  candidate.standsFor = provenance.standsFor;
  if (provenance.declared != Declared::Parameter) {
    candidate.reason = "declared as a buffer";
    if (!provenance.splitFrom.empty())
      candidate.reason = "a constant that the exporter merged with " + provenance.splitFrom;
    return;
  }
  if (provenance.isOnlyFolded && metadata.isComputed(candidate.name())) {
    resolution.lost.push_back(provenance.standsFor);
    candidate.reason = "computed by the exporter from " + provenance.standsFor;
    return;
  }
  candidate.isParameter = true;
  candidate.reason = provenance.isRestored ? "a bias of zeros, which the exporter left out"
                                           : "declared as a parameter";
  if (!provenance.splitFrom.empty())
    candidate.reason =
        "holds " + (provenance.standsFor.empty() ? candidate.name().str() : provenance.standsFor) +
        ", which the exporter merged with " + provenance.splitFrom;
  else if (!provenance.standsFor.empty())
    candidate.reason = "holds " + provenance.standsFor + ", which the exporter folded";
}

void ParameterMarker::decideByRule(Candidate &candidate) {
  StringRef name = candidate.name();
  RankedTensorType type = candidate.variable.getTensorType();
  bool isWeight = candidate.uses & bit(OperandUse::Weight);
  bool isTorch = metadata.isFromTorch();
  candidate.isDoubtful = !candidate.isAsked;
  if (candidate.isAsked) {
    candidate.isParameter = true;
    candidate.reason = "a Gradient node asks for its gradient";
  } else if ((candidate.uses & bit(OperandUse::Setting)) && !isWeight) {
    candidate.reason = "an exponent, an epsilon or another setting";
    candidate.isDoubtful = false;
  } else if (hasHugeValue(*weights.find(name))) {
    candidate.reason = "has a value that is not finite or at least 1e4 in magnitude";
  } else if (type.getRank() == 0 && !(isTorch && isTorchParameterName(name))) {
    candidate.reason = "a single number";
  } else if (isTorch && !isTorchParameterName(name) &&
             ((type.getNumElements() == 1 && !isWeight) || name.contains("/Constant"))) {
    candidate.reason = "a constant, by its name";
  } else {
    candidate.isParameter = true;
    candidate.reason = isWeight ? "stands where a layer has a weight" : "reaches the loss";
    // PyTorch's layers call their parameters so, buffers have other names.
    bool isUsual = isTorch && (name.ends_with(".weight") || name.ends_with(".bias"));
    candidate.isDoubtful =
        !isWeight && !isUsual &&
        !(candidate.uses &
          ~(bit(OperandUse::Elementwise) | bit(OperandUse::NonZero) | bit(OperandUse::Setting)));
  }
}

void ParameterMarker::tie(Candidate &first, Candidate &second) {
  second.isParameter = second.reaches = false;
  second.isDoubtful = false;
  second.reason = "one weight with " + first.name().str();
  ties.push_back(second.name().str() + "' and '" + first.name().str());
}

/// What stands for one parameter is one variable.
void ParameterMarker::tieDeclared() {
  llvm::StringMap<Candidate *> holders;
  auto parameterOf = [](Candidate &c) { return c.standsFor.empty() ? c.name() : c.standsFor; };
  for (auto &[name, candidate] : candidates)
    if (candidate.isParameter && candidate.standsFor.empty())
      holders[name] = &candidate;
  for (auto &[name, candidate] : candidates) {
    if (!candidate.isParameter)
      continue;
    Candidate *&holder = holders[parameterOf(candidate)];
    if (!holder)
      holder = &candidate;
    if (holder == &candidate)
      continue;
    bool isFolded = holder->standsFor.empty(); // of a matrix, the exporter folds a transpose
    if (succeeded(tieVariables(holder->variable, candidate.variable, weights, isFolded))) {
      tie(*holder, candidate);
      continue;
    }
    resolution.lost.push_back(parameterOf(candidate).str());
    candidate.isParameter = false;
    candidate.reason = "computed by the exporter from " + parameterOf(candidate).str();
  }
}

void ParameterMarker::tieTransposes() {
  SmallVector<VariableOp> places;
  for (auto &[name, candidate] : candidates)
    if (candidate.isParameter && (candidate.uses & bit(OperandUse::Weight)))
      places.push_back(candidate.variable);
  for (auto [first, second] : findTransposes(places, weights))
    if (succeeded(tieVariables(first, second, weights, /*preferTranspose=*/true)))
      tie(candidates[first.getSymName()], candidates[second.getSymName()]);
}

/// Where nodes have no notes, as after some optimizers of graphs: floats in weights' places
/// that the signature does not know are its missing parameters if their numbers agree.
void ParameterMarker::matchByCount() {
  if (metadata.hasFolds() || !resolution.lost.empty() || resolution.unmentioned.empty())
    return;
  SmallVector<Candidate *> unknown;
  bool isComputed = false; // PyTorch names a value after its operator: "exp"
  for (auto &[name, candidate] : candidates) {
    if (!candidate.reaches || resolution.initializers.contains(name))
      continue;
    if (candidate.uses & bit(OperandUse::Weight))
      unknown.push_back(&candidate);
    else
      isComputed |= !isMoveName(name);
  }
  if (unknown.empty() && !isComputed)
    return;
  std::vector<std::string> missing = std::move(resolution.unmentioned);
  resolution.unmentioned.clear();
  if (unknown.size() != missing.size()) {
    llvm::append_range(resolution.lost, missing);
    return;
  }
  for (Candidate *candidate : unknown) {
    candidate->isParameter = true;
    candidate->reason = "stands where a layer has a weight, and as many are missing";
    if (missing.size() == 1)
      candidate->standsFor = missing.front();
  }
}

/// What to tell a user whose file lacks parameters.
static void noteExports(InFlightDiagnostic &diagnostic) {
  diagnostic.attachNote()
      << "export again with torch.onnx.export(..., dynamo=True, optimize=False), and compile with "
         "--train-mode=on where the network has BatchNorm or Dropout";
  diagnostic.attachNote() << "or with torch.onnx.export(..., dynamo=False, "
                             "do_constant_folding=False, "
                             "training=torch.onnx.TrainingMode.TRAINING)";
}

/// TorchScript's exporter keeps the names of convolutions' filters, unless it computed them.
void ParameterMarker::warnAboutFusedConvolutions() {
  std::vector<std::string> fused;
  for (auto &[name, candidate] : candidates)
    if (candidate.isTrained && name.starts_with("onnx::Conv"))
      fused.push_back(name.str());
  if (fused.empty())
    return;
  InFlightDiagnostic warning = emitWarning(module.getLoc());
  warning << "the exporter computed " << listNames(fused)
          << ": where it folded a BatchNormalization into the convolution, the parameters of the "
             "network are gone, and these are trained instead";
  noteExports(warning);
}

LogicalResult ParameterMarker::reportLost() {
  std::vector<std::string> lost;
  llvm::StringSet<> seen;
  for (std::string &name : resolution.lost)
    if (seen.insert(name).second)
      lost.push_back(name);
  if (lost.empty() || options.allowLostParameters || !options.trainRegex.empty())
    return success();
  InFlightDiagnostic error = module.emitError();
  error << "the exporter folded " << lost.size() << " parameter" << plural(lost.size())
        << " of the network into other tensors, where they cannot be trained: " << listNames(lost);
  noteExports(error);
  error.attachNote()
      << "--allow-lost-parameters trains what is left, --train=REGEX what it matches";
  return error;
}

LogicalResult ParameterMarker::applyFlags() {
  FailureOr<llvm::Regex> train = compile(module, "--train", options.trainRegex);
  if (failed(train))
    return failure();
  FailureOr<llvm::Regex> freeze = compile(module, "--freeze", options.freezeRegex);
  if (failed(freeze))
    return failure();
  bool trainMatched = false, freezeMatched = false;
  for (auto &[name, candidate] : candidates) {
    if (options.bindings.contains(name)) {
      candidate.isParameter = candidate.isDoubtful = false;
      candidate.reason = "an input that --bind fixes";
    }
    candidate.isParameter &= candidate.reaches;
    candidate.isTrained = candidate.isParameter;
    if (!options.trainRegex.empty()) {
      candidate.isTrained = candidate.reaches && candidate.matches(*train);
      if (candidate.isTrained) {
        candidate.isParameter = trainMatched = true;
        candidate.reason = "--train";
      }
      candidate.isDoubtful = false;
    }
    if (candidate.reaches && !options.freezeRegex.empty() && candidate.matches(*freeze)) {
      // What is a constant anyway is matched all the same.
      freezeMatched = true;
      candidate.isTrained = candidate.isDoubtful = false;
      candidate.reason = "--freeze";
    }
    candidate.variable.setRole(candidate.isParameter ? VariableRole::Parameter
                                                     : VariableRole::Constant);
    candidate.variable.setTrained(candidate.isTrained);
  }
  if (!options.trainRegex.empty() && !trainMatched)
    return module.emitError() << "--train=" << options.trainRegex
                              << " matches no float initializer that a gradient can reach";
  if (!options.freezeRegex.empty() && !freezeMatched)
    return module.emitError() << "--freeze=" << options.freezeRegex << " matches no parameter";
  return success();
}

/// Puts each trained parameter into the first group that matches it.
LogicalResult ParameterMarker::applyGroups() {
  llvm::StringMap<size_t> groupOf;
  for (auto [i, group] : llvm::enumerate(options.groups)) {
    FailureOr<llvm::Regex> regex = compile(module, "--group", group.regex);
    if (failed(regex))
      return failure();
    std::string taken; // a parameter that an earlier group has
    size_t earlier = 0;
    bool isUsed = false, isFrozen = false;
    for (auto &[name, candidate] : candidates) {
      if (!candidate.matches(*regex))
        continue;
      if (!candidate.isTrained) {
        isFrozen = true;
        continue;
      }
      auto [it, isNew] = groupOf.try_emplace(name, i);
      isUsed |= isNew;
      if (!isNew && taken.empty()) {
        taken = name.str();
        earlier = it->second;
      }
      if (isNew)
        candidate.variable.setUpdateGroup(int64_t(i));
    }
    if (isUsed)
      continue;
    InFlightDiagnostic error = module.emitError();
    error << group.flag << ": ";
    if (!taken.empty())
      return error << "an earlier --group has every parameter that it matches, as '" << taken
                   << "' is in " << options.groups[earlier].flag
                   << "; a parameter belongs to the first group that matches, so put this one "
                      "before it";
    return error << "matches no parameter that is trained"
                 << (isFrozen ? ", only initializers that are not (--train, --freeze)"
                              : "; --report=FILE lists their names");
  }
  return success();
}

void ParameterMarker::tell() {
  std::vector<std::string> trained, constants, apart;
  size_t trainedCount = 0, constantCount = 0;
  for (auto &[name, candidate] : candidates) {
    if (!candidate.reaches)
      continue;
    trainedCount += candidate.isTrained;
    constantCount += !candidate.isTrained;
    if (candidate.isDoubtful)
      (candidate.isTrained ? trained : constants).push_back(name.str());
    auto known = resolution.initializers.find(name);
    if (known != resolution.initializers.end() && !isTorchParameterName(name) &&
        candidate.isTrained)
      apart.push_back(name.str() + "' of '" + known->second.splitFrom);
  }
  bool byRule = !metadata.hasSignature();
  if (candidates.empty() || (!byRule && ties.empty()))
    return;
  if (!byRule) {
    emitRemark(module.getLoc()) << "one weight each, used twice: " << listNames(ties);
    return;
  }
  if (trainedCount + constantCount == 0)
    return;
  InFlightDiagnostic remark = emitRemark(module.getLoc());
  remark << "the file does not say which initializers are parameters: by value and use, trained "
         << trainedCount << ", constant " << constantCount;
  if (!trained.empty())
    remark.attachNote() << "trained, though only element-wise operators use them: "
                        << listNames(trained) << "; --freeze='" << regexOf(trained)
                        << "' keeps them as they are";
  if (!constants.empty())
    remark.attachNote() << "not trained, as they look like constants: " << listNames(constants)
                        << "; --train=REGEX trains what it matches, and nothing else";
  if (!apart.empty())
    remark.attachNote() << "equal when they were exported, but trained apart, as they serve "
                           "different modules: "
                        << listNames(apart);
  if (!ties.empty())
    remark.attachNote() << "one weight each, used twice, as they are each other's transpose: "
                        << listNames(ties);
}

/// One remark for each initializer: role and reason.
void ParameterMarker::remark() {
  for (auto &[name, candidate] : candidates) {
    std::string type = typeText(candidate.variable.getTensorType());
    remark::analysis(module.getLoc(),
                     remark::RemarkOpts::name("initializer").category("import").function(name))
        << remark::metric("type", type)
        << remark::metric("role", stringifyVariableRole(candidate.variable.getRole()))
        << remark::metric("trained", candidate.isTrained ? "yes" : "no")
        << remark::metric("parameter",
                          candidate.isParameter
                              ? (candidate.standsFor.empty() ? name.str() : candidate.standsFor)
                              : "")
        << remark::reason("{0}", candidate.reason);
  }
}

/// The state of a fold that swaps the dimensions of a matrix, by the name that PyTorch gives it.
static bool isTransposeName(StringRef name) {
  StringRef stem = name.rtrim("0123456789");
  if (stem.size() < name.size())
    stem.consume_back("_");
  return llvm::is_contained({"val", "transpose", "permute", "t", "numpy_t", "mt"}, stem);
}

/// The module that a node's name places it in: "/blocks/blocks.0/fc/MatMul" stands in
/// "blocks.0.fc", since what is in a container has that one's name before its own.
static std::string modulePathOf(StringRef node) {
  auto [path, type] = node.rsplit('/');
  if (!path.consume_front("/") || type != "MatMul")
    return "";
  SmallVector<StringRef> parts;
  path.split(parts, '/');
  std::string result;
  for (auto [i, part] : llvm::enumerate(parts)) {
    bool isContainer = i + 1 < parts.size() && parts[i + 1].starts_with((part + ".").str());
    if (!isContainer)
      result += (result.empty() ? "" : ".") + part.str();
  }
  return result;
}

/// Whether another bias than `bias` is added to `product`, as to that of a function of the module.
static bool addsOtherBias(Value product, StringRef bias) {
  for (Operation *user : product.getUsers())
    for (Value operand : user->getOperands())
      if (auto read = operand.getDefiningOp<ReadOp>())
        if (user->hasTrait<AddsOperands>() && read.getVariable() != bias)
          return true;
  return false;
}

/// The weight of the linear layer whose nodes read `variable`, by their place in the module. ""
/// where they are of no one layer.
static std::string nameByNodes(VariableOp variable) {
  std::string name;
  auto module = variable->getParentOfType<ModuleOp>();
  auto result = module.walk([&](ReadOp read) {
    if (read.getVariable() != variable.getSymName())
      return WalkResult::advance();
    for (Operation *user : read->getUsers()) {
      SmallVector<StringRef> nodes = getNodeNames(user->getLoc());
      std::string layer = nodes.size() == 1 ? modulePathOf(nodes.front()) : "";
      std::string weight = layer + ".weight";
      if ((!name.empty() && name != weight) || !isTorchParameterName(weight) ||
          addsOtherBias(user->getResult(0), layer + ".bias"))
        return WalkResult::interrupt();
      name = weight;
    }
    return WalkResult::advance();
  });
  return result.wasInterrupted() ? "" : name;
}

/// Notes what the variables are to the module that was exported, where their names do not say it.
void ParameterMarker::nameInStateDict() {
  if (!metadata.isFromTorch() && !metadata.hasSignature())
    return;
  Builder b(module.getContext());
  for (auto &[name, candidate] : candidates) {
    auto known = resolution.initializers.find(candidate.name());
    bool isKnown = known != resolution.initializers.end();
    VariableOp variable = candidate.variable;
    if (candidate.standsFor.empty()) {
      bool isBuffer = metadata.hasSignature() ? metadata.kindOf(candidate.name()) != Declared::No
                                              : isTorchParameterName(candidate.name());
      if (isBuffer && variable.getRole() == VariableRole::Constant)
        variable->setAttr(kStateDictAttr, b.getStringAttr(candidate.name()));
      // TorchScript's exporter transposes weights and forgets their names.
      if (metadata.hasSignature() || !candidate.name().starts_with("onnx::MatMul_") ||
          variable.getTensorType().getRank() != 2)
        continue;
      std::string layer = nameByNodes(variable);
      if (layer.empty() || candidates.count(layer))
        continue;
      variable->setAttr(kStateDictAttr, b.getStringAttr(layer));
      variable->setAttr(kStateDictFormAttr, b.getStringAttr("transposed, by node"));
      continue;
    }
    if (!isKnown || known->second.declared == Declared::No)
      continue;
    variable->setAttr(kStateDictAttr, b.getStringAttr(candidate.standsFor));
    if (known->second.isOnlyFolded && metadata.isComputed(candidate.name())) {
      variable->setAttr(kStateDictFormAttr, b.getStringAttr("unknown"));
      continue;
    }
    // A vector lies one way only; and what was merged with a tensor of the module lies as that.
    StringRef from =
        known->second.splitFrom.empty() ? candidate.name() : StringRef(known->second.splitFrom);
    int64_t rank = variable.getTensorType().getRank();
    if (rank < 2 || metadata.kindOf(from) != Declared::No)
      continue;
    bool isTransposed = rank == 2 && isTransposeName(from);
    variable->setAttr(kStateDictFormAttr, b.getStringAttr(isTransposed ? "transposed" : "unknown"));
  }
}

LogicalResult ParameterMarker::run() {
  collect();
  collectUses();
  for (auto &[name, candidate] : candidates) {
    if (!candidate.reaches)
      candidate.reason = "no gradient reaches it";
    else if (metadata.hasSignature())
      decideByMetadata(candidate);
    else
      decideByRule(candidate);
  }
  if (!options.trains) {
    for (auto &[name, candidate] : candidates)
      candidate.isDoubtful = false;
    if (failed(applyFlags()))
      return failure();
    nameInStateDict();
    return success();
  }
  if (metadata.hasSignature()) {
    matchByCount();
    tieDeclared();
    if (failed(reportLost()))
      return failure();
  } else {
    tieTransposes();
  }
  if (failed(applyFlags()) || failed(applyGroups()))
    return failure();
  remark();
  tell();
  nameInStateDict();
  if (!metadata.hasSignature() && metadata.isFromTorch())
    warnAboutFusedConvolutions();
  return success();
}

LogicalResult markParameters(ModuleOp module, WeightStore &weights, const ImportOptions &options,
                             const ExportMetadata &metadata, Resolution resolution) {
  return ParameterMarker(module, weights, options, metadata, std::move(resolution)).run();
}
} // namespace ampc
