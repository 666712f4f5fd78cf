//===- MakeTrainingStep.cpp - Build the training step from the graph ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StepRoles.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Support/Settings.h"
#include "ampc/Support/StateNames.h"
#include "ampc/Training/Optimizers.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringSet.h"
#include <limits>

namespace ampc {
#define GEN_PASS_DEF_MAKETRAININGSTEP
#include "ampc/Training/Passes.h.inc"

namespace {
/// Steps that the statistics ring remembers.
constexpr int64_t kRingSlots = 64;

/// Replaces the ops that act differently in training by their inference form, and drops what
/// training assigns.
LogicalResult toInference(func::FuncOp function) {
  SmallVector<TrainingModeOpInterface> ops;
  function.walk([&](TrainingModeOpInterface op) { ops.push_back(op); });
  for (TrainingModeOpInterface op : ops) {
    OpBuilder builder(op);
    for (auto [result, inference] : llvm::zip(op->getResults(), op.buildInference(builder))) {
      if (!inference && !result.use_empty())
        return op->emitOpError("has a result that inference does not have");
      if (inference)
        result.replaceAllUsesWith(inference);
    }
    op->erase();
  }
  // Only training updates state.
  for (AssignOp assign : llvm::make_early_inc_range(function.getOps<AssignOp>()))
    assign->erase();
  return success();
}

/// An op that a gradient stops at.
struct GradientStop {
  Operation *op = nullptr;
  StringRef variable; ///< that reaches the op; "" for one that became a constant
};

/// Whether a gradient of `loss` gets to one of `parameters`. Where it does not, `stop` is the
/// first op on the way back from the loss behind which a float variable of the model lies.
bool reachesByGradient(Value loss, ArrayRef<Value> parameters, GradientStop &stop) {
  // Breadth first, so that the op nearest to the loss is found. Values of the second queue
  // lie behind an op without a gradient.
  DenseSet<Value> seen{loss}, goals(parameters.begin(), parameters.end());
  SmallVector<Value> queue{loss};
  SmallVector<std::pair<Value, Operation *>> behind;
  for (size_t i = 0; i < queue.size(); ++i) {
    if (goals.contains(queue[i]))
      return true;
    Operation *op = queue[i].getDefiningOp();
    if (!op)
      continue;
    auto gradient = dyn_cast<GradientOpInterface>(op);
    for (OpOperand &operand : op->getOpOperands()) {
      Value v = operand.get();
      bool isFloat = isa<FloatType>(getElementTypeOrSelf(v.getType()));
      if (!isFloat || (gradient && !gradient.isDifferentiable(operand.getOperandNumber())) ||
          !isa<FloatType>(getElementTypeOrSelf(queue[i].getType())))
        behind.push_back({v, op});
      else if (seen.insert(v).second)
        queue.push_back(v);
    }
  }
  for (size_t i = 0; i < behind.size(); ++i) {
    auto [value, stopping] = behind[i];
    Operation *op = value.getDefiningOp();
    auto type = cast<RankedTensorType>(value.getType());
    auto read = dyn_cast_or_null<ReadOp>(op);
    if (isa<FloatType>(type.getElementType())) {
      if (read) {
        stop = {stopping, read.getVariable()};
        return false;
      }
      if (!stop.op && isa_and_nonnull<ConstantOp>(op) && type.getNumElements() > 1)
        stop.op = stopping;
    }
    if (op)
      for (Value v : op->getOperands())
        if (seen.insert(v).second)
          behind.push_back({v, stopping});
  }
  return false;
}

/// Marks the arguments that no output but the loss depends on, where there is another
/// output.
void markLabels(func::FuncOp function) {
  Operation *terminator = function.getBody().front().getTerminator();
  DenseSet<Value> needed;
  unsigned losses = 0;
  for (auto [i, value] : llvm::enumerate(terminator->getOperands()))
    if (function.getResultAttr(i, kLossAttr))
      ++losses;
    else
      needed.insert(value);
  if (losses == 0 || losses == terminator->getNumOperands())
    return;
  for (Operation &op : llvm::reverse(function.getBody().front()))
    if (llvm::any_of(op.getResults(), [&](Value v) { return needed.contains(v); }))
      needed.insert(op.operand_begin(), op.operand_end());
  for (BlockArgument argument : function.getArguments())
    if (!needed.contains(argument))
      function.setArgAttr(argument.getArgNumber(), kLabelAttr,
                          UnitAttr::get(function.getContext()));
}

/// Marks the result of `function` that has the name of `like`'s loss.
void markLoss(func::FuncOp function, func::FuncOp like) {
  for (unsigned i = 0; i < like.getNumResults(); ++i)
    for (unsigned j = 0; j < function.getNumResults() && like.getResultAttr(i, kLossAttr); ++j)
      if (function.getResultAttr(j, kNameAttr) == like.getResultAttr(i, kNameAttr))
        function.setResultAttr(j, kLossAttr, like.getResultAttr(i, kLossAttr));
}

struct MakeTrainingStep : impl::MakeTrainingStepBase<MakeTrainingStep> {
  using MakeTrainingStepBase::MakeTrainingStepBase;

  void runOnOperation() override {
    commonStates.clear();
    ModuleOp module = getOperation();
    auto function = module.lookupSymbol<func::FuncOp>(kMainFunction);
    if (!function)
      return;
    auto train = module.lookupSymbol<func::FuncOp>(kTrainFunction);
    if (train ? failed(recordGivenStep(train)) : failed(makeTrain(function)))
      return signalPassFailure();
    if (auto given = module.lookupSymbol<func::FuncOp>(kEvalFunction)) { // the file has its own
      markLoss(given, function);
      function.erase();
      function = given;
    }
    function.setName(kEvalFunction);
    markLabels(function);
    if (failed(toInference(function)))
      return signalPassFailure();
  }

  DenseElementsAttr scalar(Type type, double value) {
    auto tensor = RankedTensorType::get({}, type);
    if (isa<FloatType>(type))
      return DenseElementsAttr::get(tensor, Attribute(FloatAttr::get(type, value)));
    return DenseElementsAttr::get(tensor, Attribute(IntegerAttr::get(type, int64_t(value))));
  }

  /// Adds one to a counter for the next run and gives its present value.
  Value count(OpBuilder &b, Location loc, StringRef variable) {
    Value now = readScalar(b, loc, variable, scalar(b.getI64Type(), 0));
    Value one = splat(b, loc, RankedTensorType::get({}, b.getI64Type()), 1);
    AssignOp::create(b, loc, variable, buildSum(b, loc, now, one));
    return now;
  }

  /// Adds the statistics ring and what is known of it here; ScaleLoss and GuardUpdates fill
  /// in the rest.
  void record(OpBuilder &b, Location loc, Value loss, Value norm, Value rate) {
    auto type = RankedTensorType::get({kRingSlots, AMPC_STAT_COUNT}, b.getF32Type());
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(getOperation().getBody());
      VariableOp::create(b, loc, VariableRole::Derived, AMPC_STATS_RING, type,
                         DenseElementsAttr::get(type, 0.0f), false, false);
    }
    auto f32 = [&](double value) {
      return splat(b, loc, RankedTensorType::get({}, b.getF32Type()), value);
    };
    const double nan = std::numeric_limits<double>::quiet_NaN();
    SmallVector<Value> fields(AMPC_STAT_COUNT);
    fields[AMPC_STAT_LOSS] = loss ? toScalar(b, loc, loss) : f32(nan);
    fields[AMPC_STAT_LOSS_SCALE] = f32(1);
    fields[AMPC_STAT_APPLIED] = f32(1);
    fields[AMPC_STAT_GRAD_NORM] = norm ? norm : f32(nan);
    fields[AMPC_STAT_LR] = rate ? rate : f32(nan);
    fields[AMPC_STAT_FLAGS] = f32(0);
    fields[AMPC_STAT_CULPRIT] = f32(-1);
    fields[AMPC_STAT_NEW_SCALE] = f32(1);
    Value attempt = count(b, loc, AMPC_SCALAR_ATTEMPT);
    Value ring = ReadOp::create(b, loc, type, AMPC_STATS_RING);
    ring = RecordStatsOp::create(b, loc, type, ring, attempt, fields);
    AssignOp::create(b, loc, AMPC_STATS_RING, ring);
  }

  /// The one element of `x` as f32 of rank 0.
  Value toScalar(OpBuilder &b, Location loc, Value x) {
    x = castTo(b, loc, x, b.getF32Type());
    auto type = RankedTensorType::get({}, b.getF32Type());
    return x.getType() == type ? x : ReshapeOp::create(b, loc, type, x).getResult();
  }

  /// What a group of parameters, or all that are in none, is updated with.
  struct Updater {
    ChosenOptimizer chosen;
    StringRef group; ///< its regex
    Value rate;
  };

  FailureOr<SmallVector<Updater>> chooseUpdaters(Location loc);
  /// A variable of an optimizer's state.
  struct StateVariable {
    std::string name;
    RankedTensorType type;
    bool isMade; ///< with this parameter, not with an earlier one that has it in common
  };

  SmallVector<StateVariable> makeStates(OpBuilder &b, Location loc, const SymbolTable &symbols,
                                        VariableOp parameter, const Updater &updater,
                                        const Updater &all);
  void average(OpBuilder &b, Location loc, const SymbolTable &symbols, VariableOp parameter,
               Value updated, Value applied);
  LogicalResult makeTrain(func::FuncOp function);
  LogicalResult recordGivenStep(func::FuncOp train);

  llvm::StringSet<> commonStates; ///< that parameters have in common
};

/// What a variable was built with, for whoever asks later.
DictionaryAttr describeUpdate(Builder &b, const OptimizerSettings &settings, StringRef group) {
  SmallVector<NamedAttribute> entries{
      b.getNamedAttr("optimizer", b.getStringAttr(settings.name()))};
  for (const auto &[name, value] : settings.all())
    entries.push_back(b.getNamedAttr(name, b.getF64FloatAttr(value)));
  if (!group.empty())
    entries.push_back(b.getNamedAttr("group", b.getStringAttr(group)));
  return b.getDictionaryAttr(entries);
}

/// Tells what a parameter is updated with.
void remarkUpdate(Operation *op, const OptimizerSettings &settings, StringRef group) {
  auto told = remark::analysis(
      op->getLoc(),
      remark::RemarkOpts::name("update").category("optimizer").function(settings.name()));
  for (const auto &[name, value] : settings.all())
    told << remark::metric(name, toDecimals(value));
  if (!group.empty())
    told << remark::metric("group", group);
}

/// Who has the state in common, as the end of its name: nothing where the settings that it depends
/// on are those of all parameters.
std::string nameOfCommon(const OptimizerState &state, const OptimizerSettings &settings,
                         const OptimizerSettings &all) {
  std::string name;
  bool isOfAll = true;
  for (StringRef setting : state.common) {
    isOfAll &= settings[setting] == all[setting];
    name += (name.empty() ? "/" : ",") + setting.str() + "=" + toDecimals(settings[setting]);
  }
  return isOfAll ? "" : name;
}

FailureOr<SmallVector<MakeTrainingStep::Updater>> MakeTrainingStep::chooseUpdaters(Location loc) {
  OptimizerOptions asked;
  asked.name = optimizer;
  std::string error;
  for (StringRef setting : settings)
    if (error.empty())
      error = readSetting(setting, asked.given);
  SmallVector<Updater> updaters;
  std::optional<ChosenOptimizer> all;
  if (error.empty())
    all = chooseOptimizer(&getContext(), asked, error);
  if (!all)
    return emitError(loc) << error;
  updaters.push_back({*all, "", Value()});
  for (StringRef text : groups) {
    auto [given, name] = text.split(':');
    ParameterGroup group{"--group=" + name.str() + ":" + given.str(), name.str(), {}};
    for (StringRef setting : llvm::split(given, ';'))
      if (error.empty())
        error = readSetting(setting, group.given);
    std::optional<ChosenOptimizer> own;
    if (error.empty())
      own = chooseForGroup(&getContext(), asked, group, error);
    if (!own)
      return emitError(loc) << error;
    updaters.push_back({*own, name, Value()});
  }
  return updaters;
}

/// Makes the variables of a parameter's state, but for those of which the file has the values.
SmallVector<MakeTrainingStep::StateVariable>
MakeTrainingStep::makeStates(OpBuilder &b, Location loc, const SymbolTable &symbols,
                             VariableOp parameter, const Updater &updater, const Updater &all) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(parameter);
  const OptimizerSettings &settings = updater.chosen.settings;
  RankedTensorType parameterType = parameter.getTensorType();
  SmallVector<StateVariable> variables;
  for (const OptimizerState &state :
       updater.chosen.op->getOptimizerStates(settings, parameterType)) {
    std::string name = "ampc." + state.kind;
    RankedTensorType type = state.shape ? parameterType.clone(*state.shape) : parameterType;
    bool isMade = true;
    if (state.common.empty()) {
      name += "/" + parameter.getSymName().str();
    } else {
      name += nameOfCommon(state, settings, all.chosen.settings);
      type = RankedTensorType::get({}, b.getF32Type());
      isMade = commonStates.insert(name).second;
    }
    if (isMade && !symbols.lookup(name)) {
      FloatAttr initial = b.getFloatAttr(type.getElementType(), state.initial);
      VariableOp::create(b, loc, VariableRole::State, name, type,
                         DenseElementsAttr::get(type, Attribute(initial)), false, false);
    }
    variables.push_back({std::move(name), type, isMade});
  }
  return variables;
}

/// Keeps the exponential moving average of a parameter, as torch.optim.swa_utils does: the first
/// applied update begins it.
void MakeTrainingStep::average(OpBuilder &b, Location loc, const SymbolTable &symbols,
                               VariableOp parameter, Value updated, Value applied) {
  auto type = cast<RankedTensorType>(updated.getType());
  std::string name = kAveragePrefix.str() + parameter.getSymName().str();
  if (!symbols.lookup(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfter(parameter);
    VariableOp::create(b, loc, VariableRole::State, name, type,
                       DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType())), false,
                       false);
  }
  Value old = ReadOp::create(b, loc, type, name);
  Value way = buildDifference(b, loc, updated, old);
  // torch.lerp, which is exact at the nearer end.
  Value mean =
      1 - ema < 0.5
          ? buildSum(b, loc, old, buildProduct(b, loc, way, splat(b, loc, type, 1 - ema)))
          : buildDifference(b, loc, updated, buildProduct(b, loc, way, splat(b, loc, type, ema)));
  Value zero = splat(b, loc, RankedTensorType::get({}, b.getI64Type()), 0);
  Value isFirst = EqualOp::create(b, loc, applied, zero);
  AssignOp::create(b, loc, name, WhereOp::create(b, loc, isFirst, updated, mean));
}

LogicalResult MakeTrainingStep::makeTrain(func::FuncOp function) {
  ModuleOp module = getOperation();
  std::optional<unsigned> lossResult;
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (function.getResultAttr(i, kLossAttr))
      lossResult = i;
  if (!lossResult)
    return emitError(function.getLoc()) << "no output is marked as the loss";
  FailureOr<SmallVector<Updater>> updaters = chooseUpdaters(function.getLoc());
  if (failed(updaters))
    return failure();

  auto train = cast<func::FuncOp>(function->clone());
  train.setName(kTrainFunction);
  module.push_back(train);
  Operation *terminator = train.getBody().front().getTerminator();
  Value loss = terminator->getOperand(*lossResult);
  terminator->setOperands({});
  while (train.getNumResults())
    if (failed(train.eraseResult(0)))
      return failure();

  // One read of each trained parameter, in the order the module declares them.
  llvm::MapVector<StringRef, ReadOp> reads;
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getTrained())
      reads[variable.getSymName()] = {};
  train.walk([&](ReadOp read) {
    auto it = reads.find(read.getVariable());
    if (it == reads.end())
      return;
    if (!it->second) {
      it->second = read;
      read->moveBefore(&train.getBody().front(), train.getBody().front().begin());
    } else {
      read.getResult().replaceAllUsesWith(it->second.getResult());
      read.erase();
    }
  });
  SmallVector<Value> parameters;
  for (auto &[name, read] : reads)
    if (read)
      parameters.push_back(read);
  GradientStop stop;
  if (!reachesByGradient(loss, parameters, stop)) {
    InFlightDiagnostic error = emitError(stop.op ? stop.op->getLoc() : function.getLoc());
    error << "nothing to train: ";
    if (stop.op && !stop.variable.empty())
      error << "initializer '" << stop.variable
            << "' reaches the loss only through this operator, which has no gradient";
    else if (stop.op)
      error << "only this operator leads from initializers to the loss, and it has no gradient";
    else
      error << "no " << (parameters.empty() ? "float initializer" : "parameter")
            << " reaches the loss";
    return error << " (see --train, --freeze, --loss)";
  }

  OpBuilder b(terminator);
  Location loc = NameLoc::get(b.getStringAttr("optimizer"));
  // A loss scale does not fit in 16 bits.
  Value wideLoss = loss;
  if (getElementTypeOrSelf(loss.getType()).getIntOrFloatBitWidth() < 32) {
    auto wide =
        CastOp::create(b, loc, cast<RankedTensorType>(loss.getType()).clone(b.getF32Type()), loss);
    wide.setInserted(true);
    wideLoss = wide;
  }
  auto gradient =
      GradientOp::create(b, loc, TypeRange(ValueRange(parameters)), wideLoss, Value(), parameters);
  SmallVector<Value> gradients(gradient.getGradients());
  Value norm;
  if (clipGradNorm >= 0) {
    auto clip = ClipGradNormOp::create(b, loc, TypeRange(ValueRange(gradients)),
                                       RankedTensorType::get({}, b.getF32Type()), gradients,
                                       b.getF32FloatAttr(float(clipGradNorm)));
    gradients.assign(clip.getResults().begin(), clip.getResults().end());
    norm = clip.getNorm();
  }
  if (clipGradValue >= 0)
    for (Value &g : gradients)
      g = ClipGradValueOp::create(b, loc, g, b.getF32FloatAttr(float(clipGradValue)));

  const Updater &all = updaters->front();
  Value rate = readScalar(b, loc, AMPC_SCALAR_LEARNING_RATE,
                          scalar(b.getF32Type(), all.chosen.settings[kLearningRateSetting]));
  Value step = count(b, loc, AMPC_SCALAR_STEP);
  const Value applied = step;
  if (module.lookupSymbol(kOptimizerStep)) // the file goes on from another run's steps
    step = count(b, loc, kOptimizerStep);
  SymbolTable symbols(module);
  for (auto [parameter, g] : llvm::zip(parameters, gradients)) {
    StringRef name = cast<ReadOp>(parameter.getDefiningOp()).getVariable();
    auto variable = symbols.lookup<VariableOp>(name);
    int64_t group = variable.getUpdateGroup().value_or(-1) + 1;
    if (group < 0 || group >= int64_t(updaters->size()))
      return variable.emitOpError("is of a group that there is not");
    Updater &updater = (*updaters)[group];
    if (!updater.rate) {
      double factor = getRateFactor(all.chosen, updater.chosen);
      updater.rate =
          factor == 1 ? rate : GroupRateOp::create(b, loc, rate, b.getF64FloatAttr(factor));
    }
    SmallVector<StateVariable> variables = makeStates(b, loc, symbols, variable, updater, all);
    SmallVector<Value> states;
    for (const StateVariable &state : variables)
      states.push_back(ReadOp::create(b, loc, state.type, state.name));
    const OptimizerSettings &used = updater.chosen.settings;
    Operation *op = updater.chosen.op->buildUpdate(b, NameLoc::get(b.getStringAttr(name)), used,
                                                   parameter, g, updater.rate, step, states);
    AssignOp::create(b, loc, name, op->getResult(0));
    for (auto [i, state] : llvm::enumerate(variables))
      if (state.isMade)
        AssignOp::create(b, loc, state.name, op->getResult(1 + i));
    if (ema > 0)
      average(b, loc, symbols, variable, op->getResult(0), applied);
    variable.setUpdateSettingsAttr(describeUpdate(b, used, updater.group));
    remarkUpdate(op, used, updater.group);
  }
  record(b, loc, loss, norm, rate);
  return success();
}

/// The loss of a step that the model itself describes: what it differentiates first, or, where it
/// arrives differentiated, the only output of one float; null where there is none.
static Value findLoss(func::FuncOp train) {
  auto isScalarFloat = [](Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return isa<FloatType>(type.getElementType()) && type.getNumElements() == 1;
  };
  SmallVector<GradientOp> gradients(train.getOps<GradientOp>());
  for (GradientOp gradient : gradients)
    if (isScalarFloat(gradient.getOf()))
      return gradient.getOf();
  if (!gradients.empty())
    return {};
  Value loss;
  for (Value result : train.getBody().front().getTerminator()->getOperands())
    if (isScalarFloat(result)) {
      if (loss)
        return {};
      loss = result;
    }
  return loss;
}

LogicalResult MakeTrainingStep::recordGivenStep(func::FuncOp train) {
  OpBuilder b(train.getBody().front().getTerminator());
  Value loss = findLoss(train);
  findStepRoles(train, loss);
  Location loc = train.getLoc();
  count(b, loc, AMPC_SCALAR_STEP);
  Value rate;
  if (auto variable = getOperation().lookupSymbol<VariableOp>(AMPC_SCALAR_LEARNING_RATE))
    rate = ReadOp::create(b, loc, variable.getTensorType(), variable.getSymName());
  record(b, loc, loss, Value(), rate);
  return success();
}
} // namespace
} // namespace ampc
