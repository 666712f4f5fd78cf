//===- Roofline.cpp - The least time of a plan on a GPU -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step takes at least as long as the memory needs for its bytes, and as the
// processors need for its operations; they do both at once. Steps follow one
// another, so the least times add up.
//
//===----------------------------------------------------------------------===//

#include "Roofline.h"
#include "Error.h"
#include "Table.h"

#include <algorithm>
#include <cstdio>
#include <map>

using namespace ampc::run;

namespace {

constexpr size_t mostRows = 40;

bool isKind(const Json &step, const char *kind) {
  return step.at("kind").get_ref<const std::string &>() == kind;
}

double numberOf(const Json &object, const char *key) { return object.at(key).get<double>(); }

double bytesOf(const Json &step) {
  return numberOf(step, "read_bytes") + numberOf(step, "written_bytes");
}

/// Those in the body of a loop run more than once.
double runsOf(const Json &step) {
  auto runs = step.find("runs");
  return runs == step.end() ? 1 : runs->get<double>();
}

/// What writes nothing is no node of the graph: steps of no elements, and loops themselves, whose
/// bodies' steps are recorded once for each run.
bool isLaunched(const Json &step) { return numberOf(step, "written_bytes") > 0; }

/// Whether a library computes it, on tensor cores where they take its operands, or a kernel of ours
/// that uses them.
bool isProduct(const Json &step) {
  return (!isKind(step, "launch") && !isKind(step, "copy") && !isKind(step, "loop")) ||
         step.value("tensor_cores", false);
}

/// A product computes in the type of its operands. Our kernels compute in f32, or in f64 where
/// all their floats are.
std::string computeTypeOf(const Json &step) {
  const Json &types = step.at("operand_types");
  if (isProduct(step))
    return types.at(0).get<std::string>();
  bool hasF64 = false;
  for (const Json &type : types) {
    const auto &name = type.get_ref<const std::string &>();
    hasF64 |= name == "f64";
    if (name == "f32" || name == "f16" || name == "bf16")
      return "f32";
  }
  return hasF64 ? "f64" : "f32";
}

/// Of a type that has no peak here, the highest: least times stay least.
double peakOf(const RooflineDevice &device, const Json &step, const std::string &computeType) {
  if (computeType == "f64")
    return isProduct(step) ? device.f64Products : device.f64;
  return isProduct(step) && computeType != "f32" ? device.lowProducts : device.f32;
}

/// "2.56 ms"
std::string formatTime(double seconds) {
  if (seconds == 0)
    return "0";
  constexpr const char *units[] = {"s", "ms", "us", "ns"};
  size_t unit = 0;
  for (; seconds < 1 && unit < 3; ++unit)
    seconds *= 1000;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f %s",
                seconds < 10    ? 2
                : seconds < 100 ? 1
                                : 0,
                seconds, units[unit]);
  return text;
}

std::string formatPercent(double part) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * part);
  return text;
}

/// Steps that differ in their place alone.
struct Group {
  const Json *first;
  double runs = 0, seconds = 0;
};

/// Calls `visit` for each step of the plan with how often a training step runs it.
template <typename Module, typename Fn>
void forEachStep(Module &module, Fn visit) {
  // Others than the runtime's objects have none.
  double micro = module.contains("micro_batches") ? numberOf(module, "micro_batches") : 1;
  for (auto &step : module.at("steps"))
    visit(step, micro * runsOf(step));
  if (module.contains("apply_steps"))
    for (auto &step : module.at("apply_steps"))
      visit(step, runsOf(step));
}

std::vector<Group> groupsOf(const Json &module) {
  std::map<std::string, size_t> places;
  std::vector<Group> groups;
  forEachStep(module, [&](const Json &step, double runs) {
    if (!isLaunched(step))
      return;
    std::string key;
    for (const char *name : {"kind", "kernel", "read_bytes", "written_bytes", "flops",
                             "operand_types", "least_seconds"})
      key += step.at(name).dump() + " ";
    auto [place, isNew] = places.try_emplace(key, groups.size());
    if (isNew)
      groups.push_back({&step});
    Group &group = groups[place->second];
    group.runs += runs;
    group.seconds += runs * numberOf(step, "least_seconds");
  });
  std::sort(groups.begin(), groups.end(), [](const Group &a, const Group &b) {
    return a.seconds != b.seconds ? a.seconds > b.seconds : a.first < b.first;
  });
  return groups;
}

std::string namesOf(const Json &step) {
  std::string text;
  for (const Json &name : step.at("nodes"))
    text += (text.empty() ? "" : ", ") + printable(name.get<std::string>());
  return text.empty() ? "-" : text;
}

std::string formatNumber(double number) {
  char text[400];
  std::snprintf(text, sizeof text, "%.0f", number);
  return text;
}

/// A sum of whole numbers without a decimal point, where it has so many digits.
Json wholeNumber(double sum) { return sum < 0x1p53 ? Json(static_cast<uint64_t>(sum)) : Json(sum); }

/// "989.4 TFLOP/s"
std::string formatRate(double flops) { return formatCount(flops) + "FLOP/s"; }

} // namespace

void ampc::run::addRoofline(Json &module, const RooflineDevice &device) {
  double bytes = 0, flops = 0, memorySeconds = 0, computeSeconds = 0, launches = 0;
  forEachStep(module, [&](Json &step, double runs) {
    std::string computeType = computeTypeOf(step);
    double stepBytes = bytesOf(step), stepFlops = numberOf(step, "flops");
    double forBytes = stepBytes / device.memory;
    double forFlops = stepFlops / peakOf(device, step, computeType);
    bool isMemory = forBytes >= forFlops;
    double least = isMemory ? forBytes : forFlops;
    step["least_seconds"] = least;
    step["limit"] = least > 0 ? Json(isMemory ? "memory" : "compute") : Json();
    step["compute_type"] = stepFlops > 0 ? Json(computeType) : Json();
    bytes += runs * stepBytes;
    flops += runs * stepFlops;
    (isMemory ? memorySeconds : computeSeconds) += runs * least;
    launches += isLaunched(step) ? runs : 0;
  });
  module["roofline"] = {
      {"device", device.name},
      {"title", device.title},
      {"memory_bytes_per_second", device.memory},
      {"product_flops_per_second",
       {{"f16", device.lowProducts},
        {"bf16", device.lowProducts},
        {"f32", device.f32},
        {"f64", device.f64Products}}},
      {"kernel_flops_per_second", {{"f32", device.f32}, {"f64", device.f64}}},
      {"bytes", wholeNumber(bytes)},
      {"flops", wholeNumber(flops)},
      {"least_seconds", memorySeconds + computeSeconds},
      {"memory_seconds", memorySeconds},
      {"compute_seconds", computeSeconds},
      {"launches", wholeNumber(launches)},
      {"seconds_per_launch", secondsPerLaunch},
      {"launch_seconds", launches * secondsPerLaunch},
  };
}

std::string ampc::run::rooflineText(const Json &module) {
  const Json &roofline = module.at("roofline");
  const Json &products = roofline.at("product_flops_per_second");
  std::string program = module.at("trains").get<bool>() ? "training" : "forward";
  char memory[64];
  std::snprintf(memory, sizeof memory, "%.2f TB/s",
                numberOf(roofline, "memory_bytes_per_second") / 1e12);
  std::string text = "Least times of a " + program + " step on an NVIDIA " +
                     roofline.at("title").get<std::string>() + ": bytes at " + memory +
                     ",\nproducts of f16 and bf16 at " + formatRate(numberOf(products, "f16")) +
                     ", of f32 and kernels at " + formatRate(numberOf(products, "f32")) + ".\n\n";

  double total = numberOf(roofline, "least_seconds");
  std::vector<Group> groups = groupsOf(module);
  Table table;
  table.addColumn("steps", /*isNumber=*/true);
  table.addColumn("kind", false);
  table.addColumn("type", false);
  table.addColumn("bytes", true);
  table.addColumn("flops", true);
  table.addColumn("each", true);
  table.addColumn("all", true);
  table.addColumn("share", true);
  table.addColumn("limit", false);
  table.addColumn("nodes", false);
  double moreSteps = 0, moreSeconds = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    const Group &group = groups[i];
    const Json &step = *group.first;
    if (i >= mostRows) {
      moreSteps += group.runs;
      moreSeconds += group.seconds;
      continue;
    }
    const Json &type = step.at("compute_type");
    table.addRow({formatNumber(group.runs), printable(step.at("kind").get<std::string>()),
                  type.is_null() ? "-" : printable(type.get<std::string>()),
                  formatBytes(bytesOf(step)), formatCount(numberOf(step, "flops")),
                  formatTime(numberOf(step, "least_seconds")), formatTime(group.seconds),
                  formatPercent(total > 0 ? group.seconds / total : 0),
                  step.at("limit").get<std::string>(), namesOf(step)});
  }
  text += table.text();
  if (moreSteps > 0)
    text += "  and " + formatNumber(moreSteps) +
            " shorter ones (--json has all): " + formatTime(moreSeconds) + "\n";

  text += "\nmoved     " + formatBytes(numberOf(roofline, "bytes")) + ", " +
          formatCount(numberOf(roofline, "flops")) + " flops\n";
  text += "least     " + formatTime(total) + ": " +
          formatTime(numberOf(roofline, "memory_seconds")) + " in steps that memory limits, " +
          formatTime(numberOf(roofline, "compute_seconds")) + " in those that computing limits\n";
  text += "launches  " + formatTime(numberOf(roofline, "launch_seconds")) + ": " +
          formatNumber(numberOf(roofline, "launches")) + " of " +
          formatTime(numberOf(roofline, "seconds_per_launch")) + "\n";
  return text + "together  " + formatTime(total + numberOf(roofline, "launch_seconds")) + "\n";
}
