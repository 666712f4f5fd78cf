//===- NpzFuzzer.cpp - Arrays from bytes that nobody vouches for ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FuzzInput.h"

#include "Error.h"
#include "NpzReader.h"

using namespace ampc::run;

/// Reads the array of `source` in each type that an input can have.
static void readArray(ByteSource &source, ElementType type) {
  NpyReader reader(source, "file", "array");
  Array array = reader.read(type);
  if (type != ElementType::BF16) // which numpy lacks
    formatNpyHeader(array.type, array.shape);
  source.finish();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  // The last byte chooses the type that the array is converted to.
  auto type = ElementType(data[size - 1] % (int(ElementType::F64) + 1));
  ampc::fuzz::InputFile file(data, size);
  try {
    ampc::run::InputFile input(file.path());
    if (!NpzReader::isArchive(input)) {
      FileSource source(std::move(input));
      readArray(source, type);
      return 0;
    }
    NpzReader reader(file.path());
    for (const NpzReader::Member &member : reader.members()) {
      try {
        readArray(*reader.open(member), type);
      } catch (const Error &) {
      }
    }
  } catch (const Error &) {
  }
  return 0;
}
