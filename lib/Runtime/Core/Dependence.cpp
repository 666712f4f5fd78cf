//===- Dependence.cpp - What a program computes from what -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/Dependence.h"

#include <iterator>
#include <map>

namespace ampc {

namespace {
/// A set of bytes, as disjoint intervals: begin to end.
class ByteSet {
public:
  bool intersects(uint64_t offset, uint64_t bytes) const {
    auto next = intervals.upper_bound(offset);
    if (next != intervals.begin() && std::prev(next)->second > offset)
      return bytes > 0;
    return next != intervals.end() && next->first < offset + bytes;
  }

  void remove(uint64_t offset, uint64_t bytes) {
    uint64_t end = offset + bytes;
    auto at = intervals.upper_bound(offset);
    if (at != intervals.begin())
      --at;
    while (at != intervals.end() && at->first < end) {
      auto [begin, oldEnd] = *at;
      if (oldEnd <= offset) {
        ++at;
        continue;
      }
      at = intervals.erase(at);
      if (begin < offset)
        intervals.emplace(begin, offset);
      if (oldEnd > end)
        at = intervals.emplace(end, oldEnd).first;
    }
  }

  void add(uint64_t offset, uint64_t bytes) {
    remove(offset, bytes);
    if (bytes > 0)
      intervals.emplace(offset, offset + bytes);
  }

private:
  std::map<uint64_t, uint64_t> intervals;
};
} // namespace

std::vector<bool> outputsThatNeed(const Tables &tables,
                                  const ampc_program_entry_t &program,
                                  const std::vector<bool> &absent) {
  ByteSet unknown;
  Span<ampc_binding_entry_t> inputs = tables.inputsOf(program);
  for (size_t i = 0; i != inputs.size(); ++i)
    if (absent[i])
      unknown.add(inputs[i].offset, inputs[i].bytes);

  for (const ampc_step_entry_t &step : tables.stepsOf(program)) {
    Span<ampc_argument_entry_t> arguments = tables.argumentsOf(step);
    bool reads = false;
    for (const ampc_argument_entry_t &argument : arguments)
      reads |= (argument.flags & AMPC_ARGUMENT_READ) &&
               unknown.intersects(argument.offset, argument.bytes);
    for (const ampc_argument_entry_t &argument : arguments) {
      if (!(argument.flags & AMPC_ARGUMENT_WRITE))
        continue;
      if (reads)
        unknown.add(argument.offset, argument.bytes);
      else
        unknown.remove(argument.offset, argument.bytes);
    }
  }

  std::vector<bool> needs;
  for (const ampc_binding_entry_t &output : tables.outputsOf(program))
    needs.push_back(unknown.intersects(output.offset, output.bytes));
  return needs;
}

} // namespace ampc
