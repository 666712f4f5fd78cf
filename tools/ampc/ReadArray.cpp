//===- ReadArray.cpp - Arrays of numpy that fix inputs ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReadArray.h"
#include "../ampc-run/Error.h"
#include "../ampc-run/Npy.h"
#include "ampc-runtime/module_format.h"

namespace ampc {
static std::optional<run::ElementType> elementTypeOf(int32_t dataType) {
  switch (dataType) {
  case AMPC_DTYPE_F32:
    return run::ElementType::F32;
  case AMPC_DTYPE_F64:
    return run::ElementType::F64;
  case AMPC_DTYPE_F16:
    return run::ElementType::F16;
  case AMPC_DTYPE_BF16:
    return run::ElementType::BF16;
  case AMPC_DTYPE_BOOL:
    return run::ElementType::Bool;
  case AMPC_DTYPE_I8:
    return run::ElementType::I8;
  case AMPC_DTYPE_I16:
    return run::ElementType::I16;
  case AMPC_DTYPE_I32:
    return run::ElementType::I32;
  case AMPC_DTYPE_I64:
    return run::ElementType::I64;
  case AMPC_DTYPE_U8:
    return run::ElementType::U8;
  case AMPC_DTYPE_U16:
    return run::ElementType::U16;
  case AMPC_DTYPE_U32:
    return run::ElementType::U32;
  case AMPC_DTYPE_U64:
    return run::ElementType::U64;
  case AMPC_DTYPE_F8E4M3FN:
    return run::ElementType::F8E4M3FN;
  case AMPC_DTYPE_F8E4M3FNUZ:
    return run::ElementType::F8E4M3FNUZ;
  case AMPC_DTYPE_F8E5M2:
    return run::ElementType::F8E5M2;
  case AMPC_DTYPE_F8E5M2FNUZ:
    return run::ElementType::F8E5M2FNUZ;
  case AMPC_DTYPE_F8E8M0:
    return run::ElementType::F8E8M0;
  case AMPC_DTYPE_F4E2M1:
    return run::ElementType::F4E2M1;
  case AMPC_DTYPE_I4:
    return run::ElementType::I4;
  case AMPC_DTYPE_U4:
    return run::ElementType::U4;
  case AMPC_DTYPE_I2:
    return run::ElementType::I2;
  case AMPC_DTYPE_U2:
    return run::ElementType::U2;
  default:
    return std::nullopt;
  }
}

std::string readArray(const std::string &file, int32_t dataType, std::vector<int64_t> &shape,
                      std::string &bytes) {
  std::optional<run::ElementType> type = elementTypeOf(dataType);
  if (!type)
    return "the input has an element type that no array has";
  try {
    run::FileSource source{run::InputFile(file)};
    run::NpyReader reader(source, file, "");
    run::Array array = reader.read(*type);
    shape = array.shape;
    uint64_t count = 1;
    for (int64_t extent : shape)
      count *= uint64_t(extent); // checked by the reader
    bytes.assign(array.data.get(), count * run::elementSize(*type));
    return "";
  } catch (const run::Error &error) {
    return error.what();
  }
}
} // namespace ampc
