//===- TableWriter.h - Writes a train.so by hand ----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_RUNTIME_TABLEWRITER_H
#define AMPC_TEST_RUNTIME_TABLEWRITER_H

#include "ampc-runtime/module_format.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ampc::test {

/// Collects tables entry by entry and makes a real train.so of them with the
/// host's C compiler: what the compiler's emitter does, without the compiler.
class TableWriter {
public:
  TableWriter();

  uint32_t string(const std::string &text);
  uint32_t integers(const std::vector<int64_t> &values);
  /// A place of `bytes` bytes in the arena's state region, or behind it.
  uint64_t placeState(uint64_t bytes);
  uint64_t placeTransient(uint64_t bytes);

  /// A tensor without a place. Returns its index, as all `add` functions do.
  uint32_t addTensor(const std::string &name, ampc_role_t role, ampc_dtype_t dtype,
                     const std::vector<int64_t> &shape, unsigned flags = 0);
  /// A tensor in the state region of the host, started from `data`, from the
  /// bits of `fill`, or from nothing.
  uint32_t addState(const std::string &name, ampc_role_t role, ampc_dtype_t dtype,
                    const std::vector<int64_t> &shape, unsigned flags, const std::string &data);
  uint32_t addFilled(const std::string &name, ampc_role_t role, ampc_dtype_t dtype,
                     const std::vector<int64_t> &shape, uint64_t fill);
  uint32_t addDerived(const std::string &name, ampc_dtype_t dtype,
                      const std::vector<int64_t> &shape);
  uint64_t offsetOf(uint32_t tensor) const { return tensors[tensor].offset[0]; }
  /// The tensor as an argument of a step.
  ampc_argument_entry_t argument(uint32_t tensor, unsigned flags) const;

  ampc_binding_entry_t binding(uint32_t tensor, ampc_dtype_t dtype, uint64_t offset) const;
  /// A host kernel that `kernelSource` defines as a C function `name`. It takes
  /// what its first launch gives it.
  uint32_t addKernel(const std::string &name);

  /// The steps added from here on, until the next call, are the program's.
  void beginProgram(const std::string &name, const std::vector<ampc_binding_entry_t> &inputs = {},
                    const std::vector<ampc_binding_entry_t> &outputs = {});
  void addLaunch(uint32_t kernel, uint32_t blocks,
                 const std::vector<ampc_argument_entry_t> &arguments, const std::string &nodes);
  void addLibrary(ampc_library_t call, const std::vector<int64_t> &parameters,
                  const std::vector<ampc_argument_entry_t> &arguments, const std::string &nodes);
  void addMatmul(const std::vector<int64_t> &parameters,
                 const std::vector<ampc_argument_entry_t> &arguments, const std::string &nodes);
  /// The next `bodySteps` steps run `count` times.
  void addLoop(int64_t count, int64_t bodySteps);
  void addCopy(ampc_argument_entry_t from, ampc_argument_entry_t to);
  /// Says what argument `index` of the latest step is to the model.
  void nameValue(uint32_t index, ampc_value_kind_t kind, const std::string &name,
                 const std::string &node, const std::string &opType,
                 const std::vector<int64_t> &shape);
  /// Puts step `index` of `program` into a queue, after the steps that give `awaited`; returns the
  /// signal that it gives. Steps are taken in their order.
  uint32_t schedule(ampc_program_entry_t &program, uint32_t index, uint32_t queue,
                    const std::vector<uint32_t> &awaited = {});

  /// The tables' bytes.
  std::string serialize() const;
  /// Compiles train.so to `path`.
  void build(const std::string &path) const;

  std::string strings;
  std::vector<int64_t> integerPool;
  std::vector<ampc_tensor_entry_t> tensors;
  std::vector<ampc_binding_entry_t> bindings;
  std::vector<ampc_program_entry_t> programs;
  std::vector<ampc_step_entry_t> steps;
  std::vector<uint32_t> waits;
  std::vector<ampc_argument_entry_t> arguments;
  std::vector<ampc_kernel_entry_t> kernels;
  std::vector<ampc_parameter_entry_t> parameters;
  std::vector<ampc_image_entry_t> images;
  std::vector<uint32_t> gradients;
  std::vector<ampc_value_entry_t> values;
  std::string weights;
  std::string kernelSource;
  std::vector<std::string> kernelNames;
  ampc_tables_t header;

private:
  ampc_step_entry_t &addStep(ampc_step_kind_t kind,
                             const std::vector<ampc_argument_entry_t> &arguments,
                             const std::string &nodes);
};

/// An argument at `offset` of the arena.
ampc_argument_entry_t argumentAt(uint64_t offset, uint64_t bytes, ampc_dtype_t dtype,
                                 unsigned flags);

uint64_t elementSize(uint32_t dtype);

} // namespace ampc::test

#endif // AMPC_TEST_RUNTIME_TABLEWRITER_H
