//===- Sort.cpp - Stable sorts of lines -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A merge sort. Runs of a few elements are sorted by insertion; then pairs of sorted runs are
// merged, pass after pass. In a pass each share of the result is merged on its own: how many of
// the elements before it come from the left run is found by bisection (merge path: O. Green,
// R. McColl, D. Bader, 2012).
//
// Where only the first elements of a line are asked for, a run is cut off behind so many after
// each step. A few are kept in order while one worker of the host goes over the line: nearly all
// elements then take one comparison.
//
// A line that fits into workgroup memory is one block's, with barriers between the passes. A
// longer one takes a launch a pass on the host; ascending integers there, as indices are, are
// sorted by their bytes. On a device blocks sort parts of a longer line, and then each launch
// merges up to 16 runs: every element finds by bisection how many of each other run stand before
// it. That reads more than a merge of two, but an index of 32,768 tokens takes two launches and
// not twelve.
//
//===----------------------------------------------------------------------===//

#include "LineKernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// Workgroup memory that the sort of a line may take; on the host it lies on the stack.
constexpr int64_t kDeviceBytes = 32 << 10, kHostBytes = 256 << 10;
/// Threads of a block that sorts a line.
constexpr int64_t kMostThreads = 256;
/// As many elements as one worker of the host keeps in order, and those that it goes over.
constexpr int64_t kMostKept = 32, kLongestRun = 16384;
/// Runs that a launch of a device merges, and those that a thread looks into at once.
constexpr int64_t kMostWays = 16, kWaysAtOnce = 4;

/// The keys of a line and where they stood, in memory: element i is at offset + i * stride.
struct LineMemory {
  Value keys, places;
  Value offset;
  int64_t stride;

  Value at(LineBuilder &s, Value i) const {
    IndexBuilder index = s.index();
    return index.add(offset, index.mul(i, stride));
  }
};

/// What is sorted together: `all` elements, of which there may be `most`; `kept` are asked for.
struct Span {
  Value all;
  int64_t most, kept;
};

class SortEmitter {
public:
  SortEmitter(plan::SortOp sort, StringRef name, const EmitTarget &target)
      : sort(sort), name(name), target(target),
        keyType(cast<RankedTensorType>(sort.getKeys().getType())),
        placeType(cast<RankedTensorType>(sort.getPlaces().getType()).clone(keyType.getShape())),
        lines(keyType, sort.getAxis()),
        kept(cast<RankedTensorType>(sort.getSorted().getType()).getDimSize(sort.getAxis())),
        run(target.device ? 16 : 32) {
    if (!target.device && kept < lines.extent && kept <= kMostKept)
      run = std::min<int64_t>(kLongestRun, llvm::PowerOf2Ceil(lines.extent));
    share = target.device ? run : 2 * run;
    for (int64_t width = run; width < lines.extent; width *= 2)
      ++passes;
  }

  EmittedKernel emit() {
    int64_t bytes =
        getStorageBytes(keyType.getElementType()) + getStorageBytes(placeType.getElementType());
    int64_t available = target.device ? kDeviceBytes : kHostBytes;
    if (passes > 0 && lines.extent <= available / (2 * bytes))
      emitBlocks();
    else if (target.device && passes > 0)
      emitRuns(llvm::bit_floor(uint64_t(available / (2 * bytes))));
    else
      emitPasses();
    return std::move(emitted);
  }

private:
  enum Buffer { Input, SortedKeys, SortedPlaces, Temporaries };

  /// The type of a buffer behind the input.
  RankedTensorType typeOf(unsigned buffer) {
    if (buffer >= Temporaries)
      return emitted.temporaries[buffer - Temporaries];
    Value result = buffer == SortedKeys ? sort.getSorted() : sort.getPlaces();
    return cast<RankedTensorType>(result.getType());
  }

  Value isBefore(LineBuilder &s, Value x, Value y) {
    Type type = keyType.getElementType();
    return s.apply(sort.getIsBefore(), {s.widen(x, type), s.widen(y, type)});
  }

  /// The line with number `line`, in buffers whose lines have `extent` elements.
  LineMemory globalLine(LineBuilder &s, Value line, Value keys, Value places,
                        int64_t extent) const {
    IndexBuilder index = s.index();
    Value outer = index.mul(index.div(line, lines.inner), extent * lines.inner);
    return {keys, places, index.add(outer, index.rem(line, lines.inner)), lines.inner};
  }

  //===--------------------------------------------------------------------===//
  // What one thread does
  //===--------------------------------------------------------------------===//

  /// Sorts elements [begin, begin + run) of `input` into `to`, which gets those that are kept.
  void sortRun(LineBuilder &s, const LineMemory &input, const LineMemory &to, const Span &span,
               Value begin) {
    IndexBuilder index = s.index();
    Value end = index.min(index.add(begin, run), span.all), full = end;
    if (span.kept < run)
      full = index.min(index.add(begin, span.kept), end);
    // Element i goes to its place in [begin, last].
    auto insert = [&](LineBuilder &s, Value key, Value i, Value last) {
      Value place = shiftLater(s, key, to, begin, last);
      s.store(key, to.keys, to.at(s, place));
      s.store(s.convert(i, placeType.getElementType()), to.places, to.at(s, place));
    };
    s.loop(begin, full, 1,
           [&](LineBuilder &s, Value i) { insert(s, s.load(input.keys, input.at(s, i)), i, i); });
    if (span.kept >= run)
      return;
    // The others, where they come before the last of those kept, take its place.
    Value last = index.add(begin, span.kept - 1);
    s.loop(full, end, 1, [&](LineBuilder &s, Value i) {
      Value key = s.load(input.keys, input.at(s, i));
      Value isKept = isBefore(s, key, s.load(to.keys, to.at(s, last)));
      scf::IfOp::create(s.builder, s.loc, isKept, [&](OpBuilder &nested, Location at) {
        LineBuilder inner(nested, at);
        insert(inner, key, i, last);
        scf::YieldOp::create(nested, at);
      });
    });
  }

  /// Moves the elements of [begin, i) that come after `key` up by one; returns where it goes.
  Value shiftLater(LineBuilder &s, Value key, const LineMemory &to, Value begin, Value i) {
    auto previous = [](LineBuilder &s, Value j) { return s.index().sub(j, s.number(1)); };
    auto comesBefore = [&](OpBuilder &nested, Location at, ValueRange j) {
      LineBuilder s(nested, at);
      auto hasMore = scf::IfOp::create(
          nested, at, s.index().less(begin, j[0]),
          [&](OpBuilder &inner, Location at) {
            LineBuilder s(inner, at);
            Value other = s.load(to.keys, to.at(s, previous(s, j[0])));
            scf::YieldOp::create(inner, at, isBefore(s, key, other));
          },
          [&](OpBuilder &inner, Location at) {
            LineBuilder s(inner, at);
            scf::YieldOp::create(inner, at, s.constant(inner.getI1Type(), int64_t(0)));
          });
      scf::ConditionOp::create(nested, at, hasMore.getResult(0), j);
    };
    auto moveUp = [&](OpBuilder &nested, Location at, ValueRange j) {
      LineBuilder s(nested, at);
      Value from = previous(s, j[0]);
      s.store(s.load(to.keys, to.at(s, from)), to.keys, to.at(s, j[0]));
      s.store(s.load(to.places, to.at(s, from)), to.places, to.at(s, j[0]));
      scf::YieldOp::create(nested, at, from);
    };
    return scf::WhileOp::create(s.builder, s.loc, TypeRange(i.getType()), i, comesBefore, moveUp)
        .getResult(0);
  }

  /// Merges the share of `to` that begins at `first`; `from` has sorted runs of `width`.
  void mergeShare(LineBuilder &s, const LineMemory &from, const LineMemory &to, const Span &span,
                  Value width, Value first) {
    Value pair = s.builder.createOrFold<arith::RemUIOp>(s.loc, first, s.index().mul(width, 2));
    if (span.kept >= span.most)
      return mergePart(s, from, to, span, width, first, pair);
    scf::IfOp::create(s.builder, s.loc, s.index().less(pair, s.number(span.kept)),
                      [&](OpBuilder &nested, Location at) {
                        LineBuilder inner(nested, at);
                        mergePart(inner, from, to, span, width, first, pair);
                        scf::YieldOp::create(nested, at);
                      });
  }

  /// The same, `pair` being where the share begins in what two runs merge into. Of each run no
  /// more elements are looked at than are kept of both.
  void mergePart(LineBuilder &s, const LineMemory &from, const LineMemory &to, const Span &span,
                 Value width, Value first, Value pair) {
    IndexBuilder index = s.index();
    Value left = index.sub(first, pair), all = span.all;
    Value right = index.min(index.add(left, width), all);
    Value end = index.min(index.add(right, width), all);
    Value fromLeft = countFromLeft(s, from, left, right, end, pair);
    Value count = index.min(index.sub(all, first), share);
    if (span.kept < span.most)
      count = index.min(count, index.sub(s.number(span.kept), pair));
    SmallVector<Value> heads{index.add(left, fromLeft),
                             index.add(right, index.sub(pair, fromLeft))};
    s.loop(s.number(0), count, heads, [&](LineBuilder &s, Value i, ValueRange heads) {
      IndexBuilder index = s.index();
      // An element of the left run stands before its equals of the right one.
      Value takesLeft = isLeftNext(s, from, span, heads, right, end);
      Value source = from.at(s, s.select(takesLeft, heads[0], heads[1]));
      Value goal = to.at(s, index.add(first, i));
      s.store(s.load(from.keys, source), to.keys, goal);
      s.store(s.load(from.places, source), to.places, goal);
      Value next[] = {index.add(heads[0], 1), index.add(heads[1], 1)};
      return SmallVector<Value>{s.select(takesLeft, next[0], heads[0]),
                                s.select(takesLeft, heads[1], next[1])};
    });
  }

  Value isLeftNext(LineBuilder &s, const LineMemory &from, const Span &span, ValueRange heads,
                   Value right, Value end) {
    IndexBuilder index = s.index();
    // Past the end of a run any element will do: what is compared does not count.
    Value last = index.sub(span.all, s.number(1));
    Value x = s.load(from.keys, from.at(s, index.min(heads[0], last)));
    Value y = s.load(from.keys, from.at(s, index.min(heads[1], last)));
    Value hasLeft = index.less(heads[0], right), hasRight = index.less(heads[1], end);
    Value isFirst = s.logicalOr(s.logicalNot(hasRight), s.logicalNot(isBefore(s, y, x)));
    return s.logicalAnd(hasLeft, isFirst);
  }

  /// How many of the first `count` elements that the runs [left, right) and [right, end) merge
  /// into are of the left one.
  Value countFromLeft(LineBuilder &s, const LineMemory &from, Value left, Value right, Value end,
                      Value count) {
    IndexBuilder index = s.index();
    Value ofRight = index.sub(end, right);
    Value fewest = s.select(index.less(ofRight, count), index.sub(count, ofRight), s.number(0));
    Value most = index.min(count, index.sub(right, left));
    auto isOpen = [&](OpBuilder &nested, Location at, ValueRange bounds) {
      IndexBuilder index(nested, at);
      scf::ConditionOp::create(nested, at, index.less(bounds[0], bounds[1]), bounds);
    };
    auto bisect = [&](OpBuilder &nested, Location at, ValueRange bounds) {
      LineBuilder s(nested, at);
      IndexBuilder index = s.index();
      Value middle = index.div(index.add(bounds[0], bounds[1]), 2);
      Value other = index.sub(index.sub(count, s.number(1)), middle);
      Value x = s.load(from.keys, from.at(s, index.add(left, middle)));
      Value y = s.load(from.keys, from.at(s, index.add(right, other)));
      Value isTooMany = isBefore(s, y, x);
      scf::YieldOp::create(nested, at,
                           ValueRange{s.select(isTooMany, bounds[0], index.add(middle, 1)),
                                      s.select(isTooMany, middle, bounds[1])});
    };
    SmallVector<Value> bounds{fewest, most};
    return scf::WhileOp::create(s.builder, s.loc, ValueRange(bounds).getTypes(), bounds, isOpen,
                                bisect)
        .getResult(0);
  }

  //===--------------------------------------------------------------------===//
  // One block a line
  //===--------------------------------------------------------------------===//

  void emitBlocks() {
    KernelFunction function(target, name, sort.getLoc());
    Value input = function.addInput(Input, keyType);
    Value keys = function.addOutput(SortedKeys, typeOf(SortedKeys));
    Value places = function.addOutput(SortedPlaces, typeOf(SortedPlaces));
    function.begin();
    int64_t threads = 1, linesOfBlock = 1, blocks = lines.count();
    if (target.device)
      threads =
          std::min(kMostThreads, int64_t(llvm::alignTo(llvm::divideCeil(lines.extent, share), 32)));
    else
      blocks = hostBlocks(lines.count(), lines.extent, 1, linesOfBlock);
    LineBuilder s(function.b, function.loc);
    LineMemory memory[] = {workgroupLine(function, s, lines.extent),
                           workgroupLine(function, s, lines.extent)};
    bool isByBytes = !target.device && lines.extent >= kValues && isAscending();
    Value counts;
    if (isByBytes)
      counts = workgroup(function, s, s.builder.getI32Type(), kValues * countBytes());
    HostRange own = {function.block, s.index().add(function.block, 1)};
    if (!target.device)
      own = hostRange(s.index(), function.block, blocks, linesOfBlock, lines.count());
    s.loop(own.begin, own.end, 1, [&](LineBuilder &s, Value line) {
      LineMemory result = globalLine(s, line, keys, places, kept);
      LineMemory unsorted = globalLine(s, line, input, Value(), lines.extent);
      if (isByBytes)
        sortByBytes(s, unsorted, memory, counts);
      else
        sortInBlock(s, unsorted, memory, wholeLine(s), function.thread, threads);
      s.loop(function.thread, s.number(kept), threads, [&](LineBuilder &s, Value i) {
        s.store(s.load(memory[0].keys, memory[0].at(s, i)), result.keys, result.at(s, i));
        s.store(s.load(memory[0].places, memory[0].at(s, i)), result.places, result.at(s, i));
      });
    });
    emitted.stages.push_back(function.finish(blocks, threads));
  }

  static Value workgroup(KernelFunction &function, LineBuilder &s, Type type, int64_t count) {
    auto space = gpu::AddressSpaceAttr::get(s.builder.getContext(), gpu::AddressSpace::Workgroup);
    auto memref =
        MemRefType::get({count}, getStorageType(type), MemRefLayoutAttrInterface(), space);
    return addWorkgroupArray(function.func, memref, s.loc);
  }

  LineMemory workgroupLine(KernelFunction &function, LineBuilder &s, int64_t extent) const {
    Value keys = workgroup(function, s, keyType.getElementType(), extent);
    Value places = workgroup(function, s, placeType.getElementType(), extent);
    return {keys, places, s.number(0), 1};
  }

  Span wholeLine(LineBuilder &s) const { return {s.number(lines.extent), lines.extent, kept}; }

  /// Leaves what is sorted in `memory[0]`.
  void sortInBlock(LineBuilder &s, const LineMemory &input, LineMemory (&memory)[2],
                   const Span &span, Value thread, int64_t threads) {
    int64_t passes = 0;
    for (int64_t width = run; width < span.most; width *= 2)
      ++passes;
    auto shares = [&](LineBuilder &s, int64_t size, LineBuilder::Body body) {
      s.loop(s.index().mul(thread, size), span.all, threads * size, body);
      gpu::BarrierOp::create(s.builder, s.loc);
    };
    shares(s, run, [&](LineBuilder &s, Value begin) { sortRun(s, input, memory[0], span, begin); });
    // Two passes at a time, there and back. The last one may only copy.
    s.loop(s.number(0), s.number(llvm::divideCeil(passes, 2)), s.number(run),
           [&](LineBuilder &s, Value, ValueRange width) {
             shares(s, share, [&](LineBuilder &s, Value first) {
               mergeShare(s, memory[0], memory[1], span, width[0], first);
             });
             Value twice = s.index().mul(width[0], 2);
             shares(s, share, [&](LineBuilder &s, Value first) {
               mergeShare(s, memory[1], memory[0], span, twice, first);
             });
             return SmallVector<Value>{s.index().mul(width[0], 4)};
           });
  }

  //===--------------------------------------------------------------------===//
  // One worker a line, of integers
  //===--------------------------------------------------------------------===//

  /// Values of a byte.
  static constexpr int64_t kValues = 256;

  /// Whether keys are integers of some bytes, the lowest first.
  bool isAscending() {
    auto type = dyn_cast<IntegerType>(keyType.getElementType());
    Block &body = sort.getIsBefore().front();
    auto compare = body.getTerminator()->getOperand(0).getDefiningOp<arith::CmpIOp>();
    return type && type.getWidth() % 8 == 0 && compare &&
           compare.getPredicate() == arith::CmpIPredicate::slt &&
           compare.getLhs() == body.getArgument(0) && compare.getRhs() == body.getArgument(1);
  }

  int64_t countBytes() const { return keyType.getElementTypeBitWidth() / 8; }

  /// The place in `counts` of byte number `byte` of a key, in the order of signed integers.
  Value countOf(LineBuilder &s, Value key, int64_t byte) {
    if (key.getType().getIntOrFloatBitWidth() < 32)
      key = s.convert(key, s.builder.getI32Type());
    auto number = [&](int64_t n) { return s.constant(key.getType(), n); };
    Value value = s.logicalAnd(s.shiftRight(key, number(8 * byte)), number(kValues - 1));
    if (byte + 1 == countBytes())
      value = s.logicalXor(value, number(kValues / 2));
    return s.index().add(s.convert(value, s.builder.getIndexType()), byte * kValues);
  }

  /// Sorts by one byte after the other, from the lowest on, each time keeping the order of those
  /// that are equal. A byte that all keys have in common is left out.
  void sortByBytes(LineBuilder &s, const LineMemory &input, LineMemory (&memory)[2], Value counts) {
    Type i32 = s.builder.getI32Type();
    Value none = s.number(0), all = s.number(lines.extent);
    auto move = [](LineBuilder &s, const LineMemory &from, Value i, const LineMemory &to,
                   Value place) {
      s.store(s.load(from.keys, from.at(s, i)), to.keys, to.at(s, place));
      s.store(s.load(from.places, from.at(s, i)), to.places, to.at(s, place));
    };
    auto increase = [&](LineBuilder &s, Value at) {
      Value before = s.load(counts, at);
      s.store(s.add(before, s.constant(i32, int64_t(1))), counts, at);
      return before;
    };
    s.loop(none, s.number(kValues * countBytes()), 1,
           [&](LineBuilder &s, Value at) { s.store(s.constant(i32, int64_t(0)), counts, at); });
    s.loop(none, all, 1, [&](LineBuilder &s, Value i) {
      Value key = s.load(input.keys, input.at(s, i));
      s.store(key, memory[0].keys, memory[0].at(s, i));
      s.store(s.convert(i, placeType.getElementType()), memory[0].places, memory[0].at(s, i));
      for (int64_t byte = 0; byte < countBytes(); ++byte)
        increase(s, countOf(s, key, byte));
    });
    for (int64_t byte = 0; byte < countBytes(); ++byte) {
      Value first = s.load(memory[0].keys, memory[0].at(s, none));
      Value equal = s.load(counts, countOf(s, first, byte));
      Value differs = s.notEqual(equal, s.constant(i32, lines.extent));
      scf::IfOp::create(s.builder, s.loc, differs, [&](OpBuilder &nested, Location at) {
        LineBuilder s(nested, at);
        // Where those of each value begin.
        Value begin = s.number(byte * kValues), end = s.number((byte + 1) * kValues);
        s.loop(begin, end, s.constant(i32, int64_t(0)),
               [&](LineBuilder &s, Value value, ValueRange sum) {
                 Value count = s.load(counts, value);
                 s.store(sum[0], counts, value);
                 return SmallVector<Value>{s.add(sum[0], count)};
               });
        s.loop(none, all, 1, [&](LineBuilder &s, Value i) {
          Value key = s.load(memory[0].keys, memory[0].at(s, i));
          Value place = increase(s, countOf(s, key, byte));
          move(s, memory[0], i, memory[1], s.convert(place, s.builder.getIndexType()));
        });
        s.loop(none, all, 1, [&](LineBuilder &s, Value i) { move(s, memory[1], i, memory[0], i); });
        scf::YieldOp::create(nested, at);
      });
    }
  }

  //===--------------------------------------------------------------------===//
  // Blocks sort parts of a line, launches merge many
  //===--------------------------------------------------------------------===//

  /// `size` elements, a power of two, are one block's.
  void emitRuns(int64_t size) {
    passes = 0;
    for (int64_t width = size; width < lines.extent; width *= waysFor(width))
      ++passes;
    addTemporaries();
    emitSortedRuns(size);
    int64_t width = size;
    for (int64_t pass = 0; pass < passes; ++pass) {
      const int64_t ways = waysFor(width);
      emitPass(pass, /*size=*/1,
               [&](LineBuilder &s, const LineMemory &from, const LineMemory &to, Value at) {
                 placeElement(s, from, to, width, ways, at);
               });
      width *= ways;
    }
  }

  /// Sorted runs of `width` that a launch merges.
  int64_t waysFor(int64_t width) const {
    return std::min(kMostWays, int64_t(llvm::PowerOf2Ceil(llvm::divideCeil(lines.extent, width))));
  }

  void emitSortedRuns(int64_t size) {
    KernelFunction function(target, (name + "_pass0").str(), sort.getLoc());
    auto [keysOut, placesOut] = buffersOf(-1);
    Value input = function.addInput(Input, keyType);
    Value keys = function.addOutput(keysOut, typeOf(keysOut));
    Value places = function.addOutput(placesOut, typeOf(placesOut));
    function.begin();
    const int64_t parts = llvm::divideCeil(lines.extent, size);
    const int64_t threads = std::min(kMostThreads, std::max<int64_t>(32, size / share));
    LineBuilder s(function.b, function.loc);
    IndexBuilder index = s.index();
    LineMemory memory[] = {workgroupLine(function, s, size), workgroupLine(function, s, size)};
    Value line = index.div(function.block, parts);
    Value begin = index.mul(index.rem(function.block, parts), size);
    LineMemory unsorted = globalLine(s, line, input, Value(), lines.extent);
    LineMemory result = globalLine(s, line, keys, places, lines.extent);
    for (LineMemory *shifted : {&unsorted, &result})
      shifted->offset = index.add(shifted->offset, index.mul(begin, shifted->stride));
    // All of them are sorted: those that are not kept are not copied.
    Span span = {index.min(index.sub(s.number(lines.extent), begin), size), size, size};
    sortInBlock(s, unsorted, memory, span, function.thread, threads);
    Value first = s.convert(begin, placeType.getElementType());
    s.loop(function.thread, index.min(span.all, kept), threads, [&](LineBuilder &s, Value i) {
      s.store(s.load(memory[0].keys, memory[0].at(s, i)), result.keys, result.at(s, i));
      Value place = s.load(memory[0].places, memory[0].at(s, i));
      s.store(s.add(place, first), result.places, result.at(s, i));
    });
    emitted.stages.push_back(function.finish(lines.count() * parts, threads));
  }

  /// Puts element `at` of a line where it stands among the `ways` runs of `width` elements that
  /// are merged with its own. Of each run the first `kept` are there.
  void placeElement(LineBuilder &s, const LineMemory &from, const LineMemory &to, int64_t width,
                    int64_t ways, Value at) {
    IndexBuilder index = s.index();
    Value group = index.mul(index.div(at, width * ways), width * ways);
    Value own = index.rem(index.div(at, width), ways), offset = index.rem(at, width);
    whereKept(s, offset, [&](LineBuilder &s) {
      Value key = s.load(from.keys, from.at(s, at));
      Value rank = s.loop(s.number(0), s.number(llvm::divideCeil(ways, kWaysAtOnce)), offset,
                          [&](LineBuilder &s, Value i, ValueRange before) {
                            Value first = s.index().mul(i, kWaysAtOnce);
                            Value count = countBefore(s, from, width, group, first, own, key);
                            return SmallVector<Value>{s.index().add(before[0], count)};
                          })[0];
      whereKept(s, rank, [&](LineBuilder &s) {
        Value goal = to.at(s, s.index().add(group, rank));
        s.store(key, to.keys, goal);
        s.store(s.load(from.places, from.at(s, at)), to.places, goal);
      });
    });
  }

  /// `body` where an element that stands at `place` is asked for.
  void whereKept(LineBuilder &s, Value place, llvm::function_ref<void(LineBuilder &)> body) {
    if (kept >= lines.extent)
      return body(s);
    scf::IfOp::create(s.builder, s.loc, s.index().less(place, s.number(kept)),
                      [&](OpBuilder &nested, Location at) {
                        LineBuilder inner(nested, at);
                        body(inner);
                        scf::YieldOp::create(nested, at);
                      });
  }

  /// How many elements of `kWaysAtOnce` runs, from run `first` of a group on, stand before `key`,
  /// an element of run `own`, of which none is counted. Bisects all of them in step, so that their
  /// loads are under way together.
  Value countBefore(LineBuilder &s, const LineMemory &from, int64_t width, Value group, Value first,
                    Value own, Value key) {
    IndexBuilder index = s.index();
    SmallVector<Value> begins, areEarlier, bounds;
    for (int64_t k = 0; k < kWaysAtOnce; ++k) {
      Value number = index.add(first, k);
      Value begin = index.min(index.add(group, index.mul(number, width)), lines.extent);
      Value count = index.min(index.sub(s.number(lines.extent), begin), std::min(width, kept));
      begins.push_back(begin);
      areEarlier.push_back(index.less(number, own));
      Value isOther = s.logicalNot(
          s.builder.createOrFold<arith::CmpIOp>(s.loc, arith::CmpIPredicate::eq, number, own));
      bounds.push_back(s.number(0));
      bounds.push_back(s.select(isOther, count, s.number(0)));
    }
    const int64_t steps = llvm::Log2_64_Ceil(width + 1);
    bounds =
        s.loop(s.number(0), s.number(steps), bounds, [&](LineBuilder &s, Value, ValueRange bounds) {
          IndexBuilder index = s.index();
          SmallVector<Value> next, middles, others;
          for (int64_t k = 0; k < kWaysAtOnce; ++k) {
            middles.push_back(index.div(index.add(bounds[2 * k], bounds[2 * k + 1]), 2));
            // At the end any element will do.
            Value at = index.min(index.add(begins[k], middles[k]), lines.extent - 1);
            others.push_back(s.load(from.keys, from.at(s, at)));
          }
          for (int64_t k = 0; k < kWaysAtOnce; ++k) {
            // Of equal elements those of earlier runs come first.
            Value comesBefore = s.select(areEarlier[k], s.logicalNot(isBefore(s, key, others[k])),
                                         isBefore(s, others[k], key));
            Value isOpen = index.less(bounds[2 * k], bounds[2 * k + 1]);
            next.push_back(s.select(s.logicalAnd(isOpen, comesBefore), index.add(middles[k], 1),
                                    bounds[2 * k]));
            next.push_back(s.select(s.logicalAnd(isOpen, s.logicalNot(comesBefore)), middles[k],
                                    bounds[2 * k + 1]));
          }
          return next;
        });
    Value sum = bounds[0];
    for (int64_t k = 1; k < kWaysAtOnce; ++k)
      sum = index.add(sum, bounds[2 * k]);
    return sum;
  }

  //===--------------------------------------------------------------------===//
  // One launch a pass
  //===--------------------------------------------------------------------===//

  /// Two pairs of buffers, in which passes leave their runs in turn.
  void addTemporaries() {
    for (int64_t i = 0; i < 2 * std::min<int64_t>(passes, 2); ++i)
      emitted.temporaries.push_back(i % 2 == 0 ? keyType : placeType);
  }

  void emitPasses() {
    addTemporaries();
    emitPass(-1, run, [&](LineBuilder &s, const LineMemory &from, const LineMemory &to, Value at) {
      sortRun(s, from, to, wholeLine(s), at);
    });
    for (int64_t pass = 0; pass < passes; ++pass)
      emitPass(pass, share,
               [&](LineBuilder &s, const LineMemory &from, const LineMemory &to, Value at) {
                 mergeShare(s, from, to, wholeLine(s), s.number(run << pass), at);
               });
  }

  /// Buffers that pass `pass` leaves its runs in: two pairs in turn, the last one's the result.
  std::pair<unsigned, unsigned> buffersOf(int64_t pass) const {
    if (pass == passes - 1)
      return {SortedKeys, SortedPlaces};
    unsigned first = Temporaries + 2 * ((pass + 1) % 2);
    return {first, first + 1};
  }

  /// One worker for each `size` elements of each line.
  void emitPass(
      int64_t pass, int64_t size,
      llvm::function_ref<void(LineBuilder &, const LineMemory &, const LineMemory &, Value)> body) {
    std::string suffix = passes == 0 ? "" : "_pass" + std::to_string(pass + 1);
    KernelFunction function(target, (name + suffix).str(), sort.getLoc());
    bool isFirst = pass < 0;
    auto [keysIn, placesIn] = buffersOf(pass - 1);
    auto [keysOut, placesOut] = buffersOf(pass);
    Value fromKeys = function.addInput(isFirst ? unsigned(Input) : keysIn, keyType);
    Value fromPlaces = isFirst ? Value() : function.addInput(placesIn, placeType);
    Value toKeys = function.addOutput(keysOut, typeOf(keysOut));
    Value toPlaces = function.addOutput(placesOut, typeOf(placesOut));
    int64_t extentOut = keysOut == SortedKeys ? kept : lines.extent;
    function.begin();
    int64_t parts = llvm::divideCeil(lines.extent, size);
    Workers workers(target, lines.count() * parts, size);
    workers.emit(function, [&](LineBuilder &s, Value worker) {
      Value line = s.index().div(worker, parts);
      Value first = s.index().mul(s.index().rem(worker, parts), size);
      body(s, globalLine(s, line, fromKeys, fromPlaces, lines.extent),
           globalLine(s, line, toKeys, toPlaces, extentOut), first);
    });
    emitted.stages.push_back(function.finish(workers.blocks, workers.threads));
  }

  plan::SortOp sort;
  StringRef name;
  const EmitTarget &target;
  RankedTensorType keyType, placeType; ///< with all elements of the lines
  Lines lines;
  int64_t kept;       ///< elements of a line that are asked for
  int64_t run, share; ///< elements sorted by insertion, and merged by one worker: powers of two
  int64_t passes = 0;
  EmittedKernel emitted;
};
} // namespace

FailureOr<EmittedKernel> emitSort(plan::SortOp sort, StringRef name, const EmitTarget &target) {
  return SortEmitter(sort, name, target).emit();
}

} // namespace ampc::codegen
