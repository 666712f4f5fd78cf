//===- Session.cpp - The state of one training run ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Session.h"

#include "Core/Convert.h"
#include "Core/DType.h"
#include "Core/Error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace ampc {

/// The flags of a batch that a program refused.
static constexpr unsigned kRefusals = AMPC_FLAG_LABEL_OUT_OF_RANGE | AMPC_FLAG_INDEX_OUT_OF_RANGE |
                                      AMPC_FLAG_SIZE_DIFFERS | AMPC_FLAG_SHAPE_DIFFERS;

/// So many steps in a row whose loss is not finite end a run with a scaler: more than a few bad
/// batches, and half as many as would take a scale of 65536 to its floor of 2^-14.
static constexpr int64_t kMostForwardFailures = 16;

/// AMPC_STAT_FLAGS as a number; 0 where it is none.
static unsigned numberOf(float flags) {
  constexpr float kEnd = float(AMPC_FLAGS_END) * (AMPC_MOST_MICRO_BATCHES + 1);
  return flags > 0 && flags < kEnd ? unsigned(flags) : 0;
}
/// The sum of AMPC_FLAG_* as bits, and the micro-batch that they belong to.
static unsigned flagsOf(float flags) { return numberOf(flags) % AMPC_FLAGS_END; }
static int microBatchOf(float flags) { return int(numberOf(flags) / AMPC_FLAGS_END); }

/// The most that is staged at once: a CUDA device stages in pinned memory.
static constexpr uint64_t kChunkBytes = uint64_t(16) << 20;

static std::unique_ptr<Device> createDevice(const Module &module,
                                            const ampc_session_options_t &options) {
  bool hasHost = module.hasTarget(AMPC_TARGET_HOST);
  bool hasCuda = module.hasTarget(AMPC_TARGET_CUDA);
  switch (options.device) {
  case AMPC_DEVICE_HOST:
    if (!hasHost)
      throw Error(AMPC_STATUS_INCOMPATIBLE, concat("'", module.path(),
                                                   "' holds no host code: compile it "
                                                   "with --target=cuda,host"));
    return createHostDevice(module, options.threads);
  case AMPC_DEVICE_CUDA:
    if (!hasCuda)
      throw Error(AMPC_STATUS_INCOMPATIBLE, concat("'", module.path(),
                                                   "' holds no CUDA code: compile it "
                                                   "with --target=cuda,host"));
    return createCudaDevice(module, options.device_ordinal);
  case AMPC_DEVICE_AUTO:
    if (!hasHost)
      return createCudaDevice(module, options.device_ordinal);
    if (hasCuda) {
      try {
        return createCudaDevice(module, options.device_ordinal);
      } catch (const Error &error) {
        // No GPU, no driver, or one too old for the code: the host serves as
        // well. A device that is there and fails is an error.
        if (error.code != AMPC_STATUS_NOT_FOUND && error.code != AMPC_STATUS_INCOMPATIBLE)
          throw;
      }
    }
    return createHostDevice(module, options.threads);
  default:
    break;
  }
  throw Error(AMPC_STATUS_INVALID_ARGUMENT, concat("there is no device ", int(options.device)));
}

/// Whether the training step has a loss that it records.
static bool findLoss(const Tables &tables) {
  return std::any_of(tables.tensors.begin(), tables.tensors.end(), [](const auto &tensor) {
    return tensor.role == AMPC_ROLE_OUTPUT && (tensor.flags & AMPC_TENSOR_LOSS);
  });
}

Session::Session(const Module &module, const ampc_session_options_t &options, bool seeded)
    : owner(module), tables(module.tables()), device(createDevice(module, options)),
      culprits(tables, *device, options.check_finite), hasLoss(findLoss(tables)),
      microBatches(tables.microBatches()) {
  ring = tables.findState(AMPC_STATS_RING);
  if (ring && (tables.findProgram(AMPC_PROGRAM_TRAIN, device->target()) ||
               tables.findProgram(AMPC_PROGRAM_APPLY, device->target())))
    slots = tables.shape(*ring)[0];
  initialize();
  const ampc_tensor_entry_t *seed = tables.findState(AMPC_SCALAR_SEED);
  if (seeded && seed && isPlaced(*seed))
    write(*seed, &options.seed);
  run(AMPC_PROGRAM_INIT);
  finishWrites();
  restartCount();
}

/// Fills `bytes` bytes with copies of the first `size` bytes of `value`.
static void fillPattern(char *memory, uint64_t bytes, uint64_t value, uint64_t size) {
  if (value == 0) {
    std::memset(memory, 0, bytes);
    return;
  }
  for (uint64_t i = 0; i < bytes; i += size)
    std::memcpy(memory + i, &value, size);
}

void Session::initialize() {
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    // The arena starts zeroed.
    bool isZero = tensor.init_kind == AMPC_INIT_FILL && tensor.init_value == 0;
    if (!isPlaced(tensor) || tensor.init_kind == AMPC_INIT_NONE || isZero)
      continue;
    for (uint64_t first = 0; first < tensor.bytes; first += kChunkBytes) {
      uint64_t offset = tensor.offset[device->target()] + first;
      uint64_t bytes = std::min(kChunkBytes, tensor.bytes - first);
      void *memory = device->stage(offset, bytes);
      if (tensor.init_kind == AMPC_INIT_DATA)
        owner.readWeights(tensor.init_value + first, memory, bytes);
      else
        fillPattern(static_cast<char *>(memory), bytes, tensor.init_value, sizeOf(tensor.dtype));
      device->commit(offset, bytes);
    }
  }
}

void Session::restartCount() {
  if (slots == 0)
    return;
  int64_t value;
  read(*tables.findState(AMPC_SCALAR_ATTEMPT), &value);
  attempts = before = examined = std::max<int64_t>(value, 0);
  appliedBefore = readNumber<int64_t>(AMPC_SCALAR_STEP, attempts);
  skipped = 0;
  given = readNumber<int64_t>(AMPC_SCALAR_MICRO_BATCH, 0);
  culprits.forgetAll();
  forwardFailures = 0;
}

const ampc_program_entry_t &Session::requireProgram(std::string_view name) const {
  const ampc_program_entry_t *program = tables.findProgram(name, device->target());
  if (!program)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("'", owner.path(), "' was compiled without a ",
                       name != AMPC_PROGRAM_EVAL ? "training step: compile it with a loss and an "
                                                   "optimizer"
                                                 : "forward program: compile it with this version "
                                                   "of ampc"));
  return *program;
}

/// As much as the caller knows of; struct_size stays.
static void copyInfo(const ampc_step_info_t &from, ampc_step_info_t &to) {
  size_t size = to.struct_size;
  std::memcpy(static_cast<void *>(&to), &from, std::min(size, sizeof(from)));
  to.struct_size = size;
}

void Session::step(const ampc_named_tensor_t *inputs, size_t count, ampc_step_info_t *info,
                   const ValueVisitor &visitor) {
  const bool isWindow = microBatches > 1;
  const ampc_program_entry_t &program =
      requireProgram(isWindow ? AMPC_PROGRAM_ACCUMULATE : AMPC_PROGRAM_TRAIN);
  InputBatch batch(tables, program, inputs, count, /*labelsOptional=*/false);
  // The next step would write over the oldest one not looked at.
  if (attempts - examined >= slots)
    examine(attempts);
  if (!isWindow)
    followSchedule();
  batch.upload(*device);
  culprits.run(program, visitor);
  // The host has ended the step; another device is not waited for.
  const bool waits = info || visitor || device->kind() == AMPC_DEVICE_HOST;
  if (isWindow) {
    ++given;
    if (waits)
      examineMicroBatch(program, batch);
    if (given < microBatches) {
      if (info)
        tellWindow(*info);
      return;
    }
    followSchedule();
    culprits.run(requireProgram(AMPC_PROGRAM_APPLY), visitor);
    given = 0;
  }
  ++attempts;
  if (!waits)
    return;
  StepRecord record = readRecord(attempts);
  if (!isWindow)
    culprits.find(program, batch, oldestKept(), record.info, /*microBatch=*/0);
  else if (record.info.bad_micro_batch == 0)
    culprits.find(requireProgram(AMPC_PROGRAM_APPLY),
                  InputBatch(tables, requireProgram(AMPC_PROGRAM_APPLY), nullptr, 0, false),
                  oldestKept(), record.info, /*microBatch=*/0);
  if (!info)
    return;
  copyInfo(record.info, *info);
  examine(attempts - 1);
  examined = attempts;
  raise(record);
}

template <class T>
T Session::readNumber(const char *name, T value) {
  const ampc_tensor_entry_t *tensor = tables.findState(name);
  if (tensor && isPlaced(*tensor))
    read(*tensor, &value);
  return value;
}

void Session::examineMicroBatch(const ampc_program_entry_t &program, const InputBatch &batch) {
  float mark = readNumber<float>(AMPC_SCALAR_WINDOW_FLAGS, 0);
  if (microBatchOf(mark) != given)
    return;
  ampc_step_info_t info = {};
  info.struct_size = sizeof(info);
  info.step = attempts + 1;
  info.loss_scale = readNumber<float>(AMPC_SCALAR_LOSS_SCALE, 1);
  info.failure = failureOf(flagsOf(mark), readNumber<float>(AMPC_SCALAR_WINDOW_LOSS, 0));
  culprits.find(program, batch, oldestKept(), info, /*microBatch=*/given - 1);
}

void Session::tellWindow(ampc_step_info_t &info) {
  ampc_step_info_t told = {};
  told.struct_size = sizeof(told);
  told.step = attempts + 1;
  told.loss = told.grad_norm = std::numeric_limits<float>::quiet_NaN();
  told.loss_scale = told.next_loss_scale = readNumber<float>(AMPC_SCALAR_LOSS_SCALE, 1);
  told.learning_rate = readNumber<float>(AMPC_SCALAR_LEARNING_RATE, told.loss);
  told.culprit = "";
  told.micro_batch = int32_t(given);
  told.micro_batches = int32_t(microBatches);
  told.bad_micro_batch = microBatchOf(readNumber<float>(AMPC_SCALAR_WINDOW_FLAGS, 0));
  culprits.tell(told);
  copyInfo(told, info);
}

void Session::stepInfo(int64_t step, ampc_step_info_t &info) {
  int64_t oldest = std::max(before, attempts - slots) + 1;
  if (step < oldest || step > attempts)
    throw Error(AMPC_STATUS_NOT_FOUND, attempts < oldest
                                           ? concat("step ", step,
                                                    " is not known: this session has "
                                                    "made no step yet")
                                           : concat("step ", step,
                                                    " is not known: this session keeps "
                                                    "the steps ",
                                                    oldest, " to ", steps()));
  copyInfo(readRecord(step).info, info);
  examine(step);
}

void Session::synchronize() {
  device->synchronize();
  examine(attempts);
}

Session::StepRecord Session::readRecord(int64_t step) {
  constexpr uint64_t kSlotBytes = AMPC_STAT_COUNT * sizeof(float);
  uint64_t offset = uint64_t((step - 1) % slots) * kSlotBytes;
  return decode(step, readPart(*ring, offset, kSlotBytes));
}

Session::StepRecord Session::decode(int64_t step, const void *memory) const {
  float slot[AMPC_STAT_COUNT];
  std::memcpy(slot, memory, sizeof(slot));
  unsigned flags = flagsOf(slot[AMPC_STAT_FLAGS]);
  StepRecord record;
  record.flags = flags;
  record.info.struct_size = sizeof(ampc_step_info_t);
  record.info.step = step;
  record.info.loss = slot[AMPC_STAT_LOSS];
  record.info.loss_scale = slot[AMPC_STAT_LOSS_SCALE];
  record.info.next_loss_scale = slot[AMPC_STAT_NEW_SCALE];
  record.info.grad_norm = slot[AMPC_STAT_GRAD_NORM];
  record.info.learning_rate = slot[AMPC_STAT_LR];
  record.info.applied = slot[AMPC_STAT_APPLIED] == 1;
  // Computed from values that stand for what the batch should have held.
  if (flags & kRefusals)
    record.info.loss = record.info.grad_norm = std::numeric_limits<float>::quiet_NaN();
  record.info.culprit = "";
  float culprit = slot[AMPC_STAT_CULPRIT];
  if (!record.info.applied && culprit >= 0 && culprit < float(tables.gradients.size())) {
    uint32_t tensor = tables.gradients[size_t(culprit)];
    if (tensor != AMPC_NONE_U32)
      record.info.culprit = tables.nameOf(tables.tensors[tensor]);
  }
  record.info.failure =
      record.info.applied ? AMPC_FAILURE_NONE : failureOf(flags, record.info.loss);
  record.info.micro_batch = record.info.micro_batches = int32_t(microBatches);
  record.info.bad_micro_batch = microBatchOf(slot[AMPC_STAT_FLAGS]);
  culprits.tell(record.info);
  return record;
}

ampc_failure_t Session::failureOf(unsigned flags, float loss) const {
  bool isForward = (flags & AMPC_FLAG_NONFINITE_LOSS) || (hasLoss && !std::isfinite(loss));
  return flags & kRefusals ? AMPC_FAILURE_BATCH
         : isForward       ? AMPC_FAILURE_FORWARD
                           : AMPC_FAILURE_GRADIENT;
}

/// "input 'a'", "one of the inputs 'a', 'b'": those that `mark` is set of.
static std::string listInputs(const Tables &tables, unsigned mark, std::string &first) {
  std::string names;
  bool several = false;
  for (const ampc_tensor_entry_t &tensor : tables.tensors) {
    if (tensor.role != AMPC_ROLE_INPUT || !(tensor.flags & mark))
      continue;
    several = !names.empty();
    if (!several)
      first = tables.nameOf(tensor);
    names += concat(several ? ", '" : "'", tables.nameOf(tensor), "'");
  }
  if (names.empty())
    return "";
  return concat(several ? "one of the inputs " : "input ", names);
}

void Session::refuse(unsigned flags, const std::string &where, const char *consequence) const {
  std::string node;
  if (flags & AMPC_FLAG_LABEL_OUT_OF_RANGE) {
    std::string inputs = listInputs(tables, AMPC_TENSOR_CHECKED_LABELS, node);
    throw Error(AMPC_STATUS_DATA,
                concat(where, "a label ", inputs.empty() ? "" : "in ", inputs,
                       inputs.empty() ? "" : " ", "is not the number of a class", consequence),
                node);
  }
  if (flags & AMPC_FLAG_INDEX_OUT_OF_RANGE) {
    std::string inputs = listInputs(tables, AMPC_TENSOR_CHECKED_INDICES, node);
    throw Error(AMPC_STATUS_DATA,
                concat(where, "an index ", inputs.empty() ? "" : "in ", inputs,
                       inputs.empty() ? "" : " ", "lies outside of the tensor that it selects from",
                       consequence),
                node);
  }
  if (flags & AMPC_FLAG_SHAPE_DIFFERS) {
    std::string inputs = listInputs(tables, AMPC_TENSOR_CHECKED_SHAPES, node);
    throw Error(AMPC_STATUS_DATA,
                concat(where, inputs.empty() ? "the state" : inputs,
                       " gives an operator another shape than the model declares for its result: "
                       "give that one, or compile for another with --bind=",
                       node.empty() ? "NAME" : node, "=VALUE", consequence),
                node);
  }
  if (flags & AMPC_FLAG_SIZE_DIFFERS)
    throw Error(AMPC_STATUS_DATA,
                concat(where,
                       "an operator whose values decide how many results there are has another "
                       "number of them than the model declares",
                       consequence),
                node);
}

void Session::raise(const StepRecord &record) {
  const ampc_step_info_t &info = record.info;
  bool isForward = info.failure == AMPC_FAILURE_FORWARD;
  skipped += !info.applied;
  forwardFailures = isForward ? forwardFailures + 1 : 0;
  std::string where = concat("step ", info.step, ": ");
  if (info.bad_micro_batch)
    where = concat("step ", info.step, ", micro-batch ", info.bad_micro_batch, " of ", microBatches,
                   ": ");
  if (record.flags & kRefusals)
    refuse(record.flags, where, "; nothing was updated");
  if (info.applied)
    return;

  std::string node = info.culprit;
  std::string quoted = node.empty() ? "" : concat(" of '", node, "'");
  std::string what;
  if (!isForward && (record.flags & AMPC_FLAG_NONFINITE_GRADIENT)) {
    what = concat(node.empty() ? "a" : "the", " gradient", quoted);
  } else if (!isForward && (record.flags & AMPC_FLAG_NONFINITE_PARAMETER)) {
    what = concat(node.empty() ? "a" : "the", " new value", quoted);
  } else if (isForward || (record.flags & AMPC_FLAG_NONFINITE_LOSS)) {
    what = "the loss";
    for (const ampc_tensor_entry_t &tensor : tables.tensors)
      if (tensor.role == AMPC_ROLE_OUTPUT && (tensor.flags & AMPC_TENSOR_LOSS)) {
        node = tables.nameOf(tensor);
        what = concat("the loss '", node, "'");
      }
  } else if (record.flags & AMPC_FLAG_NONFINITE_NORM) {
    what = "the norm of all gradients";
  } else {
    return;
  }

  const ampc_tables_t &header = tables.header();
  std::string_view constant =
      !isForward && (record.flags & AMPC_FLAG_NONFINITE_GRADIENT) && !node.empty()
          ? "; where that is no weight, compile with --freeze"
          : "";
  std::string first =
      *info.bad_text ? concat("; the first tensor that was not finite: ", info.bad_text) : "";
  // A smaller scale helps gradients alone.
  bool helps = header.has_scaler && (record.flags & AMPC_FLAG_NONFINITE_GRADIENT);
  if (!helps)
    throw Error(AMPC_STATUS_TRAINING_STOPPED,
                concat(where, what,
                       " is not finite, and there is no loss "
                       "scaling that could help: lower the learning rate, clip "
                       "the gradients or check the data; nothing was updated",
                       constant, first),
                node);
  if (forwardFailures >= kMostForwardFailures)
    throw Error(AMPC_STATUS_TRAINING_STOPPED,
                concat(where, what, " is not finite for the ", forwardFailures,
                       "th time in a row, which no loss scale can help: lower the learning rate or "
                       "check the data; none of these steps updated anything",
                       first),
                node);
  if (header.scale_floor > 0 && info.next_loss_scale < header.scale_floor)
    throw Error(AMPC_STATUS_TRAINING_STOPPED,
                concat(where, "the loss scale fell to ", info.next_loss_scale,
                       ", below its floor of ", header.scale_floor, ", as ", what,
                       " stays not finite: lower the learning rate, "
                       "clip the gradients or check the data",
                       constant, first),
                node);
}

void Session::examine(int64_t last) {
  if (examined >= last)
    return;
  // All of the ring at once: each read waits for the device.
  auto memory = static_cast<const char *>(readPart(*ring, 0, ring->bytes));
  while (examined < last) {
    uint64_t slot = uint64_t(examined % slots);
    // A step is reported once, also where it raises.
    ++examined;
    raise(decode(examined, memory + slot * AMPC_STAT_COUNT * sizeof(float)));
  }
}

void Session::evaluate(const ampc_named_tensor_t *inputs, size_t inputCount,
                       const ampc_named_tensor_t *outputs, size_t outputCount) {
  const ampc_program_entry_t &program = requireProgram(AMPC_PROGRAM_EVAL);
  InputBatch batch(tables, program, inputs, inputCount,
                   /*labelsOptional=*/true);
  if (!outputs && outputCount > 0)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT, "outputs is NULL");

  Span<ampc_binding_entry_t> slotsOut = tables.outputsOf(program);
  std::vector<std::pair<const ampc_binding_entry_t *, void *>> wanted;
  for (size_t i = 0; i != outputCount; ++i) {
    if (!outputs[i].name)
      throw Error(AMPC_STATUS_INVALID_ARGUMENT, concat("the name of output ", i, " is NULL"));
    std::string name = outputs[i].name;
    auto slot = std::find_if(slotsOut.begin(), slotsOut.end(), [&](const auto &candidate) {
      return name == tables.nameOf(tables.tensors[candidate.tensor]);
    });
    if (slot == slotsOut.end()) {
      std::string known;
      for (const ampc_binding_entry_t &candidate : slotsOut)
        known += concat(known.empty() ? "'" : ", '",
                        tables.nameOf(tables.tensors[candidate.tensor]), "'");
      throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                  concat("there is no output '", name, "'; the module gives ",
                         known.empty() ? "none" : known),
                  name);
    }
    // A label is an input that no output but the loss depends on.
    if (!batch.isComplete() && (tables.tensors[slot->tensor].flags & AMPC_TENSOR_LOSS))
      throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                  concat("output '", name,
                         "' needs a label that is not given: "
                         "give it or do not ask for this output"),
                  name);
    wanted.emplace_back(
        slot, checkTensor(tables, tables.tensors[slot->tensor], outputs[i].tensor, "output"));
  }

  batch.upload(*device);
  device->run(program);
  const ampc_tensor_entry_t *flags = tables.findState(AMPC_EVAL_FLAGS);
  if (flags && isPlaced(*flags)) {
    float sum = 0;
    read(*flags, &sum);
    refuse(flagsOf(sum), "", "; no output was written");
  }
  for (auto [slot, data] : wanted)
    if (slot->bytes > 0)
      convert(data, tables.tensors[slot->tensor].dtype, device->fetch(slot->offset, slot->bytes),
              slot->dtype, slot->bytes / sizeOf(slot->dtype));
}

const ampc_tensor_entry_t &Session::findTensor(const char *name) const {
  const ampc_tensor_entry_t *tensor = tables.findState(name);
  if (!tensor)
    throw Error(AMPC_STATUS_NOT_FOUND,
                concat("there is no parameter, constant, state or scalar '", name, "'"), name);
  if (!isPlaced(*tensor))
    throw Error(AMPC_STATUS_NOT_FOUND, concat("'", name, "' is not used on this device"), name);
  return *tensor;
}

void Session::getTensor(const char *name, const DLTensor *tensor) {
  const ampc_tensor_entry_t &entry = findTensor(name);
  read(entry, checkTensor(tables, entry, tensor, "tensor"));
}

void Session::setTensor(const char *name, const DLTensor *tensor) {
  const ampc_tensor_entry_t &entry = findTensor(name);
  if (entry.role == AMPC_ROLE_CONSTANT || entry.role == AMPC_ROLE_DERIVED)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                concat("'", name, "' cannot be set: it is ",
                       entry.role == AMPC_ROLE_CONSTANT ? "a constant of the compiled step"
                                                        : "derived from other tensors"),
                name);
  if (given > 0 && std::strcmp(name, AMPC_SCALAR_LOSS_SCALE) == 0)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                concat("'", name, "' cannot be set after ", microBatch(), " of the ", microBatches,
                       " micro-batches of a step: what they added up has the scale as it is"),
                name);
  const void *data = checkTensor(tables, entry, tensor, "tensor");
  if (entry.role == AMPC_ROLE_SCALAR)
    requireSound({&entry, data});
  write(entry, data);
  finishWrites();
  if (std::strcmp(name, AMPC_SCALAR_ATTEMPT) == 0 ||
      std::strcmp(name, AMPC_SCALAR_MICRO_BATCH) == 0)
    restartCount();
  device->synchronize();
}

void Session::setLearningRate(float rate) {
  const ampc_tensor_entry_t *tensor = tables.findState(AMPC_SCALAR_LEARNING_RATE);
  if (!tensor || !isPlaced(*tensor))
    throw Error(AMPC_STATUS_NOT_FOUND, "this module has no learning rate that can be set");
  requireSound({tensor, &rate});
  setSchedule(std::nullopt);
  // Nothing is derived from it, so nothing is rebuilt.
  write(*tensor, &rate);
}

void Session::setSchedule(const std::optional<Schedule> &schedule) {
  const char *fault = schedule ? schedule->fault() : nullptr;
  if (fault)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT, fault);
  if (schedule)
    setLearningRate(schedule->base); // where there is one
  rates = schedule;
  if (schedule)
    metadata[kScheduleKey] = schedule->text();
  else
    metadata.erase(kScheduleKey);
}

void Session::restoreSchedule() {
  auto text = metadata.find(kScheduleKey);
  rates = text == metadata.end() ? std::nullopt : Schedule::parse(text->second);
}

void Session::followSchedule() {
  if (!rates)
    return;
  // Without a scaler a step that is skipped is an error, and counted when it is told: the device is
  // not waited for.
  int64_t applied = appliedBefore + attempts - before - skipped;
  if (device->kind() == AMPC_DEVICE_HOST || tables.header().has_scaler)
    applied = readNumber<int64_t>(AMPC_SCALAR_STEP, applied);
  float rate = rates->at(applied + 1);
  write(*tables.findState(AMPC_SCALAR_LEARNING_RATE), &rate);
}

void Session::requireSound(const ScalarValue &value) {
  auto fault =
      findScalarFault(tables, {value}, [&](const ampc_tensor_entry_t &tensor, void *current) {
        if (isPlaced(tensor))
          read(tensor, current);
      });
  if (fault)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                concat("'", fault->name, "' cannot be ", fault->value, ": ", fault->reason),
                fault->name);
}

void Session::read(const ampc_tensor_entry_t &tensor, void *data) {
  for (uint64_t first = 0; first < tensor.bytes; first += kChunkBytes) {
    uint64_t bytes = std::min(kChunkBytes, tensor.bytes - first);
    std::memcpy(static_cast<char *>(data) + first, readPart(tensor, first, bytes), bytes);
  }
}

const void *Session::readPart(const ampc_tensor_entry_t &tensor, uint64_t first, uint64_t bytes) {
  return device->fetch(tensor.offset[device->target()] + first, bytes);
}

void Session::write(const ampc_tensor_entry_t &tensor, const void *data) {
  for (uint64_t first = 0; first < tensor.bytes; first += kChunkBytes) {
    uint64_t offset = tensor.offset[device->target()] + first;
    uint64_t bytes = std::min(kChunkBytes, tensor.bytes - first);
    std::memcpy(device->stage(offset, bytes), static_cast<const char *>(data) + first, bytes);
    device->commit(offset, bytes);
  }
}

void Session::run(const char *name) {
  if (const ampc_program_entry_t *program = tables.findProgram(name, device->target()))
    device->run(*program);
}

void Session::finishWrites() { run(AMPC_PROGRAM_REFRESH); }

} // namespace ampc
