//===- StepLog.cpp - One JSON object a step -------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StepLog.h"
#include "Error.h"
#include "Files.h"
#include "Json.h"

#include "ampc-files/FileIdentity.h"
#include "ampc-files/FileLock.h"

#include <charconv>
#include <cmath>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

using namespace ampc::run;

namespace {

constexpr std::string_view lineStart = "{\"step\":";

template <typename T>
std::string shortestNumber(T value) {
  if (!std::isfinite(value))
    return "null";
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

/// The step that a whole line of a log tells of.
std::optional<int64_t> stepOfLine(const std::string &line) {
  if (line.compare(0, lineStart.size(), lineStart) != 0)
    return std::nullopt; // other files may be large
  try {
    const Json object = parseJson(line);
    const Json &step = object.at("step");
    if (step.is_number_integer())
      return step.get<int64_t>();
  } catch (const std::exception &) {
  }
  return std::nullopt;
}

/// Bytes of the log that tell of steps up to `last`.
uint64_t bytesUpTo(const std::string &path, int64_t last) {
  std::ifstream file(path, std::ios::binary);
  uint64_t kept = 0;
  std::string line;
  for (uint64_t number = 1; std::getline(file, line); ++number) {
    bool isWhole = !file.eof();
    // A line that was not finished is ours where it is the start of one.
    size_t common = std::min(line.size(), lineStart.size());
    bool isTorn =
        !isWhole && lineStart.substr(0, common) == std::string_view(line).substr(0, common);
    std::optional<int64_t> step = stepOfLine(line);
    if (!step && !isTorn)
      throw Error(path, "is no log of ampc-run, see line " + std::to_string(number) +
                            "; a resumed run appends to its log");
    if (!isWhole || *step > last)
      break;
    kept += line.size() + 1;
  }
  return kept;
}

} // namespace

std::string ampc::run::jsonNumber(float value) { return shortestNumber(value); }
std::string ampc::run::jsonNumber(double value) { return shortestNumber(value); }

/// Members that a step has which was not applied.
static std::string formatFailure(const ampc_step_info_t &info) {
  constexpr const char *names[] = {"none", "forward", "gradient", "batch"};
  std::string text = std::string(",\"failure\":\"") + names[info.failure] + "\"";
  if (info.bad_micro_batch)
    text += ",\"micro_batch\":" + std::to_string(info.bad_micro_batch);
  if (!info.bad_text || !*info.bad_text)
    return text;
  Json culprit = {{"tensor", info.bad_tensor},
                  {"node", info.bad_node},
                  {"operator", info.bad_operator},
                  {"index", info.bad_index},
                  {"value", std::isnan(info.bad_value) ? "NaN"
                            : info.bad_value < 0       ? "-inf"
                                                       : "inf"},
                  {"text", info.bad_text}};
  return text + ",\"culprit\":" + culprit.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ampc::run::formatStep(const ampc_step_info_t &info, bool hasNorm) {
  std::string line(lineStart);
  line += std::to_string(info.step);
  line += ",\"loss\":" + jsonNumber(info.loss);
  line += ",\"scale\":" + jsonNumber(info.loss_scale);
  line += info.applied ? ",\"applied\":true" : ",\"applied\":false";
  if (hasNorm)
    line += ",\"grad_norm\":" + jsonNumber(info.grad_norm);
  line += ",\"lr\":" + jsonNumber(info.learning_rate);
  if (info.failure != AMPC_FAILURE_NONE)
    line += formatFailure(info);
  return line + "}";
}

std::string ampc::run::formatEvaluation(const EvalRecord &record) {
  std::string line(lineStart);
  line += std::to_string(record.step) + ",\"eval_loss\":" + jsonNumber(record.loss);
  if (record.accuracy)
    line += ",\"eval_accuracy\":" + jsonNumber(*record.accuracy);
  return line + "}";
}

StepLog::StepLog(std::string logPath, std::optional<int64_t> resumedAfter)
    : path(std::move(logPath)) {
  if (files::isStream(path)) {
    descriptor.reset(files::openStream(path));
    if (descriptor.get() < 0)
      throw Error(path, "cannot be written: " + errorText(-descriptor.get()));
    return;
  }
  descriptor.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (descriptor.get() < 0)
    throw Error(path, "cannot be written: " + lastError());
  // Before anything is cut off: another run may be writing.
  if (files::isLockedByAnother(descriptor.get()))
    throw Error(path, "is being written by another run");
  uint64_t kept = resumedAfter ? bytesUpTo(path, *resumedAfter) : 0;
  if (::ftruncate(descriptor.get(), static_cast<off_t>(kept)) != 0)
    throw Error(path, "cannot be written: " + lastError());
}

void StepLog::add(const ampc_step_info_t &info) {
  // NaN is both "not computed" and the norm of a gradient with a NaN in it:
  // once a step had a norm, all have.
  hasNorm |= !std::isnan(info.grad_norm);
  lines += formatStep(info, hasNorm) + "\n";
}

void StepLog::add(const EvalRecord &record) { lines += formatEvaluation(record) + "\n"; }

void StepLog::flush() {
  if (lines.empty())
    return;
  int error = files::writeFully(descriptor.get(), lines.data(), lines.size());
  lines.clear();
  if (error)
    throw Error(path, "cannot be written: " + errorText(error));
}
