//===- Curve.cpp - A run's course in little memory ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Curve.h"
#include "Json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

using namespace ampc::run;

namespace {

constexpr int64_t format = 1;

void merge(Curve::Bucket &into, const Curve::Bucket &next) {
  if (next.losses) {
    into.lossMin = into.losses ? std::min(into.lossMin, next.lossMin) : next.lossMin;
    into.lossMax = into.losses ? std::max(into.lossMax, next.lossMax) : next.lossMax;
  }
  into.lossSum += next.lossSum;
  into.losses += next.losses;
  into.notFinite += next.notFinite;
  into.skipped += next.skipped;
  into.scaleMin = std::min(into.scaleMin, next.scaleMin);
  into.scaleMax = std::max(into.scaleMax, next.scaleMax);
  into.rate = next.rate;
}

bool isBetter(const EvalRecord &record, const std::optional<EvalRecord> &best) {
  return std::isfinite(record.loss) && (!best || record.loss < best->loss);
}

[[noreturn]] void refuse() { throw std::runtime_error("not the curve of a run"); }

/// A file may say anything: what is not a number of the kind is refused.
double numberOf(const Json &value) {
  if (!value.is_number())
    refuse();
  return value.get<double>();
}

float floatOf(const Json &value) {
  double number = numberOf(value);
  if (!(std::fabs(number) <= double(std::numeric_limits<float>::max())))
    refuse();
  return static_cast<float>(number);
}

int64_t countOf(const Json &value) {
  if (!value.is_number_integer() || value < 0 || value > (int64_t(1) << 53))
    refuse();
  return value.get<int64_t>();
}

std::string evalText(const EvalRecord &record) {
  std::string text = "[" + std::to_string(record.step) + "," + jsonNumber(record.loss);
  if (record.accuracy)
    text += "," + jsonNumber(*record.accuracy);
  return text + "]";
}

/// The items that `write` gives for each of `values`, as an array.
template <typename Values, typename Write>
std::string arrayText(const Values &values, Write write) {
  std::string text = "[";
  for (const auto &value : values)
    text += (text.size() > 1 ? "," : "") + write(value);
  return text + "]";
}

EvalRecord evalOf(const Json &entry) {
  if (!entry.is_array() || entry.size() < 2 || entry.size() > 3)
    refuse();
  double loss = entry[1].is_null() ? std::nan("") : numberOf(entry[1]);
  EvalRecord record{countOf(entry[0]), loss, std::nullopt};
  if (entry.size() == 3)
    record.accuracy = numberOf(entry[2]);
  return record;
}

} // namespace

void Curve::add(const ampc_step_info_t &info) {
  Bucket bucket;
  bucket.index = (info.step - 1) / bucketWidth;
  if (std::isfinite(info.loss)) {
    bucket.losses = 1;
    bucket.lossSum = double(bucket.lossMin = bucket.lossMax = info.loss);
  } else {
    bucket.notFinite = 1;
  }
  bucket.skipped = !info.applied;
  bucket.scaleMin = bucket.scaleMax = info.loss_scale;
  bucket.rate = info.learning_rate;
  last = info.step;
  add(bucket);
}

void Curve::add(const Bucket &bucket) {
  if (!filled.empty() && filled.back().index == bucket.index) {
    merge(filled.back(), bucket);
    return;
  }
  filled.push_back(bucket);
  if (filled.size() <= mostBuckets)
    return;
  bucketWidth *= 2;
  std::vector<Bucket> narrow;
  narrow.swap(filled);
  for (Bucket &each : narrow) {
    each.index /= 2;
    add(each);
  }
}

void Curve::add(const EvalRecord &record) {
  latestEval = record;
  if (isBetter(record, bestEval))
    bestEval = record;
  if (evalsSeen++ % evalStride != 0)
    return;
  evals.push_back(record);
  if (evals.size() <= mostEvaluations)
    return;
  evalStride *= 2;
  for (size_t i = 0; 2 * i < evals.size(); ++i)
    evals[i] = evals[2 * i];
  evals.resize((evals.size() + 1) / 2);
}

void Curve::cutAfter(int64_t step) {
  if (last > step) {
    while (!filled.empty() && (filled.back().index + 1) * bucketWidth > step)
      filled.pop_back();
    last = filled.empty() ? 0 : (filled.back().index + 1) * bucketWidth;
  }
  if (!latestEval || latestEval->step <= step)
    return;
  while (!evals.empty() && evals.back().step > step)
    evals.pop_back();
  // Those between the kept ones are not known any more.
  evalsSeen = int64_t(evals.size()) * evalStride;
  latestEval = evals.empty() ? std::nullopt : std::optional(evals.back());
  if (bestEval && bestEval->step > step) {
    bestEval.reset();
    for (const EvalRecord &record : evals)
      if (isBetter(record, bestEval))
        bestEval = record;
  }
}

std::string Curve::text() const {
  auto bucketText = [&](const Bucket &bucket) {
    std::string loss = bucketWidth == 1 ? jsonNumber(bucket.lossMin) : jsonNumber(bucket.lossSum);
    std::string text = "[" + std::to_string(bucket.index) + "," + (bucket.losses ? loss : "null") +
                       "," + jsonNumber(bucket.scaleMin) + "," + jsonNumber(bucket.rate) + "," +
                       std::to_string(bucket.skipped);
    if (bucketWidth > 1)
      text += "," + std::to_string(bucket.losses) + "," + std::to_string(bucket.notFinite) + "," +
              jsonNumber(bucket.lossMin) + "," + jsonNumber(bucket.lossMax) + "," +
              jsonNumber(bucket.scaleMax);
    return text + "]";
  };
  auto optionalText = [](const std::optional<EvalRecord> &record) {
    return record ? evalText(*record) : "null";
  };
  return "{\"ampc_curve\":" + std::to_string(format) + ",\"last\":" + std::to_string(last) +
         ",\"width\":" + std::to_string(bucketWidth) +
         ",\"steps\":" + arrayText(filled, bucketText) +
         ",\"eval_stride\":" + std::to_string(evalStride) +
         ",\"evals_seen\":" + std::to_string(evalsSeen) +
         ",\"evals\":" + arrayText(evals, evalText) + ",\"best\":" + optionalText(bestEval) +
         ",\"latest\":" + optionalText(latestEval) + "}";
}

Curve Curve::parse(std::string_view text) {
  const Json all = parseJson(text);
  Curve curve;
  if (countOf(all.at("ampc_curve")) != format)
    refuse();
  curve.last = countOf(all.at("last"));
  curve.bucketWidth = countOf(all.at("width"));
  curve.evalStride = countOf(all.at("eval_stride"));
  curve.evalsSeen = countOf(all.at("evals_seen"));
  const Json &steps = all.at("steps"), &evals = all.at("evals");
  auto isPowerOfTwo = [](int64_t value) { return value > 0 && (value & (value - 1)) == 0; };
  if (!isPowerOfTwo(curve.bucketWidth) || !isPowerOfTwo(curve.evalStride) || !steps.is_array() ||
      steps.size() > mostBuckets || !evals.is_array() || evals.size() > mostEvaluations)
    refuse();
  int64_t before = -1;
  for (const Json &entry : steps) {
    bool isWide = curve.bucketWidth > 1;
    if (!entry.is_array() || entry.size() != (isWide ? 10u : 5u))
      refuse();
    Bucket bucket;
    bucket.index = countOf(entry[0]);
    bucket.scaleMin = bucket.scaleMax = floatOf(entry[2]);
    bucket.rate = floatOf(entry[3]);
    bucket.skipped = countOf(entry[4]);
    bucket.losses = isWide ? countOf(entry[5]) : !entry[1].is_null();
    bucket.notFinite = isWide ? countOf(entry[6]) : entry[1].is_null();
    if (isWide) {
      bucket.lossSum = bucket.losses ? numberOf(entry[1]) : 0;
      bucket.lossMin = floatOf(entry[7]);
      bucket.lossMax = floatOf(entry[8]);
      bucket.scaleMax = floatOf(entry[9]);
    } else if (bucket.losses) {
      bucket.lossSum = double(bucket.lossMin = bucket.lossMax = floatOf(entry[1]));
    }
    bool isWithin = bucket.index > before && bucket.index <= (curve.last - 1) / curve.bucketWidth;
    if (!isWithin || !(bucket.scaleMin > 0) || bucket.scaleMax < bucket.scaleMin)
      refuse();
    before = bucket.index;
    curve.filled.push_back(bucket);
  }
  if (curve.filled.empty() != (curve.last == 0))
    refuse();
  auto evalUpToLast = [&](const Json &entry) {
    EvalRecord record = evalOf(entry);
    if (record.step > curve.last)
      refuse();
    return record;
  };
  for (const Json &entry : evals)
    curve.evals.push_back(evalUpToLast(entry));
  if (!all.at("best").is_null())
    curve.bestEval = evalUpToLast(all.at("best"));
  if (!all.at("latest").is_null())
    curve.latestEval = evalUpToLast(all.at("latest"));
  return curve;
}
