//===- CApi.cpp - The functions of ampc.h ---------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks pointers, turns exceptions into statuses, and calls what does the
// work. Every function that can fail goes through `guard`.
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/ampc.h"

#include "Checkpoint/Checkpoint.h"
#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/Inspect.h"
#include "Core/Session.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

using namespace ampc;

struct ampc_status_s {
  ampc_status_code_t code;
  std::string message;
  std::string node;
};

struct ampc_module_s {
  Module module;
};

struct ampc_session_s {
  Session session;
  /// Whether a call on the session is in progress.
  mutable std::atomic<bool> isInUse{false};
};

namespace {
/// Holds a session for one call. Two threads at once are the caller's mistake, but one that
/// ends in an error instead of a race. What the session's last user did is seen by the next.
class SessionUse {
public:
  /// Throws where `session` is null or held.
  explicit SessionUse(const ampc_session_s *session) {
    if (!session)
      throw Error(AMPC_STATUS_INVALID_ARGUMENT, "session is NULL");
    if (session->isInUse.exchange(true, std::memory_order_acquire))
      throw Error(AMPC_STATUS_BUSY, "another thread is in a call on this session: one session "
                                    "belongs to one thread at a time");
    isInUse = &session->isInUse;
  }
  SessionUse(const SessionUse &) = delete;
  ~SessionUse() { isInUse->store(false, std::memory_order_release); }

private:
  std::atomic<bool> *isInUse;
};
} // namespace

// A status needs memory. Where there is none, this address says so; it is never
// read as a status.
static ampc_status_t outOfMemoryStatus() {
  static char marker;
  return reinterpret_cast<ampc_status_t>(&marker);
}

static ampc_status_t makeStatus(ampc_status_code_t code, const std::string &message,
                                const std::string &node) noexcept {
  try {
    return new ampc_status_s{code, message, node};
  } catch (...) {
    return outOfMemoryStatus();
  }
}

namespace {
/// Leaves errno as it is: no call has a meaning for it, and the caller's may still be unread.
class ErrnoKept {
public:
  ErrnoKept() : saved(errno) {}
  ErrnoKept(const ErrnoKept &) = delete;
  ~ErrnoKept() { errno = saved; }

private:
  const int saved;
};
} // namespace

/// Runs `work`; what it throws becomes the status.
template <class Work>
static ampc_status_t guard(Work work) noexcept {
  ErrnoKept kept;
  try {
    work();
    return nullptr;
  } catch (const Error &error) {
    return makeStatus(error.code, error.message, error.node);
  } catch (const std::bad_alloc &) {
    return outOfMemoryStatus();
  } catch (const std::exception &error) {
    try {
      return makeStatus(AMPC_STATUS_INTERNAL, concat("internal error: ", error.what()), "");
    } catch (...) {
      return outOfMemoryStatus();
    }
  }
}

static void requireArgument(const void *pointer, const char *name) {
  if (!pointer)
    throw Error(AMPC_STATUS_INVALID_ARGUMENT, concat(name, " is NULL"));
}

static void requireSize(size_t given, size_t wanted, const char *type) {
  if (given < wanted)
    throw Error(
        AMPC_STATUS_INVALID_ARGUMENT,
        concat("struct_size is ", given, ": set it to sizeof(", type, "), which is ", wanted));
}

//===----------------------------------------------------------------------===//
// Status
//===----------------------------------------------------------------------===//

ampc_status_code_t ampc_status_code(ampc_status_t status) {
  if (status == outOfMemoryStatus())
    return AMPC_STATUS_OUT_OF_MEMORY;
  return status ? status->code : AMPC_STATUS_OK;
}

const char *ampc_status_message(ampc_status_t status) {
  if (status == outOfMemoryStatus())
    return "out of memory";
  return status ? status->message.c_str() : "";
}

const char *ampc_status_node(ampc_status_t status) {
  return status && status != outOfMemoryStatus() ? status->node.c_str() : "";
}

void ampc_status_free(ampc_status_t status) {
  if (status != outOfMemoryStatus())
    delete status;
}

#define AMPC_STRING2(x) #x
#define AMPC_STRING(x) AMPC_STRING2(x)

const char *ampc_version(void) {
  return AMPC_STRING(AMPC_VERSION_MAJOR) "." AMPC_STRING(AMPC_VERSION_MINOR) "." AMPC_STRING(
      AMPC_VERSION_PATCH);
}

//===----------------------------------------------------------------------===//
// Module
//===----------------------------------------------------------------------===//

ampc_status_t ampc_module_open(const char *path, ampc_module_t **out_module) {
  return guard([&] {
    requireArgument(path, "path");
    requireArgument(out_module, "out_module");
    *out_module = new ampc_module_s{Module(path)};
  });
}

void ampc_module_close(ampc_module_t *module) {
  ErrnoKept kept;
  delete module;
}

ampc_status_t ampc_module_inspect(const ampc_module_t *module, ampc_device_t device,
                                  char **out_json) {
  return guard([&] {
    requireArgument(module, "module");
    requireArgument(out_json, "out_json");
    std::string json = inspect(module->module, device);
    char *copy = static_cast<char *>(std::malloc(json.size() + 1));
    if (!copy)
      throw std::bad_alloc();
    std::memcpy(copy, json.c_str(), json.size() + 1);
    *out_json = copy;
  });
}

void ampc_string_free(char *string) { std::free(string); }

size_t ampc_module_tensor_count(const ampc_module_t *module) {
  return module ? module->module.tables().tensors.size() : 0;
}

/// Whether programs of this name have a slot for the input.
static bool isRead(const Tables &tables, size_t tensor, std::string_view name) {
  for (const ampc_program_entry_t &program : tables.programs)
    if (name == tables.nameOf(program))
      for (const ampc_binding_entry_t &input : tables.inputsOf(program))
        if (input.tensor == tensor)
          return true;
  return false;
}

ampc_status_t ampc_module_tensor(const ampc_module_t *module, size_t index,
                                 ampc_tensor_info_t *info) {
  return guard([&] {
    requireArgument(module, "module");
    requireArgument(info, "info");
    // Programs may know nothing of the last three fields, which came later.
    requireSize(info->struct_size, offsetof(ampc_tensor_info_t, optional_in_step),
                "ampc_tensor_info_t");
    const Tables &tables = module->module.tables();
    if (index >= tables.tensors.size())
      throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                  concat("there is no tensor ", index, ": the module has ", tables.tensors.size()));
    const ampc_tensor_entry_t &tensor = tables.tensors[index];
    // The roles of the two headers have the same numbers.
    info->name = tables.nameOf(tensor);
    info->role = ampc_tensor_role_t(tensor.role);
    info->dtype = toDLPack(tensor.dtype);
    info->rank = tensor.rank;
    info->shape = tables.shape(tensor).data();
    info->trained = (tensor.flags & AMPC_TENSOR_TRAINED) != 0;
    info->label = (tensor.flags & AMPC_TENSOR_LABEL) != 0;
    const bool knowsAxis = info->struct_size >= sizeof(ampc_tensor_info_t);
    info->batched =
        (tensor.flags & AMPC_TENSOR_BATCHED) != 0 && (knowsAxis || tensor.batch_axis == 0);
    info->loss = (tensor.flags & AMPC_TENSOR_LOSS) != 0;
    if (info->struct_size < offsetof(ampc_tensor_info_t, batch_axis))
      return;
    bool isInput = tensor.role == AMPC_ROLE_INPUT;
    info->optional_in_step = isInput && !isRead(tables, index, AMPC_PROGRAM_TRAIN) &&
                             !isRead(tables, index, AMPC_PROGRAM_ACCUMULATE);
    info->optional_in_evaluate =
        isInput && (info->label || !isRead(tables, index, AMPC_PROGRAM_EVAL));
    if (knowsAxis)
      info->batch_axis = int32_t(tensor.batch_axis);
  });
}
static_assert(int(AMPC_TENSOR_ROLE_INPUT) == AMPC_ROLE_INPUT &&
              int(AMPC_TENSOR_ROLE_OUTPUT) == AMPC_ROLE_OUTPUT &&
              int(AMPC_TENSOR_ROLE_PARAMETER) == AMPC_ROLE_PARAMETER &&
              int(AMPC_TENSOR_ROLE_CONSTANT) == AMPC_ROLE_CONSTANT &&
              int(AMPC_TENSOR_ROLE_STATE) == AMPC_ROLE_STATE &&
              int(AMPC_TENSOR_ROLE_SCALAR) == AMPC_ROLE_SCALAR &&
              int(AMPC_TENSOR_ROLE_DERIVED) == AMPC_ROLE_DERIVED);

int ampc_module_trains(const ampc_module_t *module) {
  if (!module)
    return 0;
  const Tables &tables = module->module.tables();
  for (const ampc_program_entry_t &program : tables.programs)
    if (tables.nameOf(program) == std::string_view(AMPC_PROGRAM_TRAIN) ||
        tables.nameOf(program) == std::string_view(AMPC_PROGRAM_APPLY))
      return 1;
  return 0;
}

int ampc_module_micro_batches(const ampc_module_t *module) {
  return module ? int(module->module.tables().microBatches()) : 0;
}

//===----------------------------------------------------------------------===//
// Session
//===----------------------------------------------------------------------===//

ampc_status_t ampc_session_create(ampc_module_t *module, const ampc_session_options_t *options,
                                  ampc_session_t **out_session) {
  return guard([&] {
    requireArgument(module, "module");
    requireArgument(out_session, "out_session");
    ampc_session_options_t taken = {};
    if (options) {
      // Programs may know nothing of the last field, which came later.
      requireSize(options->struct_size, offsetof(ampc_session_options_t, check_finite),
                  "ampc_session_options_t");
      const char *bytes = reinterpret_cast<const char *>(options);
      const size_t known = std::min(options->struct_size, sizeof(taken));
      // Fields of a later version that ask for nothing are harmless.
      if (std::any_of(bytes + known, bytes + options->struct_size,
                      [](char byte) { return byte != 0; }))
        throw Error(AMPC_STATUS_INCOMPATIBLE,
                    concat("the session options hold fields that this runtime "
                           "(",
                           ampc_version(),
                           ") does not know: update "
                           "libampc_runtime"));
      std::memcpy(static_cast<void *>(&taken), options, known);
      if (taken.check_finite < AMPC_CHECK_FINITE_SKIP ||
          taken.check_finite > AMPC_CHECK_FINITE_EVERY)
        throw Error(AMPC_STATUS_INVALID_ARGUMENT,
                    concat("there is no check_finite ", int(taken.check_finite)));
    }
    *out_session =
        new ampc_session_s{Session(module->module, taken, /*seeded=*/options != nullptr)};
  });
}

void ampc_session_destroy(ampc_session_t *session) {
  ErrnoKept kept;
  delete session;
}

ampc_device_t ampc_session_device(const ampc_session_t *session) {
  return session ? session->session.deviceKind() : AMPC_DEVICE_AUTO;
}

static void requireInfo(const ampc_step_info_t &info) {
  // Programs may know nothing of what came later.
  requireSize(info.struct_size, offsetof(ampc_step_info_t, failure), "ampc_step_info_t");
}

ampc_status_t ampc_session_step(ampc_session_t *session, const ampc_named_tensor_t *inputs,
                                size_t input_count, ampc_step_info_t *info) {
  return guard([&] {
    SessionUse use(session);
    if (info)
      requireInfo(*info);
    session->session.step(inputs, input_count, info);
  });
}

ampc_status_t ampc_session_step_visited(ampc_session_t *session, const ampc_named_tensor_t *inputs,
                                        size_t input_count, ampc_step_info_t *info,
                                        ampc_value_visitor_t visitor, void *user) {
  return guard([&] {
    SessionUse use(session);
    requireArgument(reinterpret_cast<const void *>(visitor), "visitor");
    if (info)
      requireInfo(*info);
    session->session.step(inputs, input_count, info,
                          [&](const ampc_value_t &value) { visitor(user, &value); });
  });
}

ampc_status_t ampc_session_get_step_info(ampc_session_t *session, int64_t step,
                                         ampc_step_info_t *info) {
  return guard([&] {
    SessionUse use(session);
    requireArgument(info, "info");
    requireInfo(*info);
    session->session.stepInfo(step, *info);
  });
}

int ampc_session_micro_batch(const ampc_session_t *session) {
  return session ? int(session->session.microBatch()) : 0;
}

int64_t ampc_session_steps(const ampc_session_t *session) {
  return session ? session->session.steps() : 0;
}

ampc_status_t ampc_session_synchronize(ampc_session_t *session) {
  return guard([&] {
    SessionUse use(session);
    session->session.synchronize();
  });
}

ampc_status_t ampc_session_evaluate(ampc_session_t *session, const ampc_named_tensor_t *inputs,
                                    size_t input_count, const ampc_named_tensor_t *outputs,
                                    size_t output_count) {
  return guard([&] {
    SessionUse use(session);
    session->session.evaluate(inputs, input_count, outputs, output_count);
  });
}

ampc_status_t ampc_session_get_tensor(ampc_session_t *session, const char *name,
                                      const DLTensor *tensor) {
  return guard([&] {
    SessionUse use(session);
    requireArgument(name, "name");
    session->session.getTensor(name, tensor);
  });
}

ampc_status_t ampc_session_set_tensor(ampc_session_t *session, const char *name,
                                      const DLTensor *tensor) {
  return guard([&] {
    SessionUse use(session);
    requireArgument(name, "name");
    session->session.setTensor(name, tensor);
  });
}

ampc_status_t ampc_session_set_learning_rate(ampc_session_t *session, float lr) {
  return guard([&] {
    SessionUse use(session);
    session->session.setLearningRate(lr);
  });
}

static_assert(int(AMPC_SCHEDULE_ONECYCLE) == int(ScheduleKind::OneCycle) &&
              int(AMPC_SCHEDULE_STEP) == int(ScheduleKind::Step) &&
              int(AMPC_SCHEDULE_COSINE) == int(ScheduleKind::Cosine) &&
              int(AMPC_SCHEDULE_LINEAR) == int(ScheduleKind::Linear));

static Schedule read(const ampc_schedule_t &given) {
  return {ScheduleKind(int(given.kind)),
          given.base,
          given.warmup,
          given.last,
          given.every,
          given.factor};
}

ampc_status_t ampc_session_set_schedule(ampc_session_t *session, const ampc_schedule_t *schedule) {
  return guard([&] {
    SessionUse use(session);
    if (schedule)
      requireSize(schedule->struct_size, sizeof(*schedule), "ampc_schedule_t");
    session->session.setSchedule(schedule ? std::optional(read(*schedule)) : std::nullopt);
  });
}

int ampc_session_get_schedule(const ampc_session_t *session, ampc_schedule_t *schedule) {
  int isSet = 0;
  ampc_status_free(guard([&] {
    SessionUse use(session);
    requireArgument(schedule, "schedule");
    requireSize(schedule->struct_size, sizeof(*schedule), "ampc_schedule_t");
    if (const std::optional<Schedule> &own = session->session.schedule()) {
      *schedule = {schedule->struct_size,
                   ampc_schedule_kind_t(own->kind),
                   own->base,
                   own->warmup,
                   own->last,
                   own->every,
                   own->factor};
      isSet = 1;
    }
  }));
  return isSet;
}

float ampc_schedule_rate(const ampc_schedule_t *schedule, int64_t applied) {
  bool isKnown = schedule && schedule->struct_size >= sizeof(*schedule) && applied >= 0 &&
                 !read(*schedule).fault();
  return isKnown ? read(*schedule).at(applied + 1) : std::numeric_limits<float>::quiet_NaN();
}

ampc_status_t ampc_session_set_metadata(ampc_session_t *session, const char *key,
                                        const char *value) {
  return guard([&] {
    SessionUse use(session);
    requireArgument(key, "key");
    setMetadata(session->session, key, value);
  });
}

const char *ampc_session_get_metadata(const ampc_session_t *session, const char *key) {
  const char *value = nullptr;
  ampc_status_free(guard([&] {
    SessionUse use(session);
    requireArgument(key, "key");
    const auto &metadata = session->session.metadata;
    auto found = std::find_if(metadata.begin(), metadata.end(),
                              [&](const auto &e) { return e.first == key; });
    if (found != metadata.end())
      value = found->second.c_str();
  }));
  return value;
}

ampc_status_t ampc_session_save_checkpoint(ampc_session_t *session, const char *path) {
  return guard([&] {
    SessionUse use(session);
    requireArgument(path, "path");
    saveCheckpoint(session->session, path);
  });
}

ampc_status_t ampc_session_load_checkpoint(ampc_session_t *session, const char *path,
                                           int *out_exact) {
  return guard([&] {
    SessionUse use(session);
    requireArgument(path, "path");
    bool exact = loadCheckpoint(session->session, path);
    if (out_exact)
      *out_exact = exact;
  });
}
