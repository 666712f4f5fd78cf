//===- Comparison.cpp - Two modules trained side by side ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Comparison.h"
#include "Error.h"
#include "Evaluation.h"
#include "Shuffle.h"

#include "ampc-runtime/module_format.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <thread>

using namespace ampc::run;
namespace run = ampc::run; // std has a quoted too

namespace {

/// As many halvings take a loss scale of 2^16 below the least that f16 holds.
constexpr int mostProbes = 32;

std::vector<StateTensor> stateOf(const Module &module) {
  std::vector<StateTensor> tensors;
  for (size_t i = 0; i < ampc_module_tensor_count(module.get()); ++i) {
    ampc_tensor_info_t info = {};
    info.struct_size = sizeof info;
    check(ampc_module_tensor(module.get(), i, &info), module.path());
    if (info.role == AMPC_TENSOR_ROLE_PARAMETER || info.role == AMPC_TENSOR_ROLE_STATE)
      tensors.push_back({info.name,
                         info.role,
                         info.dtype,
                         {info.shape, info.shape + info.rank},
                         info.trained != 0});
  }
  return tensors;
}

bool isSameType(const DLDataType &x, const DLDataType &y) {
  return x.code == y.code && x.bits == y.bits && x.lanes == y.lanes;
}

/// "f32 [2, 3]"
std::string describe(const DLDataType &type, const std::vector<int64_t> &shape) {
  std::optional<ElementType> known = typeOfTensor(type);
  return std::string(known ? elementName(*known) : "?") + " " + shapeText(shape);
}

Json numberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

int64_t readScalar(ampc_session_t *session, const char *name) {
  int64_t value = 0;
  DLTensor tensor = {};
  tensor.data = &value;
  tensor.device = {kDLCPU, 0};
  tensor.dtype = {kDLInt, 64, 1};
  check(ampc_session_get_tensor(session, name, &tensor));
  return value;
}

void writeScalar(ampc_session_t *session, const char *name, DLDataType type, void *value) {
  DLTensor tensor = {};
  tensor.data = value;
  tensor.device = {kDLCPU, 0};
  tensor.dtype = type;
  check(ampc_session_set_tensor(session, name, &tensor));
}

} // namespace

struct Comparison::Side {
  const Module &module;
  Session session;
  std::vector<StateTensor> state = stateOf(module);
  ValueCensus census;
  double scale = 1; ///< of the next step
  std::optional<Evaluation> evaluation;

  Side(const Module &module, const CompareOptions &options)
      : module(module),
        session(module, options.device, options.seed.value_or(0), AMPC_CHECK_FINITE_OFF) {}
};

Comparison::Comparison(const CompareOptions &options, const Module &a, const Module &b,
                       DataSet &data)
    : options(options), data(data) {
  for (const Module *module : {&a, &b})
    sides.push_back(std::make_unique<Side>(*module, options));
  requireOneModel();
  for (auto &side : sides)
    if (options.checkpoint)
      check(ampc_session_load_checkpoint(side->session.get(), options.checkpoint->c_str(), nullptr),
            *options.checkpoint);
  takeState(/*isFirst=*/true);
  if (!a.trains()) {
    prepareEvaluation();
    return;
  }
  if (options.learningRate)
    for (auto &side : sides)
      check(ampc_session_set_learning_rate(side->session.get(), *options.learningRate));
  probe();
  // The loss has a table of its own; what steps write under its name may be its gradient's seed.
  for (auto &side : sides)
    for (const TensorSpec &output : side->module.outputs())
      if (output.loss) {
        std::vector<SeenValue> &values = side->census.values;
        values.erase(std::remove_if(values.begin(), values.end(),
                                    [&](const SeenValue &value) {
                                      return value.name.tensor == output.name &&
                                             !value.name.isGradient;
                                    }),
                     values.end());
      }
  errors = std::make_unique<ValueErrors>(sides[0]->census, sides[1]->census);
  for (int side : {0, 1})
    parts[side] = sides[size_t(side)]->census.parts;
}

Comparison::~Comparison() = default;

/// The inputs are the same, and so are the parameters but for their precision.
void Comparison::requireOneModel() const {
  const Side &a = *sides[0], &b = *sides[1];
  const std::string &pathA = a.module.path(), &pathB = b.module.path();
  auto fail = [&](const std::string &what) {
    throw Error(pathB, "is of another model than " + printable(pathA) + ": " + what);
  };
  if (a.module.trains() != b.module.trains())
    throw Error(b.module.trains() ? pathA : pathB,
                "has no training step, and " + printable(b.module.trains() ? pathB : pathA) +
                    " has one: compile both with an optimizer, or none");
  auto compare = [&](const char *what, auto listA, auto listB, auto textOf) {
    std::map<std::string, std::string> inB;
    for (const auto &tensor : listB)
      inB[tensor.name] = textOf(tensor);
    for (const auto &tensor : listA) {
      auto found = inB.find(tensor.name);
      std::string text = textOf(tensor);
      if (found == inB.end())
        fail(std::string("it has no ") + what + " " + run::quoted(tensor.name));
      if (found->second != text)
        fail(std::string(what) + " " + run::quoted(tensor.name) + " is " + text + " in " +
             printable(pathA) + ", and " + found->second + " here");
      inB.erase(found);
    }
    if (!inB.empty())
      fail(std::string("only it has the ") + what + " " + run::quoted(inB.begin()->first));
  };
  compare("input", a.module.inputs(), b.module.inputs(),
          [](const TensorSpec &spec) { return describe(spec.dtype, spec.shape); });
  auto parametersOf = [](const Side &side) {
    std::vector<StateTensor> list;
    for (const StateTensor &tensor : side.state)
      if (tensor.role == AMPC_TENSOR_ROLE_PARAMETER)
        list.push_back(tensor);
    return list;
  };
  compare("parameter", parametersOf(a), parametersOf(b),
          [](const StateTensor &tensor) { return shapeText(tensor.shape); });
}

/// Gives the second session the state of the first one.
void Comparison::takeState(bool isFirst) {
  ampc_session_t *from = sides[0]->session.get(), *to = sides[1]->session.get();
  if (isFirst) {
    std::map<std::string, const StateTensor *> inB;
    for (const StateTensor &tensor : sides[1]->state)
      inB[tensor.name] = &tensor;
    for (const StateTensor &tensor : sides[0]->state) {
      auto found = inB.find(tensor.name);
      if (tensor.trained)
        parameters.push_back(tensor.name);
      if (found != inB.end() && found->second->shape == tensor.shape &&
          isSameType(found->second->dtype, tensor.dtype))
        shared.push_back(tensor);
    }
  }
  std::vector<char> data, old;
  size_t differing = 0;
  for (const StateTensor &tensor : shared) {
    std::optional<ElementType> type = typeOfTensor(tensor.dtype);
    std::optional<uint64_t> count = elementCount(tensor.shape);
    if (!type || !count)
      continue;
    data.resize(std::max<uint64_t>(1, *count * elementSize(*type)));
    DLTensor view = {};
    view.data = data.data();
    view.device = {kDLCPU, 0};
    view.ndim = int(tensor.shape.size());
    view.dtype = tensor.dtype;
    view.shape = const_cast<int64_t *>(tensor.shape.data()); // nobody writes it
    check(ampc_session_get_tensor(from, tensor.name.c_str(), &view));
    if (isFirst) {
      old = data;
      DLTensor oldView = view;
      oldView.data = old.data();
      check(ampc_session_get_tensor(to, tensor.name.c_str(), &oldView));
      if (old == data)
        continue;
      differing += tensor.role == AMPC_TENSOR_ROLE_PARAMETER;
    }
    check(ampc_session_set_tensor(to, tensor.name.c_str(), &view));
  }
  if (differing)
    remarks.push_back(std::to_string(differing) +
                      (differing == 1 ? " parameter begins" : " parameters begin") +
                      " otherwise in the second module; it takes the values of the first");
  if (isFirst || !sides[0]->module.trains())
    return;
  // As many attempts first: no fewer than updates at any time.
  for (const char *name : {AMPC_SCALAR_ATTEMPT, AMPC_SCALAR_STEP}) {
    int64_t value = readScalar(from, name);
    writeScalar(to, name, {kDLInt, 64, 1}, &value);
  }
}

/// Makes the first step in sessions of their own, to know what steps write, and which loss scale
/// the gradients bear: a step that is skipped for its scale has nothing to compare.
void Comparison::probe() {
  const std::vector<ampc_named_tensor_t> &batch = nextBatch();
  sample = 0;
  for (auto &side : sides) {
    Session session(side->module, options.device, options.seed.value_or(0), AMPC_CHECK_FINITE_OFF);
    if (options.checkpoint)
      check(ampc_session_load_checkpoint(session.get(), options.checkpoint->c_str(), nullptr),
            *options.checkpoint);
    ampc_step_info_t info = {};
    info.struct_size = sizeof info;
    int halvings = 0;
    for (int i = 0; i != mostProbes; ++i) {
      side->census = ValueCensus();
      ampc_status_t status = ampc_session_step_visited(session.get(), batch.data(), batch.size(),
                                                       &info, ValueCensus::visit, &side->census);
      bool isStopped = ampc_status_code(status) == AMPC_STATUS_TRAINING_STOPPED;
      if (isStopped)
        ampc_status_free(status);
      else
        check(status);
      bool retries = !isStopped && !info.applied && info.failure == AMPC_FAILURE_GRADIENT &&
                     info.next_loss_scale != info.loss_scale;
      if (!retries)
        break;
      ++halvings;
    }
    side->scale = info.loss_scale;
    if (!halvings)
      continue;
    float scale = info.loss_scale;
    writeScalar(side->session.get(), AMPC_SCALAR_LOSS_SCALE, {kDLFloat, 32, 1}, &scale);
    char text[32];
    std::snprintf(text, sizeof text, "%g", double(scale));
    remarks.push_back("the loss scale of " + printable(side->module.path()) + " begins with " +
                      text + ", the first at which no gradient overflows");
  }
}

const std::vector<ampc_named_tensor_t> &Comparison::nextBatch() {
  if (sample + data.batchSize() > data.samples()) {
    sample = 0;
    ++epoch;
    order.clear();
  }
  bool shuffles = options.order.value_or(BatchOrder::Shuffle) == BatchOrder::Shuffle;
  if (shuffles && order.empty())
    order = shuffledOrder(data.samples(), uint64_t(options.seed.value_or(0)), epoch);
  const auto &batch = data.batch(sample, shuffles ? &order : nullptr);
  sample += data.batchSize();
  return batch;
}

bool Comparison::step() {
  if (!sides[0]->module.trains())
    return evaluate();
  int64_t number = int64_t(done.size()) + 1;
  if (options.sameState && number > 1)
    takeState(/*isFirst=*/false);
  const std::vector<ampc_named_tensor_t> &batch = nextBatch();
  bool visits = (number - 1) % options.every.value_or(1) == 0;
  ComparedStep made;
  made.step = number;
  if (visits)
    errors->begin(sides[0]->scale, sides[1]->scale);
  std::exception_ptr failure;
  std::thread other([&] {
    try {
      enqueue(1, batch, made, visits);
    } catch (...) {
      failure = std::current_exception();
    }
    errors->finish(1);
  });
  try {
    enqueue(0, batch, made, visits);
  } catch (...) {
    errors->finish(0);
    other.join();
    throw;
  }
  errors->finish(0);
  other.join();
  if (failure)
    std::rethrow_exception(failure);
  if (visits) {
    // Gradients that overflowed with their scale tell nothing of the other ones.
    bool isSkipped = made.info[0].failure == AMPC_FAILURE_GRADIENT ||
                     made.info[1].failure == AMPC_FAILURE_GRADIENT;
    errors->end(number, /*withGradients=*/!isSkipped);
    if (!isSkipped)
      made.gradientError = errors->gradientError(parameters);
  }
  done.push_back(made);
  return stops[0].empty() && stops[1].empty();
}

/// Makes the step of one side, and waits for it.
void Comparison::enqueue(int side, const std::vector<ampc_named_tensor_t> &batch,
                         ComparedStep &step, bool visits) {
  struct Visit {
    ValueErrors &errors;
    int side;
  } visit{*errors, side};
  auto visitor = [](void *user, const ampc_value_t *value) {
    auto &visit = *static_cast<Visit *>(user);
    visit.errors.visit(visit.side, *value);
  };
  Side &own = *sides[size_t(side)];
  ampc_step_info_t &info = step.info[side];
  info.struct_size = sizeof info;
  ampc_status_t status =
      visits ? ampc_session_step_visited(own.session.get(), batch.data(), batch.size(), &info,
                                         visitor, &visit)
             : ampc_session_step(own.session.get(), batch.data(), batch.size(), &info);
  if (ampc_status_code(status) == AMPC_STATUS_TRAINING_STOPPED) {
    stops[side] = printable(ampc_status_message(status));
    ampc_status_free(status);
  } else {
    check(status);
  }
  own.scale = info.next_loss_scale;
}

void Comparison::prepareEvaluation() {
  for (auto &side : sides) {
    side->evaluation.emplace(side->module, side->session, data);
    side->evaluation->wantAll();
    bool hasAllInputs = std::all_of(side->module.inputs().begin(), side->module.inputs().end(),
                                    [&](const TensorSpec &spec) { return data.has(spec.name); });
    if (!hasAllInputs)
      side->evaluation->dropWhatNeedsLabels();
  }
  for (const Evaluation::Wanted &a : sides[0]->evaluation->outputs())
    for (const Evaluation::Wanted &b : sides[1]->evaluation->outputs())
      if (a.spec->name == b.spec->name && a.spec->shape == b.spec->shape && isFloat(a.spec->type) &&
          isFloat(b.spec->type)) {
        ComparedValue &both = outputs.emplace_back();
        auto seen = [](const TensorSpec &spec) {
          return SeenValue{
              {spec.name, "", false}, "", spec.type, spec.shape, *elementCount(spec.shape)};
        };
        both.a = seen(*a.spec);
        both.b = seen(*b.spec);
      }
}

bool Comparison::evaluate() {
  const uint64_t batch = done.size();
  if (batch >= sides[0]->evaluation->batches())
    return false;
  ComparedStep made;
  made.step = int64_t(batch) + 1;
  std::map<std::string, const char *> found[2];
  for (int side : {0, 1}) {
    Evaluation &evaluation = *sides[size_t(side)]->evaluation;
    evaluation.restart();
    evaluation.run(batch);
    made.info[side].loss = evaluation.lossBatches() ? float(evaluation.meanLoss())
                                                    : std::numeric_limits<float>::quiet_NaN();
    for (const Evaluation::Wanted &output : evaluation.outputs())
      found[side][output.spec->name] = output.data.get();
  }
  for (ComparedValue &value : outputs) {
    ErrorSums sums;
    sums.add(value.a.type, found[0][value.a.name.tensor], value.b.type,
             found[1][value.a.name.tensor], value.a.elements);
    value.add(sums, made.step);
  }
  done.push_back(made);
  return done.size() < sides[0]->evaluation->batches();
}

Json Comparison::toJson() const {
  Json steps = Json::array();
  for (const ComparedStep &step : done) {
    Json one{{"step", step.step}};
    auto both = [&](auto of) { return Json::array({of(step.info[0]), of(step.info[1])}); };
    one["loss"] = both([](const ampc_step_info_t &info) { return numberOrNull(info.loss); });
    if (sides[0]->module.trains()) {
      one["applied"] = both([](const ampc_step_info_t &info) { return info.applied != 0; });
      one["scale"] =
          both([](const ampc_step_info_t &info) { return numberOrNull(info.loss_scale); });
    }
    if (step.gradientError)
      one["gradient_error"] = numberOrNull(*step.gradientError);
    steps.push_back(one);
  }
  std::vector<size_t> places(values().size());
  std::iota(places.begin(), places.end(), size_t(0));
  std::sort(places.begin(), places.end(), [&](size_t x, size_t y) {
    double errorX = values()[x].most, errorY = values()[y].most;
    return errorX != errorY ? errorX > errorY : x < y;
  });
  Json list = Json::array();
  for (size_t place : places) {
    const ComparedValue &value = values()[place];
    if (!value.first)
      continue;
    // Infinite errors are null, and `bad` says where they come from.
    list.push_back({{"tensor", value.a.name.tensor},
                    {"node", value.a.name.node},
                    {"operator", value.a.opType},
                    {"gradient", value.a.name.isGradient},
                    {"place", place},
                    {"types", Json::array({floatName(value.a.type), floatName(value.b.type)})},
                    {"elements", value.a.elements},
                    {"first_error", numberOrNull(*value.first)},
                    {"error", numberOrNull(value.most)},
                    {"step", value.mostStep},
                    {"largest_difference", numberOrNull(value.largestDifference)},
                    {"not_finite", Json::array({value.badInA, value.badInB})}});
  }
  auto names = [](const std::vector<SeenValue> &seen) {
    Json result = Json::array();
    for (const SeenValue &value : seen)
      result.push_back({{"tensor", value.name.tensor},
                        {"node", value.name.node},
                        {"gradient", value.name.isGradient},
                        {"type", floatName(value.type)}});
    return result;
  };
  auto [type, roundoff] = roundoffOf(values());
  return {{"modules", Json::array({sides[0]->module.path(), sides[1]->module.path()})},
          {"same_state", options.sameState},
          {"roundoff", Json{{"type", type}, {"size", roundoff}}},
          {"steps", steps},
          {"stopped", Json::array({stops[0], stops[1]})},
          {"values", list},
          {"only", Json::array({names(errors ? errors->only(0) : std::vector<SeenValue>()),
                                names(errors ? errors->only(1) : std::vector<SeenValue>())})},
          {"other_shapes", names(errors ? errors->misfits() : std::vector<SeenValue>())},
          {"parts", Json::array({parts[0], parts[1]})}};
}

std::pair<std::string, double> ampc::run::roundoffOf(const std::vector<ComparedValue> &values) {
  std::pair<std::string, double> coarsest{"f64", std::ldexp(1.0, -53)};
  for (const ComparedValue &value : values) {
    int bits = value.b.type == ElementType::BF16  ? 8
               : value.b.type == ElementType::F16 ? 11
               : value.b.type == ElementType::F32 ? 24
                                                  : 53;
    double roundoff = std::ldexp(1.0, -bits);
    if (roundoff > coarsest.second)
      coarsest = {floatName(value.b.type), roundoff};
  }
  return coarsest;
}
