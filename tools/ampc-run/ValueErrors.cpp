//===- ValueErrors.cpp - How far two steps' values are apart --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ValueErrors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

using namespace ampc::run;

namespace {

using Shape = std::vector<int64_t>;

/// Of squared norms: no permutation of elements that differ at all comes so close to them.
constexpr double closeEnough = 0.03 * 0.03;

ValueName nameOf(const ampc_value_t &value) {
  return {value.tensor, value.node, value.is_gradient != 0};
}

using Order = std::vector<size_t>;

Shape permuted(const Shape &shape, const Order &order) {
  Shape result;
  for (size_t i : order)
    result.push_back(shape[i]);
  return result;
}

/// `order` with the channels, dimension 1, moved to the end, or back from there. Of a matrix both
/// are its transpose.
Order movedLast(Order order) {
  auto channels = order.begin() + (order.size() == 2 ? 0 : 1);
  std::rotate(channels, channels + 1, order.end());
  return order;
}
Order movedFirst(Order order) {
  std::rotate(order.begin() + (order.size() == 2 ? 0 : 1), order.end() - 1, order.end());
  return order;
}

/// How the second side's elements may lie compared to the first one's; several, where shapes do not
/// tell. `known` are shapes that the tensor has elsewhere in the steps: kernels that go over all
/// elements alike see one dimension, and norms see groups of channels.
std::vector<ValueLayout> layoutsBetween(const SeenValue &a, const SeenValue &b,
                                        const std::set<Shape> &known) {
  std::vector<ValueLayout> found;
  auto add = [&](const Shape &shape, const Order &order) {
    bool isThere = std::any_of(found.begin(), found.end(), [&](const ValueLayout &layout) {
      return layout.shape == shape && layout.order == order;
    });
    if (!isThere)
      found.push_back({shape, order});
  };
  auto unmoved = [](const Shape &shape) {
    Order order(shape.size());
    std::iota(order.begin(), order.end(), size_t(0));
    return order;
  };
  Order same = unmoved(b.shape);
  if (a.shape == b.shape)
    add(b.shape, same);
  if (b.shape.size() >= 2)
    for (const Order &order : {movedLast(same), movedFirst(same)})
      if (permuted(b.shape, order) == a.shape)
        add(b.shape, order);
  if (!found.empty() && b.shape.size() >= 3)
    return found;
  // Another view of the same elements, in their order or in that of a shape that is known.
  add(b.shape, same);
  for (const Shape &shape : known) {
    if (shape.size() < 3)
      continue;
    same = unmoved(shape);
    for (auto [there, back] : {std::pair(movedLast(same), movedFirst(same)),
                               std::pair(movedFirst(same), movedLast(same))}) {
      add(permuted(shape, there), back);
      add(shape, there);
    }
  }
  return found;
}

/// `data`, the elements of a tensor of `shape`, with its dimensions in `order`.
std::vector<char> reorder(const std::vector<char> &data, const Shape &shape, const Order &order,
                          size_t size) {
  std::vector<uint64_t> strides(shape.size(), 1);
  for (size_t i = shape.size() - 1; i-- > 0;)
    strides[i] = strides[i + 1] * uint64_t(shape[i + 1]);
  std::vector<char> result(data.size());
  std::vector<int64_t> at(shape.size(), 0);
  const Shape target = permuted(shape, order);
  for (uint64_t i = 0, count = data.size() / size; i != count; ++i) {
    uint64_t place = 0;
    for (size_t d = 0; d != order.size(); ++d)
      place += uint64_t(at[d]) * strides[order[d]];
    std::copy_n(data.data() + place * size, size, result.data() + i * size);
    for (size_t d = order.size(); d-- > 0;) {
      if (++at[d] != target[d])
        break;
      at[d] = 0;
    }
  }
  return result;
}

} // namespace

std::string ampc::run::floatName(ElementType type) {
  return (type == ElementType::BF16 ? "bf" : "f") + std::to_string(8 * elementSize(type));
}

bool ValueTracker::isValue(const ampc_value_t &value) {
  if (!*value.tensor)
    return false;
  Place &place = places[nameOf(value)];
  if (value.first == 0) {
    // A loop writes the next iteration; whatever else comes again is a copy.
    place.isCopy = place.iteration >= 0 && value.iteration <= place.iteration;
    if (!place.isCopy)
      place.iteration = value.iteration;
  }
  return !place.isCopy;
}

void ValueCensus::visit(void *user, const ampc_value_t *value) {
  auto &census = *static_cast<ValueCensus *>(user);
  if (!*value->tensor && value->first == 0)
    ++census.parts;
  std::optional<ElementType> type = typeOfTensor(value->dtype);
  if (!census.tracker.isValue(*value) || !type)
    return;
  auto [place, isNew] = census.places.try_emplace(nameOf(*value), census.values.size());
  if (isNew)
    census.values.push_back(
        {nameOf(*value), value->op_type, *type, {value->shape, value->shape + value->rank}, 0});
  census.values[place->second].elements += value->count;
}

ErrorSums::ErrorSums(std::vector<double> factors) {
  std::sort(factors.begin(), factors.end());
  factors.erase(std::unique(factors.begin(), factors.end()), factors.end());
  for (double factor : factors)
    sums.push_back({factor});
}

void ErrorSums::add(ElementType typeA, const char *a, ElementType typeB, const char *b,
                    uint64_t count) {
  constexpr uint64_t block = 4096;
  bufferA.resize(block);
  bufferB.resize(block);
  for (uint64_t first = 0; first < count; first += block) {
    uint64_t length = std::min(block, count - first);
    convertElements(typeA, a + first * elementSize(typeA), ElementType::F64, bufferA.data(),
                    length);
    convertElements(typeB, b + first * elementSize(typeB), ElementType::F64, bufferB.data(),
                    length);
    for (uint64_t i = 0; i != length; ++i) {
      double x = bufferA[i], y = bufferB[i];
      bool isFiniteX = std::isfinite(x), isFiniteY = std::isfinite(y);
      if (!isFiniteX || !isFiniteY) {
        badInA += !isFiniteX;
        badInB += !isFiniteY;
        mismatched += isFiniteX != isFiniteY || (x != y && !(std::isnan(x) && std::isnan(y)));
        continue;
      }
      squaresOfA += x * x;
      squaresOfB += y * y;
      for (Sum &sum : sums) {
        double difference = x - sum.factor * y;
        sum.squares += difference * difference;
        sum.largest = std::max(sum.largest, std::fabs(difference));
      }
    }
  }
}

size_t ErrorSums::best() const {
  return size_t(std::min_element(sums.begin(), sums.end(),
                                 [](const Sum &x, const Sum &y) { return x.squares < y.squares; }) -
                sums.begin());
}

double ErrorSums::error() const {
  if (mismatched)
    return std::numeric_limits<double>::infinity();
  const Sum &sum = sums[best()];
  if (sum.squares == 0)
    return 0;
  double norm = squaresOfA > 0 ? squaresOfA : squaresOfB * sum.factor * sum.factor;
  return std::sqrt(sum.squares / norm);
}

void ComparedValue::add(const ErrorSums &sums, int64_t step) {
  double error = sums.error();
  if (!first)
    first = error;
  if (mostStep == 0 || error > most) {
    most = error;
    mostStep = step;
    largestDifference = sums.largestDifference();
  }
  badInA += sums.badInA;
  badInB += sums.badInB;
}

ValueErrors::ValueErrors(const ValueCensus &a, const ValueCensus &b, uint64_t limit)
    : limit(limit) {
  std::map<ValueName, const SeenValue *> inB;
  for (const SeenValue &value : b.values)
    inB[value.name] = &value;
  for (const SeenValue &value : a.values) {
    auto found = inB.find(value.name);
    if (found == inB.end()) {
      single[0].push_back(value);
      continue;
    }
    if (found->second->elements != value.elements) {
      unlike.push_back(value);
    } else {
      places[value.name] = compared.size();
      ComparedValue &both = compared.emplace_back();
      both.a = value;
      both.b = *found->second;
    }
    inB.erase(found);
  }
  for (const SeenValue &value : b.values)
    if (inB.count(value.name))
      single[1].push_back(value);
  std::map<std::pair<std::string, uint64_t>, std::set<Shape>> shapes; // by name and elements
  for (const ValueCensus *census : {&a, &b})
    for (const SeenValue &value : census->values)
      shapes[{value.name.tensor, value.elements}].insert(value.shape);
  for (const ComparedValue &value : compared)
    layouts.push_back(
        layoutsBetween(value.a, value.b, shapes[{value.a.name.tensor, value.a.elements}]));
}

void ValueErrors::begin(double scaleA, double scaleB) {
  // A gradient carries the loss scale on both sides; unless one has it unscaled already.
  factors = {1, scaleA / scaleB, scaleA, 1 / scaleB};
  streams.clear();
  streams.resize(compared.size());
  for (size_t i = 0; i != compared.size(); ++i) {
    const Order &order = layouts[i].front().order;
    streams[i].isWhole = layouts[i].size() > 1 || !std::is_sorted(order.begin(), order.end());
  }
  for (int side : {0, 1}) {
    trackers[side].restart();
    waits[side] = isDone[side] = false;
  }
  pending = 0;
  failure = nullptr;
}

void ValueErrors::visit(int side, const ampc_value_t &value) {
  std::unique_lock lock(mutex);
  if (failure || !trackers[side].isValue(value))
    return;
  auto place = places.find(nameOf(value));
  if (place == places.end())
    return;
  const ComparedValue &both = compared[place->second];
  uint64_t size = elementSize(side == 0 ? both.a.type : both.b.type);
  try {
    take(place->second, side, static_cast<const char *>(value.data), value.count * size);
  } catch (...) {
    failure = std::current_exception();
  }
  changed.notify_all();
  // Far ahead: unless the other side waits too, it will come to what is needed here.
  auto mayGoOn = [&] { return pending <= limit || waits[1 - side] || isDone[1 - side] || failure; };
  waits[side] = !mayGoOn();
  changed.wait(lock, mayGoOn);
  waits[side] = false;
}

void ValueErrors::take(size_t index, int side, const char *data, uint64_t bytes) {
  Stream &stream = streams[index];
  const ComparedValue &value = compared[index];
  const ElementType types[2] = {value.a.type, value.b.type};
  const uint64_t size = elementSize(types[side]), otherSize = elementSize(types[1 - side]);
  std::vector<char> &own = stream.waiting[side], &other = stream.waiting[1 - side];
  if (!stream.sums)
    stream.sums.emplace(value.a.name.isGradient ? factors : std::vector<double>{1});
  uint64_t count = 0;
  if (!stream.isWhole && own.empty()) {
    uint64_t &taken = stream.taken[1 - side];
    count = std::min(bytes / size, (other.size() - taken) / otherSize);
    const char *from = other.data() + taken;
    const char *pieces[2] = {side == 0 ? data : from, side == 0 ? from : data};
    if (count)
      stream.sums->add(types[0], pieces[0], types[1], pieces[1], count);
    taken += count * otherSize;
    pending -= count * otherSize;
    if (taken == other.size()) {
      std::vector<char>().swap(other);
      taken = 0;
    }
  }
  own.insert(own.end(), data + count * size, data + bytes);
  pending += bytes - count * size;
  if (stream.isWhole && own.size() == value.a.elements * size &&
      other.size() == value.a.elements * otherSize)
    compareWhole(index);
}

void ValueErrors::compareWhole(size_t index) {
  Stream &stream = streams[index];
  const ComparedValue &value = compared[index];
  const uint64_t sizeB = elementSize(value.b.type);
  // A loop writes the tensor several times.
  const uint64_t inTensor = *elementCount(layouts[index].front().shape) * sizeB;
  std::optional<ErrorSums> best;
  for (const ValueLayout &layout : layouts[index]) {
    ErrorSums sums(value.a.name.isGradient ? factors : std::vector<double>{1});
    const char *a = stream.waiting[0].data();
    for (uint64_t at = 0; inTensor && at + inTensor <= stream.waiting[1].size(); at += inTensor) {
      auto from = stream.waiting[1].begin() + std::ptrdiff_t(at);
      std::vector<char> b =
          reorder({from, from + std::ptrdiff_t(inTensor)}, layout.shape, layout.order, sizeB);
      sums.add(value.a.type, a, value.b.type, b.data(), inTensor / sizeB);
      a += inTensor / sizeB * elementSize(value.a.type);
    }
    // Where sizes do not tell the layout, the elements do: in a wrong one they are far apart.
    if (!best || sums.squaredDifference() < best->squaredDifference())
      best = std::move(sums);
    if (best->squaredDifference() < closeEnough * best->squaredNorm())
      break;
  }
  stream.sums = std::move(best);
  drop(stream);
}

void ValueErrors::drop(Stream &stream) {
  for (int side : {0, 1}) {
    pending -= stream.waiting[side].size() - stream.taken[side];
    std::vector<char>().swap(stream.waiting[side]);
    stream.taken[side] = 0;
  }
}

void ValueErrors::finish(int side) {
  std::lock_guard lock(mutex);
  isDone[side] = true;
  changed.notify_all();
}

void ValueErrors::end(int64_t step, bool withGradients) {
  for (Stream &stream : streams) {
    // A step that ended early leaves the other one's values.
    if (!stream.waiting[0].empty() || !stream.waiting[1].empty())
      stream.sums.reset();
    drop(stream);
  }
  if (failure)
    std::rethrow_exception(failure);
  for (size_t i = 0; i != compared.size(); ++i) {
    ComparedValue &value = compared[i];
    const std::optional<ErrorSums> &sums = streams[i].sums;
    if (!sums || (value.a.name.isGradient && !withGradients))
      continue;
    value.add(*sums, step);
  }
}

std::optional<double> ValueErrors::gradientError(const std::vector<std::string> &parameters) const {
  const std::set<std::string> wanted(parameters.begin(), parameters.end());
  double squares = 0, norm = 0;
  bool isInfinite = false, isFound = false;
  for (size_t i = 0; i != compared.size(); ++i) {
    const ValueName &name = compared[i].a.name;
    if (!name.isGradient || !wanted.count(name.tensor) || !streams[i].sums)
      continue;
    isFound = true;
    const ErrorSums &sums = *streams[i].sums;
    isInfinite |= std::isinf(sums.error());
    // In the units of the first module, which may carry a scale of its own: the same for all.
    squares += sums.squaredDifference();
    norm += sums.squaredNorm();
  }
  if (!isFound)
    return std::nullopt;
  if (isInfinite)
    return std::numeric_limits<double>::infinity();
  return squares == 0 ? 0 : std::sqrt(squares / (norm > 0 ? norm : squares));
}
