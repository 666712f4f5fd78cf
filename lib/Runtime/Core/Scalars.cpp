//===- Scalars.cpp - What a scalar of the state can be --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Scalars.h"

#include "Core/Error.h"

#include <charconv>
#include <cstring>
#include <limits>

namespace ampc {

template <class T>
static T valueOf(const void *data) {
  T value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}

//===----------------------------------------------------------------------===//
// Decimals
//===----------------------------------------------------------------------===//

std::string writeScalar(uint32_t dtype, const void *data) {
  switch (dtype) {
  case AMPC_DTYPE_F32:
    return concat(valueOf<float>(data));
  case AMPC_DTYPE_F64:
    return concat(valueOf<double>(data));
  case AMPC_DTYPE_I32:
    return concat(valueOf<int32_t>(data));
  default:
    return concat(valueOf<int64_t>(data));
  }
}

template <class T>
static bool readDecimal(const std::string &text, void *data) {
  T value;
  const char *end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end)
    return false;
  std::memcpy(data, &value, sizeof(value));
  return true;
}

bool readScalar(uint32_t dtype, const std::string &text, void *data) {
  switch (dtype) {
  case AMPC_DTYPE_F32:
    return readDecimal<float>(text, data);
  case AMPC_DTYPE_F64:
    return readDecimal<double>(text, data);
  case AMPC_DTYPE_I32:
    return readDecimal<int32_t>(text, data);
  default:
    return readDecimal<int64_t>(text, data);
  }
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

// The tables' check has seen to the types of the scalars that are known here.

/// What the scalar `name` is, where `data` is no such value; else null.
static const char *findFaultAlone(std::string_view name, const void *data) {
  if (name == AMPC_SCALAR_LOSS_SCALE)
    return ampc_is_loss_scale(valueOf<float>(data))
               ? nullptr
               : "a loss scale is a positive number that f32 holds, as it holds "
                 "the reciprocal: from 1.1754944e-38 to 3.4028235e+38";
  if (name == AMPC_SCALAR_LEARNING_RATE)
    return ampc_is_learning_rate(valueOf<float>(data))
               ? nullptr
               : "a learning rate is a finite number from 0 on";
  if (name == AMPC_SCALAR_STEP || name == AMPC_SCALAR_ATTEMPT) {
    int64_t count = valueOf<int64_t>(data);
    return count >= 0 && count < AMPC_COUNTER_LIMIT
               ? nullptr
               : "a count of steps is from 0 to 9007199254740991";
  }
  if (name == AMPC_SCALAR_GROWTH_TRACKER) {
    int32_t count = valueOf<int32_t>(data);
    return count >= 0 && count < std::numeric_limits<int32_t>::max()
               ? nullptr
               : "a count of good steps is from 0 to 2147483646";
  }
  return nullptr;
}

std::optional<ScalarFault>
findScalarFault(const Tables &tables, const std::vector<ScalarValue> &values,
                const std::function<void(const ampc_tensor_entry_t &, void *)> &readCurrent) {
  const ScalarValue *step = nullptr, *attempt = nullptr;
  for (const ScalarValue &value : values) {
    std::string name = tables.nameOf(*value.tensor);
    if (const char *reason = findFaultAlone(name, value.data))
      return ScalarFault{name, writeScalar(value.tensor->dtype, value.data), reason};
    if (int64_t last = tables.microBatches() - 1; name == AMPC_SCALAR_MICRO_BATCH)
      if (int64_t count = valueOf<int64_t>(value.data); count < 0 || count > last)
        return ScalarFault{name, concat(count),
                           concat("of the micro-batches of a step 0 to ", last,
                                  " have been given between two calls")};
    if (name == AMPC_SCALAR_STEP)
      step = &value;
    else if (name == AMPC_SCALAR_ATTEMPT)
      attempt = &value;
  }

  if (!step && !attempt)
    return std::nullopt;
  auto countOf = [&](const ScalarValue *given, const char *name) {
    if (given)
      return valueOf<int64_t>(given->data);
    const ampc_tensor_entry_t *tensor = tables.findState(name);
    int64_t current = step ? std::numeric_limits<int64_t>::max() : 0;
    if (tensor)
      readCurrent(*tensor, &current);
    return current;
  };
  int64_t applied = countOf(step, AMPC_SCALAR_STEP);
  int64_t attempted = countOf(attempt, AMPC_SCALAR_ATTEMPT);
  if (applied <= attempted)
    return std::nullopt;
  return ScalarFault{step ? AMPC_SCALAR_STEP : AMPC_SCALAR_ATTEMPT,
                     concat(step ? applied : attempted),
                     concat("there cannot be more applied steps (" AMPC_SCALAR_STEP ", ", applied,
                            ") than attempted ones (" AMPC_SCALAR_ATTEMPT ", ", attempted, ")")};
}

} // namespace ampc
