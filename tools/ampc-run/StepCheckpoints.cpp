//===- StepCheckpoints.cpp - The checkpoints that a run keeps -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StepCheckpoints.h"
#include "Error.h"
#include "Files.h"
#include "Json.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <unistd.h>

using namespace ampc::run;

namespace {

constexpr std::string_view extension = ".safetensors";
/// No header of a checkpoint has more bytes.
constexpr uint64_t mostHeaderBytes = uint64_t(100) << 20;

/// Where `path` ends but for its extension.
size_t stemOf(const std::string &path) {
  size_t stem = path.size() - std::min(path.size(), extension.size());
  bool hasStem = stem > 0 && path[stem - 1] != '/';
  return hasStem && path.compare(stem, std::string::npos, extension) == 0 ? stem : path.size();
}

/// The step that a checkpoint was written after; nothing where it cannot be read.
std::optional<int64_t> readStep(const std::string &path) {
  try {
    InputFile file(path);
    uint64_t bytes = 0;
    file.readAt(0, &bytes, sizeof bytes);
    if (bytes > mostHeaderBytes)
      return std::nullopt;
    std::string header(bytes, '\0');
    file.readAt(sizeof bytes, header.data(), header.size());
    const std::string text = parseJson(header).at("__metadata__").at("ampc.attempt");
    int64_t step = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(step)
                                                                    : std::nullopt;
  } catch (const std::exception &) {
    return std::nullopt;
  }
}

} // namespace

std::string ampc::run::insertBeforeExtension(const std::string &path, const std::string &part) {
  std::string result = path;
  return result.insert(stemOf(path), part);
}

std::string StepCheckpoints::pathOf(int64_t step) const {
  return insertBeforeExtension(last, ".step-" + std::to_string(step));
}

std::vector<int64_t> StepCheckpoints::steps() const {
  const size_t slash = last.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : last.substr(0, slash + 1);
  const size_t begin = slash == std::string::npos ? 0 : slash + 1;
  const std::string start = last.substr(begin, stemOf(last) - begin) + ".step-";
  const std::string end = last.substr(stemOf(last));
  std::vector<int64_t> found;
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    if (name.size() <= start.size() + end.size() || name.compare(0, start.size(), start) != 0 ||
        name.compare(name.size() - end.size(), end.size(), end) != 0)
      continue;
    std::string digits = name.substr(start.size(), name.size() - start.size() - end.size());
    int64_t step = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), step);
    if (std::to_string(step) == digits)
      found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> StepCheckpoints::latestFirst() const {
  std::vector<int64_t> kept = steps();
  std::vector<std::string> paths;
  for (auto step = kept.rbegin(); step != kept.rend(); ++step)
    paths.push_back(pathOf(*step));
  std::error_code error;
  if (!std::filesystem::exists(last, error))
    return paths;
  // Of two of one step it is the later one: a signal may end a run between two steps.
  int64_t step = readStep(last).value_or(std::numeric_limits<int64_t>::max());
  auto later = kept.end() - std::upper_bound(kept.begin(), kept.end(), step);
  paths.insert(paths.begin() + later, last);
  return paths;
}

std::string StepCheckpoints::prune(int64_t step, int64_t keep) const {
  std::vector<int64_t> earlier, removed;
  for (int64_t other : steps())
    (other > step ? removed : earlier).push_back(other);
  if (auto count = int64_t(earlier.size()); count > keep)
    removed.insert(removed.end(), earlier.begin(), earlier.begin() + (count - keep));
  std::string problem;
  for (int64_t other : removed)
    if (::unlink(pathOf(other).c_str()) != 0 && errno != ENOENT && problem.empty())
      problem = printable(pathOf(other)) + ": " + lastError();
  return problem;
}
