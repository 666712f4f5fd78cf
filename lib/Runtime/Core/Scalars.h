//===- Scalars.h - What a scalar of the state can be ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_SCALARS_H
#define AMPC_RUNTIME_CORE_SCALARS_H

#include "Core/Tables.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ampc {

/// A new value of a scalar: the tensor of role SCALAR, and its bytes.
struct ScalarValue {
  const ampc_tensor_entry_t *tensor;
  const void *data;
};

/// A scalar that no step could have left so.
struct ScalarFault {
  std::string name;
  std::string value;  ///< in decimals
  std::string reason; ///< what such a scalar is: "a loss scale is .."
};

/// The first of `values` that cannot be; nullopt where all can. This alone
/// decides, whether they come from a checkpoint, ampc_session_set_tensor or
/// ampc_session_set_learning_rate. A value may have to fit another scalar that
/// is not among them: `readCurrent` writes the present value of one (its 4 or 8
/// bytes) to memory.
std::optional<ScalarFault>
findScalarFault(const Tables &tables, const std::vector<ScalarValue> &values,
                const std::function<void(const ampc_tensor_entry_t &, void *)> &readCurrent);

/// A scalar (f32, f64, i32 or i64) as decimals that give the same bits again.
std::string writeScalar(uint32_t dtype, const void *data);
/// Reads what writeScalar wrote; false where `text` is no such number.
bool readScalar(uint32_t dtype, const std::string &text, void *data);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_SCALARS_H
