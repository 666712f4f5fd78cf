//===- Reference.cpp - Kernels interpreted in f64 -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reference.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace ampc::test {

Elements::Elements(RankedTensorType type) : type(type) {
  if (isFloat())
    floats.resize(type.getNumElements());
  else
    integers.resize(type.getNumElements());
}

bool Elements::isFloat() const { return isa<FloatType>(type.getElementType()); }

static size_t storageBytes(Type type) { return llvm::divideCeil(type.getIntOrFloatBitWidth(), 8); }

std::vector<char> Elements::toBytes() const {
  Type element = type.getElementType();
  size_t width = storageBytes(element);
  std::vector<char> bytes(size() * width);
  for (size_t i = 0; i < size(); ++i) {
    uint64_t bits;
    if (isFloat()) {
      APFloat value(floats[i]);
      bool lost;
      value.convert(cast<FloatType>(element).getFloatSemantics(), APFloat::rmNearestTiesToEven,
                    &lost);
      bits = value.bitcastToAPInt().getZExtValue();
    } else {
      bits = uint64_t(integers[i]);
    }
    std::memcpy(&bytes[i * width], &bits, width);
  }
  return bytes;
}

Elements Elements::fromBytes(RankedTensorType type, const char *bytes) {
  Elements elements(type);
  Type element = type.getElementType();
  size_t width = storageBytes(element);
  for (size_t i = 0; i < elements.size(); ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, bytes + i * width, width);
    if (auto floatType = dyn_cast<FloatType>(element)) {
      APFloat value(floatType.getFloatSemantics(), APInt(width * 8, bits));
      bool lost;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      elements.floats[i] = value.convertToDouble();
    } else {
      elements.integers[i] = APInt(width * 8, bits).getSExtValue();
    }
  }
  return elements;
}

namespace {

/// One element: `f` where its type is a float, `i` where it is an integer or an index.
struct Scalar {
  double f = 0;
  int64_t i = 0;
};

using Environment = llvm::DenseMap<Value, Scalar>;
using Tensors = llvm::DenseMap<Value, std::shared_ptr<Elements>>;

Scalar fromAttribute(Attribute attr) {
  if (auto value = dyn_cast<FloatAttr>(attr))
    return {value.getValueAsDouble(), 0};
  auto value = cast<IntegerAttr>(attr);
  return {0, value.getType().isInteger(1) ? int64_t(value.getValue().getZExtValue())
                                          : value.getValue().getSExtValue()};
}

bool compareFloats(arith::CmpFPredicate predicate, double x, double y) {
  bool unordered = std::isnan(x) || std::isnan(y);
  switch (predicate) {
  case arith::CmpFPredicate::OEQ:
    return x == y;
  case arith::CmpFPredicate::ONE:
    return !unordered && x != y;
  case arith::CmpFPredicate::OGT:
    return x > y;
  case arith::CmpFPredicate::OGE:
    return x >= y;
  case arith::CmpFPredicate::OLT:
    return x < y;
  case arith::CmpFPredicate::OLE:
    return x <= y;
  case arith::CmpFPredicate::UNE:
    return !(x == y);
  case arith::CmpFPredicate::UNO:
    return unordered;
  default:
    llvm_unreachable("a predicate that ScalarBuilder does not make");
  }
}

bool compareIntegers(arith::CmpIPredicate predicate, int64_t x, int64_t y) {
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return x == y;
  case arith::CmpIPredicate::ne:
    return x != y;
  case arith::CmpIPredicate::slt:
    return x < y;
  case arith::CmpIPredicate::sle:
    return x <= y;
  case arith::CmpIPredicate::sgt:
    return x > y;
  case arith::CmpIPredicate::sge:
    return x >= y;
  case arith::CmpIPredicate::ult:
    return uint64_t(x) < uint64_t(y);
  case arith::CmpIPredicate::ule:
    return uint64_t(x) <= uint64_t(y);
  case arith::CmpIPredicate::ugt:
    return uint64_t(x) > uint64_t(y);
  case arith::CmpIPredicate::uge:
    return uint64_t(x) >= uint64_t(y);
  }
  llvm_unreachable("unknown predicate");
}

/// NaN where either is NaN.
double extreme(double x, double y, bool largest) {
  if (std::isnan(x) || std::isnan(y))
    return NAN;
  return largest ? std::max(x, y) : std::min(x, y);
}

int64_t wrap(int64_t x, Type type) {
  unsigned width = isa<IndexType>(type) ? 64 : type.getIntOrFloatBitWidth();
  if (width == 1)
    return x & 1;
  return APInt(64, uint64_t(x)).trunc(width).getSExtValue();
}

Scalar compute(Operation &op, ArrayRef<Scalar> x) {
  Type type = op.getResult(0).getType();
  auto real = [](double f) { return Scalar{f, 0}; };
  auto whole = [&](int64_t i) { return Scalar{0, wrap(i, type)}; };
  bool fromBool = op.getNumOperands() && op.getOperand(0).getType().isInteger(1);
  return llvm::TypeSwitch<Operation *, Scalar>(&op)
      .Case([&](arith::ConstantOp c) { return fromAttribute(c.getValue()); })
      .Case([&](arith::AddFOp) { return real(x[0].f + x[1].f); })
      .Case([&](arith::SubFOp) { return real(x[0].f - x[1].f); })
      .Case([&](arith::MulFOp) { return real(x[0].f * x[1].f); })
      .Case([&](arith::DivFOp) { return real(x[0].f / x[1].f); })
      .Case([&](arith::NegFOp) { return real(-x[0].f); })
      .Case([&](arith::MaximumFOp) { return real(extreme(x[0].f, x[1].f, true)); })
      .Case([&](arith::MinimumFOp) { return real(extreme(x[0].f, x[1].f, false)); })
      .Case([&](arith::MaxNumFOp) { return real(std::fmax(x[0].f, x[1].f)); })
      .Case([&](arith::MinNumFOp) { return real(std::fmin(x[0].f, x[1].f)); })
      .Case([&](arith::CmpFOp c) { return whole(compareFloats(c.getPredicate(), x[0].f, x[1].f)); })
      .Case(
          [&](arith::CmpIOp c) { return whole(compareIntegers(c.getPredicate(), x[0].i, x[1].i)); })
      .Case([&](arith::SelectOp) { return x[0].i ? x[1] : x[2]; })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](auto) { return x[0]; })
      .Case<arith::SIToFPOp, arith::UIToFPOp>([&](auto) { return real(double(x[0].i)); })
      .Case([&](arith::FPToSIOp) { return whole(int64_t(x[0].f)); })
      .Case<arith::ExtUIOp, arith::IndexCastUIOp>([&](auto) { return whole(x[0].i); })
      .Case<arith::ExtSIOp, arith::TruncIOp, arith::IndexCastOp>(
          [&](auto) { return whole(fromBool ? -x[0].i : x[0].i); })
      .Case([&](arith::AddIOp) { return whole(x[0].i + x[1].i); })
      .Case([&](arith::SubIOp) { return whole(x[0].i - x[1].i); })
      .Case([&](arith::MulIOp) { return whole(x[0].i * x[1].i); })
      .Case([&](arith::DivSIOp) { return whole(x[0].i / x[1].i); })
      .Case([&](arith::AndIOp) { return whole(x[0].i & x[1].i); })
      .Case([&](arith::OrIOp) { return whole(x[0].i | x[1].i); })
      .Case([&](arith::XOrIOp) { return whole(x[0].i ^ x[1].i); })
      .Case([&](arith::MaxSIOp) { return whole(std::max(x[0].i, x[1].i)); })
      .Case([&](arith::MinSIOp) { return whole(std::min(x[0].i, x[1].i)); })
      .Case([&](math::ExpOp) { return real(std::exp(x[0].f)); })
      .Case([&](math::LogOp) { return real(std::log(x[0].f)); })
      .Case([&](math::Log1pOp) { return real(std::log1p(x[0].f)); })
      .Case([&](math::SqrtOp) { return real(std::sqrt(x[0].f)); })
      .Case([&](math::TanhOp) { return real(std::tanh(x[0].f)); })
      .Case([&](math::ErfOp) { return real(std::erf(x[0].f)); })
      .Case([&](math::PowFOp) { return real(std::pow(x[0].f, x[1].f)); })
      .Case([&](math::SinOp) { return real(std::sin(x[0].f)); })
      .Case([&](math::CosOp) { return real(std::cos(x[0].f)); })
      .Case([&](math::AbsFOp) { return real(std::fabs(x[0].f)); })
      .Case([&](math::FloorOp) { return real(std::floor(x[0].f)); })
      .Case([&](math::CeilOp) { return real(std::ceil(x[0].f)); })
      .Case([&](math::RoundEvenOp) { return real(std::nearbyint(x[0].f)); })
      .Default([](Operation *unknown) -> Scalar {
        unknown->emitError("is not interpreted");
        std::abort();
      });
}

class Interpreter {
public:
  Tensors tensors;

  void run(Block &block) {
    for (Operation &op : block.without_terminator())
      runOperation(op);
  }

  std::vector<Elements> results(Operation *terminator) {
    std::vector<Elements> found;
    for (Value v : terminator->getOperands())
      found.push_back(*tensors.lookup(v));
    return found;
  }

private:
  Elements &make(Value v) {
    auto elements = std::make_shared<Elements>(cast<RankedTensorType>(v.getType()));
    tensors[v] = elements;
    return *elements;
  }

  static void write(Elements &to, int64_t at, Scalar x) {
    if (to.isFloat())
      to.floats[at] = x.f;
    else
      to.integers[at] = x.i;
  }
  static Scalar read(const Elements &from, int64_t at) {
    return from.isFloat() ? Scalar{from.floats[at], 0} : Scalar{0, from.integers[at]};
  }

  static int64_t flatten(RankedTensorType type, ArrayRef<int64_t> indices) {
    int64_t at = 0;
    for (auto [extent, i] : llvm::zip(type.getShape(), indices)) {
      assert(i >= 0 && i < extent && "an index is out of range");
      at = at * extent + i;
    }
    return at;
  }

  void runOperation(Operation &op) {
    if (auto kernel = dyn_cast<plan::KernelOp>(op)) {
      Interpreter inner;
      for (auto [argument, v] :
           llvm::zip(kernel.getBodyBlock()->getArguments(), kernel.getInputs()))
        inner.tensors[argument] = tensors.lookup(v);
      inner.run(*kernel.getBodyBlock());
      for (auto [r, v] : llvm::zip(kernel.getResults(), kernel.getYield()->getOperands()))
        tensors[r] = inner.tensors.lookup(v);
    } else if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      auto view = std::make_shared<Elements>(*tensors.lookup(op.getOperand(0)));
      view->type = cast<RankedTensorType>(op.getResult(0).getType());
      tensors[op.getResult(0)] = view;
    } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue())) {
        Elements &to = make(op.getResult(0));
        for (auto [at, x] : llvm::enumerate(dense.getValues<Attribute>()))
          write(to, at, fromAttribute(x));
      } else {
        scalars[op.getResult(0)] = fromAttribute(constant.getValue());
      }
    } else if (isa<tensor::EmptyOp>(op)) {
      make(op.getResult(0));
    } else if (auto fill = dyn_cast<linalg::FillOp>(op)) {
      Elements &to = make(op.getResult(0));
      for (size_t at = 0; at < to.size(); ++at)
        write(to, at, scalars.lookup(fill.getInputs()[0]));
    } else if (auto scan = dyn_cast<plan::ScanOp>(op)) {
      runScan(scan);
    } else if (auto sort = dyn_cast<plan::SortOp>(op)) {
      runSort(sort);
    } else if (auto scatter = dyn_cast<plan::ScatterOp>(op)) {
      runScatter(scatter);
    } else {
      runGeneric(cast<linalg::GenericOp>(op));
    }
  }

  /// Where the elements of each line along `axis` lie.
  static void forEachLine(RankedTensorType type, int64_t axis,
                          llvm::function_ref<void(ArrayRef<int64_t>)> fn) {
    int64_t inner = llvm::product_of(type.getShape().drop_front(axis + 1), int64_t(1));
    int64_t extent = type.getDimSize(axis);
    for (int64_t at = 0; at < type.getNumElements(); ++at) {
      if (at / inner % extent != 0)
        continue;
      SmallVector<int64_t> line;
      for (int64_t i = 0; i < extent; ++i)
        line.push_back(at + i * inner);
      fn(line);
    }
  }

  /// What a body of two scalars yields.
  Scalar runBody(Region &body, Scalar x, Scalar y) {
    Environment env;
    env[body.getArgument(0)] = x;
    env[body.getArgument(1)] = y;
    runBlock(body.front(), env, {});
    return env.lookup(body.front().getTerminator()->getOperand(0));
  }

  void runScan(plan::ScanOp scan) {
    const Elements &from = *tensors.lookup(scan.getInput());
    Elements &to = make(scan.getResult());
    forEachLine(from.type, scan.getAxis(), [&](ArrayRef<int64_t> line) {
      SmallVector<int64_t> order(line);
      if (scan.getReverse())
        std::reverse(order.begin(), order.end());
      Scalar merged = fromAttribute(scan.getNeutral());
      for (int64_t at : order) {
        Scalar before = merged;
        merged = runBody(scan.getCombiner(), read(from, at), merged);
        write(to, at, scan.getExclusive() ? before : merged);
      }
    });
  }

  void runSort(plan::SortOp sort) {
    const Elements &from = *tensors.lookup(sort.getKeys());
    Elements &keys = make(sort.getSorted()), &places = make(sort.getPlaces());
    std::vector<SmallVector<int64_t>> results; // shorter, where not all are asked for
    forEachLine(keys.type, sort.getAxis(),
                [&](ArrayRef<int64_t> line) { results.emplace_back(line); });
    size_t number = 0;
    forEachLine(from.type, sort.getAxis(), [&](ArrayRef<int64_t> line) {
      auto order = llvm::to_vector(llvm::seq<int64_t>(0, line.size()));
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        return runBody(sort.getIsBefore(), read(from, line[i]), read(from, line[j])).i != 0;
      });
      for (auto [at, place] : llvm::zip(results[number++], order)) {
        write(keys, at, read(from, line[place]));
        write(places, at, {0, place});
      }
    });
  }

  void runScatter(plan::ScatterOp scatter) {
    const Elements &updates = *tensors.lookup(scatter.getUpdates());
    const Elements &places = *tensors.lookup(scatter.getPlaces());
    Elements &to = make(scatter.getResult());
    for (size_t at = 0; at < to.size(); ++at)
      write(to, at,
            scatter.getData() ? read(*tensors.lookup(scatter.getData()), at)
                              : fromAttribute(*scatter.getInitial()));
    int64_t axis = scatter.getAxis(), rank = to.type.getRank();
    // In row-major order, which is that of the axis for those of one place.
    SmallVector<int64_t> point(rank);
    for (int64_t at = 0; at < updates.type.getNumElements(); ++at) {
      SmallVector<int64_t> of;
      int64_t rest = at;
      for (int64_t d = rank - 1; d >= 0; --d) {
        point[d] = rest % updates.type.getDimSize(d);
        rest /= updates.type.getDimSize(d);
      }
      for (int64_t d = 0; d < rank; ++d)
        of.push_back(places.type.getDimSize(d) == 1 ? 0 : point[d]);
      int64_t place = read(places, flatten(places.type, of)).i;
      if (place < 0 || place >= to.type.getDimSize(axis))
        continue;
      point[axis] = place;
      int64_t goal = flatten(to.type, point);
      write(to, goal, runBody(scatter.getMerge(), read(to, goal), read(updates, at)));
    }
  }

  void runGeneric(linalg::GenericOp op) {
    for (auto [r, init] : llvm::zip(op.getResults(), op.getDpsInits()))
      make(r) = *tensors.lookup(init);
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    SmallVector<int64_t> point(ranges.size());
    if (llvm::is_contained(ranges, 0))
      return;
    auto place = [&](OpOperand &operand) {
      auto type = cast<RankedTensorType>(operand.get().getType());
      return flatten(type, op.getMatchingIndexingMap(&operand).compose(point));
    };
    while (true) {
      Environment env = scalars;
      for (OpOperand &operand : op->getOpOperands()) {
        Value source = op.isDpsInit(&operand) ? Value(op.getTiedOpResult(&operand)) : operand.get();
        env[op.getMatchingBlockArgument(&operand)] = read(*tensors.lookup(source), place(operand));
      }
      runBlock(*op.getBody(), env, point);
      for (auto [i, v] : llvm::enumerate(op.getBody()->getTerminator()->getOperands()))
        write(*tensors.lookup(op.getResult(i)), place(*op.getDpsInitOperand(i)), env.lookup(v));
      size_t d = ranges.size();
      while (d > 0 && ++point[d - 1] == ranges[d - 1])
        point[--d] = 0;
      if (d == 0)
        return;
    }
  }

  void runBlock(Block &block, Environment &env, ArrayRef<int64_t> point) {
    for (Operation &op : block.without_terminator()) {
      if (auto loop = dyn_cast<scf::ForOp>(op))
        runLoop(loop, env, point);
      else
        env[op.getResult(0)] = runScalar(op, env, point);
    }
  }

  void runLoop(scf::ForOp loop, Environment &outer, ArrayRef<int64_t> point) {
    Environment env = outer;
    for (auto [carried, initial] : llvm::zip(loop.getRegionIterArgs(), loop.getInitArgs()))
      env[carried] = env.lookup(initial);
    int64_t to = env.lookup(loop.getUpperBound()).i, step = env.lookup(loop.getStep()).i;
    for (int64_t i = env.lookup(loop.getLowerBound()).i; i < to; i += step) {
      env[loop.getInductionVar()] = {0, i};
      runBlock(*loop.getBody(), env, point);
      SmallVector<Scalar> next;
      for (Value v : loop.getYieldedValues())
        next.push_back(env.lookup(v));
      for (auto [carried, x] : llvm::zip(loop.getRegionIterArgs(), next))
        env[carried] = x;
    }
    for (auto [result, carried] : llvm::zip(loop.getResults(), loop.getRegionIterArgs()))
      outer[result] = env.lookup(carried);
  }

  Scalar runScalar(Operation &op, const Environment &env, ArrayRef<int64_t> point) {
    if (auto index = dyn_cast<linalg::IndexOp>(op))
      return {0, point[index.getDim()]};
    if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      SmallVector<int64_t> indices;
      for (Value i : extract.getIndices())
        indices.push_back(env.lookup(i).i);
      const Elements &from = *tensors.lookup(extract.getTensor());
      return read(from, flatten(from.type, indices));
    }
    SmallVector<Scalar> operands;
    for (Value v : op.getOperands())
      operands.push_back(env.lookup(v));
    return compute(op, operands);
  }

  Environment scalars; // constants
};

} // namespace

std::vector<Elements> interpret(func::FuncOp func, const std::vector<Elements> &arguments) {
  Interpreter interpreter;
  for (auto [argument, elements] : llvm::zip(func.getArguments(), arguments))
    interpreter.tensors[argument] = std::make_shared<Elements>(elements);
  interpreter.run(func.front());
  return interpreter.results(func.front().getTerminator());
}

} // namespace ampc::test
