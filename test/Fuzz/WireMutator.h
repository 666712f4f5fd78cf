//===- WireMutator.h - Changes protobuf messages by fields ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_FUZZ_WIREMUTATOR_H
#define AMPC_TEST_FUZZ_WIREMUTATOR_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace ampc::fuzz {

/// Changes the bytes of a field's value in place, to `max` bytes at most, and returns how many
/// there are: LLVMFuzzerMutate.
using MutateBytes = std::function<size_t(uint8_t *data, size_t size, size_t max)>;

/// `message` in protobuf's wire format with one of its fields, at any depth, removed, repeated,
/// moved, put in the place of another, or changed by `mutate`. Lengths around it stay right, so
/// that what is changed is the meaning and not the format. The schema is not known: a field of
/// bytes is taken for a message where it can be read as one. `seed` chooses.
std::string mutateMessage(const std::string &message, uint32_t seed, const MutateBytes &mutate);

} // namespace ampc::fuzz

#endif // AMPC_TEST_FUZZ_WIREMUTATOR_H
