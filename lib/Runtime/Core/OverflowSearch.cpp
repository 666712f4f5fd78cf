//===- OverflowSearch.cpp - Where a step became infinite or NaN -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/OverflowSearch.h"

#include "Core/DType.h"
#include "Core/Error.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ampc {

/// The most that is copied from a device at once.
static constexpr uint64_t kChunkBytes = uint64_t(16) << 20;

/// Before the names of copies of weights in a low type.
static constexpr std::string_view kCopyPrefix = "ampc.copy/";

static bool isCopy(const char *name) {
  return std::string_view(name).substr(0, kCopyPrefix.size()) == kCopyPrefix;
}

OverflowSearch::OverflowSearch(const Tables &tables, Device &device,
                               const ampc_program_entry_t &program, bool isReplay)
    : tables(tables), device(device), program(program), target(device.target()),
      isReplay(isReplay) {
  auto isTrained = [&](const ampc_tensor_entry_t &tensor) {
    if (tensor.role == AMPC_ROLE_PARAMETER)
      return (tensor.flags & AMPC_TENSOR_TRAINED) != 0;
    if (tensor.role != AMPC_ROLE_DERIVED || !isCopy(tables.nameOf(tensor)))
      return false;
    std::string_view master = std::string_view(tables.nameOf(tensor)).substr(kCopyPrefix.size());
    const ampc_tensor_entry_t *parameter = tables.findState(master);
    return parameter && (parameter->flags & AMPC_TENSOR_TRAINED) != 0;
  };
  for (const ampc_tensor_entry_t &tensor : tables.tensors)
    if (tensor.offset[target] != AMPC_NONE_U64 && isTrained(tensor))
      weights.push_back(&tensor);
  lookAtInputs();
}

std::optional<NonFinite> OverflowSearch::look(uint64_t offset, uint64_t bytes, uint32_t dtype) {
  std::optional<NonFinite> found;
  const uint64_t size = sizeOf(dtype);
  for (uint64_t first = 0; first < bytes && (!found || found->isNegativeOnly);
       first += kChunkBytes) {
    uint64_t chunk = std::min(kChunkBytes, bytes - first);
    merge(found, findNonFinite(device.fetch(offset + first, chunk), dtype, chunk / size),
          first / size);
  }
  return found;
}

void OverflowSearch::lookAtInputs() {
  for (const ampc_binding_entry_t &slot : tables.inputsOf(program)) {
    if (!isFloat(slot.dtype) || isStoredOnly(slot.dtype))
      continue;
    std::optional<NonFinite> found = look(slot.offset, slot.bytes, slot.dtype);
    // What is -inf at places is a mask.
    if (!found || found->isNegativeOnly)
      continue;
    regions.push_back({slot.offset, slot.offset + slot.bytes, findings.size()});
    findings.push_back({*found, nullptr, nullptr, &tables.tensors[slot.tensor], 0, {}});
  }
}

void OverflowSearch::lookAtState(const ampc_step_entry_t &step, std::vector<size_t> &read) {
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step)) {
    if (!(argument.flags & AMPC_ARGUMENT_READ) || argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD)
      continue;
    auto at = std::find_if(weights.begin(), weights.end(), [&](const auto *tensor) {
      return tensor->offset[target] < argument.offset + argument.bytes &&
             argument.offset < tensor->offset[target] + tensor->bytes;
    });
    if (at == weights.end())
      continue;
    const ampc_tensor_entry_t *tensor = *at;
    weights.erase(at);
    uint64_t offset = tensor->offset[target];
    std::optional<NonFinite> found = look(offset, tensor->bytes, tensor->dtype);
    if (!found || found->isNegativeOnly)
      continue;
    read.push_back(findings.size());
    regions.push_back({offset, offset + tensor->bytes, findings.size()});
    findings.push_back({*found, nullptr, nullptr, tensor, 0, {}});
  }
}

bool OverflowSearch::writesState(const ampc_step_entry_t &step) const {
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step)) {
    if (!(argument.flags & AMPC_ARGUMENT_WRITE) || argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD)
      continue;
    for (const ampc_tensor_entry_t &tensor : tables.tensors)
      if ((tensor.role == AMPC_ROLE_PARAMETER || tensor.role == AMPC_ROLE_STATE) &&
          tensor.offset[target] != AMPC_NONE_U64 &&
          tensor.offset[target] < argument.offset + argument.bytes &&
          argument.offset < tensor.offset[target] + tensor.bytes)
        return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// While the program runs
//===----------------------------------------------------------------------===//

bool OverflowSearch::begins(const ampc_step_entry_t &step, int64_t iteration) {
  // The host gives the same bits each time. Of a device that is not asked: what is not finite here
  // keeps the step from writing.
  if (isReplay && device.kind() != AMPC_DEVICE_HOST && findings.empty() && writesState(step))
    return false;
  read.clear();
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step)) {
    if (!(argument.flags & AMPC_ARGUMENT_READ) ||
        argument.flags & (AMPC_ARGUMENT_SCRATCH | AMPC_ARGUMENT_SIZED_AT_LOAD))
      continue;
    uint64_t begin = placeOf(argument, iteration), end = begin + argument.bytes;
    for (const Region &region : regions)
      if (region.begin < end && begin < region.end &&
          std::find(read.begin(), read.end(), region.finding) == read.end())
        read.push_back(region.finding);
  }
  return true;
}

void OverflowSearch::forget(uint64_t begin, uint64_t end) {
  std::vector<Region> left;
  for (const Region &region : regions) {
    if (region.end <= begin || end <= region.begin) {
      left.push_back(region);
      continue;
    }
    if (region.begin < begin)
      left.push_back({region.begin, begin, region.finding});
    if (end < region.end)
      left.push_back({end, region.end, region.finding});
  }
  regions = std::move(left);
}

void OverflowSearch::ended(const ampc_step_entry_t &step, int64_t iteration) {
  bool knowsState = false;
  for (const ampc_argument_entry_t &argument : tables.argumentsOf(step)) {
    if (!(argument.flags & AMPC_ARGUMENT_WRITE) || argument.bytes == 0 ||
        argument.flags & AMPC_ARGUMENT_SIZED_AT_LOAD)
      continue;
    uint64_t begin = placeOf(argument, iteration), end = begin + argument.bytes;
    forget(begin, end);
    if (!isWrittenFloat(argument))
      continue;
    std::optional<NonFinite> found = look(begin, argument.bytes, argument.dtype);
    if (!found)
      continue;
    if (!knowsState)
      lookAtState(step, read);
    knowsState = true;
    // Of a loop's iterations, the first one says where it began.
    regions.push_back({begin, end, findings.size()});
    findings.push_back({*found, &step, &argument, nullptr, iteration, read});
  }
}

//===----------------------------------------------------------------------===//
// The rule
//===----------------------------------------------------------------------===//

const ampc_value_entry_t *OverflowSearch::valueOf(const Finding &finding) const {
  return finding.argument ? tables.findValue(*finding.argument) : nullptr;
}

bool OverflowSearch::isBackward(const Finding &finding) const {
  const ampc_value_entry_t *value = valueOf(finding);
  return value && value->kind == AMPC_VALUE_BACKWARD;
}

/// What there is to explain.
std::vector<size_t> OverflowSearch::goals(bool isForward) const {
  std::vector<size_t> goals;
  if (isForward) {
    for (const ampc_binding_entry_t &slot : tables.outputsOf(program))
      if (tables.tensors[slot.tensor].flags & AMPC_TENSOR_LOSS)
        for (const Region &region : regions)
          if (region.begin < slot.offset + slot.bytes && slot.offset < region.end)
            goals.push_back(region.finding);
    // Where the step hands out no loss, by its name.
    for (const ampc_tensor_entry_t &tensor : tables.tensors)
      if (tensor.role == AMPC_ROLE_OUTPUT && tensor.flags & AMPC_TENSOR_LOSS)
        for (size_t i = 0; i != findings.size(); ++i)
          if (const ampc_value_entry_t *value = valueOf(findings[i]);
              value && value->kind == AMPC_VALUE_FORWARD &&
              std::strcmp(tables.string(value->name), tables.nameOf(tensor)) == 0)
            goals.push_back(i);
    if (!goals.empty())
      return goals;
  }
  // The gradients of parameters; all that is on the way back where kernels keep those to
  // themselves; or all there is.
  for (size_t i = 0; i != findings.size(); ++i)
    if (isBackward(findings[i]))
      for (uint32_t gradient : tables.gradients)
        if (gradient != AMPC_NONE_U32 &&
            std::strcmp(tables.nameOf(tables.tensors[gradient]),
                        tables.string(valueOf(findings[i])->name)) == 0)
          goals.push_back(i);
  for (size_t i = 0; goals.empty() && i != findings.size(); ++i)
    if (isBackward(findings[i]))
      for (size_t k = i; k != findings.size(); ++k)
        if (isBackward(findings[k]))
          goals.push_back(k);
  for (size_t i = 0; goals.empty() && i != findings.size(); ++i)
    for (size_t k = i; k != findings.size(); ++k)
      goals.push_back(k);
  return goals;
}

std::optional<Culprit> OverflowSearch::find(bool isForward) const {
  if (findings.empty())
    return std::nullopt;
  // Where the loss is finite, what is infinite on the way to it harmed nothing there, such as
  // masked scores: what is on the way back alone comes first.
  const std::vector<size_t> wanted = goals(isForward);
  bool onlyBackward = !isForward && std::any_of(wanted.begin(), wanted.end(), [&](size_t goal) {
    return isBackward(findings[goal]);
  });
  auto counts = [&](size_t i) { return !onlyBackward || isBackward(findings[i]); };
  std::vector<bool> reached(findings.size());
  for (size_t goal : wanted)
    reached[goal] = counts(goal);
  const Finding *first = nullptr;
  // Findings come after those that they read. Of two that begin something, one that is a mask or
  // the logarithm of 0 gives way.
  for (size_t i = findings.size(); i-- > 0;) {
    if (!reached[i])
      continue;
    bool begins = true;
    for (size_t read : findings[i].reads)
      if (counts(read)) {
        reached[read] = true;
        begins = false;
      }
    if (begins && (!first || first->what.isNegativeOnly || !findings[i].what.isNegativeOnly))
      first = &findings[i];
  }
  return first ? std::optional(describe(*first)) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// In words
//===----------------------------------------------------------------------===//

static std::string writeIndex(uint64_t index, Span<int64_t> shape) {
  std::string text;
  for (size_t i = shape.size(); i-- > 0;) {
    uint64_t extent = std::max<uint64_t>(uint64_t(shape[i]), 1);
    text = concat(index % extent, text.empty() ? "" : ", ", text);
    index /= extent;
  }
  return concat("[", text, "]");
}

/// What else a step computes, by its nodes (joined by ", "): " (computed with 'fc3')", or nothing
/// where those are many.
static std::string listOthers(std::string_view nodes, std::string_view node) {
  constexpr int kMost = 3;
  std::string text;
  for (int count = 0; !nodes.empty();) {
    size_t end = std::min(nodes.find(", "), nodes.size());
    std::string_view name = nodes.substr(0, end);
    nodes.remove_prefix(std::min(end + 2, nodes.size()));
    if (name == node)
      continue;
    if (++count > kMost)
      return "";
    text += concat(text.empty() ? " (computed with '" : ", '", name, "'");
  }
  return text.empty() ? text : text + ")";
}

std::string OverflowSearch::describeWritten(const Finding &finding, Culprit &culprit) const {
  const char *nodes = tables.string(finding.step->name);
  const ampc_value_entry_t *value = valueOf(finding);
  culprit.node = value && *tables.string(value->node) ? tables.string(value->node) : nodes;
  if (value) {
    culprit.tensor = tables.string(value->name);
    culprit.opType = tables.string(value->op_type);
  }
  bool hasName = *culprit.tensor, isOfModel = *culprit.opType;
  std::string node = concat(isOfModel ? "node '" : "'", culprit.node, isOfModel ? "' (" : "'",
                            culprit.opType, isOfModel ? ")" : "");
  std::string others = isOfModel ? listOthers(nodes, culprit.node) : "";
  if (value && value->kind == AMPC_VALUE_BACKWARD) {
    if (!isOfModel)
      return hasName ? concat("the gradient of '", culprit.tensor, "'")
                     : "an intermediate of the gradients";
    return concat(hasName ? concat("the gradient of '", culprit.tensor, "' from ")
                          : "an intermediate of the gradient of ",
                  node, others);
  }
  if (!*culprit.node)
    return "a tensor of no node";
  return concat(hasName ? concat("the output '", culprit.tensor, "' of ") : "an intermediate of ",
                node, others);
}

Culprit OverflowSearch::describe(const Finding &finding) const {
  Culprit culprit;
  culprit.index = int64_t(finding.what.index);
  culprit.value = finding.what.value;
  std::string index = concat("element ", culprit.index);
  std::string what;
  if (finding.tensor) {
    culprit.tensor = tables.nameOf(*finding.tensor);
    if (finding.tensor->role == AMPC_ROLE_INPUT) {
      what = concat("the input '", culprit.tensor, "'");
    } else if (isCopy(culprit.tensor)) {
      culprit.tensor += kCopyPrefix.size();
      what = concat("the ", nameOf(finding.tensor->dtype), " copy of '", culprit.tensor, "'");
    } else {
      what = concat("the parameter '", culprit.tensor, "'");
    }
    index = writeIndex(finding.what.index, tables.shape(*finding.tensor));
  } else {
    what = describeWritten(finding, culprit);
    if (const ampc_value_entry_t *value = valueOf(finding))
      index = writeIndex(finding.what.index, tables.integers.slice(value->first_dim, value->rank));
  }
  std::string_view kind = std::isnan(culprit.value) ? "NaN" : culprit.value < 0 ? "-inf" : "inf";
  culprit.text = concat(what, ", ", kind);
  if (index != "[]") // a single number
    culprit.text += concat(" at ", index);
  if (finding.iteration != 0)
    culprit.text += concat(" in iteration ", finding.iteration);
  return culprit;
}

} // namespace ampc
