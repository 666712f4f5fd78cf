//===- ValueTrace.cpp - Binary exponents of what steps write --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ValueTrace.h"
#include "Error.h"
#include "Json.h"
#include "StepLog.h"
#include "Table.h"

#include <array>
#include <cstdio>
#include <cstring>

using namespace ampc::run;

namespace {

/// What f16 holds: normal numbers from 2^-14 on, and nothing from 2^16 on.
constexpr int leastNormal = -14, firstTooLarge = 16;

/// Counts by the exponent's bits; the mantissa of a number below the normal ones says the rest.
template <class Bits, int mantissaBits, int bias>
void count(const void *data, uint64_t length, ExponentHistogram &histogram) {
  constexpr int exponentBits = int(sizeof(Bits)) * 8 - 1 - mantissaBits;
  constexpr uint64_t full = (uint64_t(1) << exponentBits) - 1;
  std::vector<uint64_t> byExponent(full + 1);
  std::array<uint64_t, 64> bySubnormal{};
  for (uint64_t i = 0; i != length; ++i) {
    Bits element;
    std::memcpy(&element, static_cast<const char *>(data) + i * sizeof(Bits), sizeof(Bits));
    uint64_t exponent = (uint64_t(element) >> mantissaBits) & full;
    uint64_t mantissa = uint64_t(element) & ((uint64_t(1) << mantissaBits) - 1);
    if (exponent != 0 && exponent != full)
      ++byExponent[exponent];
    else if (exponent == full)
      ++(mantissa ? histogram.nans : histogram.infinities);
    else if (mantissa == 0)
      ++histogram.zeros;
    else
      ++bySubnormal[size_t(63 - __builtin_clzll(mantissa))];
  }
  histogram.elements += length;
  for (uint64_t exponent = 1; exponent != full; ++exponent)
    if (byExponent[exponent])
      histogram.exponents[int(exponent) - bias] += byExponent[exponent];
  for (int bit = 0; bit != mantissaBits; ++bit)
    if (bySubnormal[size_t(bit)])
      histogram.exponents[bit + 1 - bias - mantissaBits] += bySubnormal[size_t(bit)];
}

std::string typeName(const DLDataType &type) {
  return (type.code == kDLBfloat ? "bf" : "f") + std::to_string(type.bits);
}

/// "12.3 %"; "" of nothing.
std::string percent(uint64_t part, uint64_t whole) {
  if (part == 0)
    return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", 100 * double(part) / double(whole));
  return text;
}

} // namespace

void ExponentHistogram::add(const DLDataType &type, const void *data, uint64_t length) {
  if (type.code == kDLBfloat)
    count<uint16_t, 7, 127>(data, length, *this);
  else if (type.bits == 16)
    count<uint16_t, 10, 15>(data, length, *this);
  else if (type.bits == 32)
    count<uint32_t, 23, 127>(data, length, *this);
  else if (type.bits == 64)
    count<uint64_t, 52, 1023>(data, length, *this);
}

void ExponentHistogram::add(const ExponentHistogram &other) {
  elements += other.elements;
  zeros += other.zeros;
  infinities += other.infinities;
  nans += other.nans;
  for (auto [exponent, number] : other.exponents)
    exponents[exponent] += number;
}

ValueTrace::ValueTrace(const std::string &text, int64_t every) : pattern(text), every(every) {
  try {
    regex = std::regex(text, std::regex::ECMAScript | std::regex::nosubs);
  } catch (const std::regex_error &error) {
    throw Error("ampc-run",
                "--trace-values=" + printable(text) + " is no regular expression: " + error.what(),
                ExitUsage);
  }
}

void ValueTrace::visit(void *user, const ampc_value_t *value) {
  auto &trace = *static_cast<ValueTrace *>(user);
  const char *name = *value->tensor ? value->tensor : value->node;
  if (!std::regex_search(name, trace.regex))
    return;
  Traced traced;
  traced.tensor = value->tensor;
  traced.node = value->node;
  traced.opType = value->op_type;
  traced.type = typeName(value->dtype);
  traced.isGradient = value->is_gradient != 0;
  std::string key = traced.tensor + '\0' + traced.node + '\0' + traced.type +
                    (traced.isGradient ? "gradient" : "");
  auto [place, isNew] = trace.places.try_emplace(key, trace.values.size());
  if (isNew)
    trace.values.push_back(std::move(traced));
  trace.values[place->second].inStep.add(value->dtype, value->data, value->count);
}

std::string ValueTrace::endStep(int64_t step, float scale) {
  ++steps;
  Json list = Json::array();
  for (Traced &traced : values) {
    ExponentHistogram &seen = traced.inStep;
    if (seen.elements == 0)
      continue;
    Json exponents = Json::object();
    for (auto [exponent, number] : seen.exponents)
      exponents[std::to_string(exponent)] = number;
    list.push_back({{"tensor", traced.tensor},
                    {"node", traced.node},
                    {"operator", traced.opType},
                    {"gradient", traced.isGradient},
                    {"type", traced.type},
                    {"elements", seen.elements},
                    {"zeros", seen.zeros},
                    {"inf", seen.infinities},
                    {"nan", seen.nans},
                    {"exponents", exponents}});
    traced.inAll.add(seen);
    seen = ExponentHistogram();
  }
  return "{\"step\":" + std::to_string(step) + ",\"scale\":" + jsonNumber(scale) +
         ",\"values\":" + list.dump(-1, ' ', false, Json::error_handler_t::replace) + "}";
}

std::string ValueTrace::table() const {
  if (values.empty())
    return "--trace-values=" + printable(pattern) + ": the step writes no tensor of such a name\n";
  Table table;
  table.addColumn("tensor", false);
  table.addColumn("node", false);
  table.addColumn("type", false);
  table.addColumn("elements", true);
  table.addColumn("zero", true);
  table.addColumn("below 2^-14", true);
  table.addColumn("largest", true);
  table.addColumn("room", true);
  table.addColumn("inf, NaN", true);
  for (const Traced &traced : values) {
    const ExponentHistogram &seen = traced.inAll;
    uint64_t small = 0, bad = seen.infinities + seen.nans;
    for (auto [exponent, number] : seen.exponents)
      small += exponent < leastNormal ? number : 0;
    bool isEmpty = seen.exponents.empty();
    int largest = isEmpty ? 0 : seen.exponents.rbegin()->first;
    std::string name = traced.tensor.empty() ? "a part" : printable(traced.tensor);
    table.addRow({traced.isGradient ? "gradient of " + name : name,
                  printable(traced.node) +
                      (traced.opType.empty() ? "" : " (" + printable(traced.opType) + ")"),
                  traced.type, std::to_string(seen.elements), percent(seen.zeros, seen.elements),
                  percent(small, seen.elements), isEmpty ? "" : "2^" + std::to_string(largest),
                  isEmpty ? "" : std::to_string(firstTooLarge - 1 - largest),
                  bad ? std::to_string(bad) : ""});
  }
  return "exponents in " + std::to_string(steps) + (steps == 1 ? " step" : " steps") +
         ", gradients times the loss scale; room: powers of two up to f16's largest\n" +
         table.text();
}
