//===- TableWriter.cpp - The tables of a train.so -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TableWriter.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Optimize/Buffers.h"
#include "ampc/Optimize/StepCosts.h"
#include "ampc/Optimize/StepOrder.h"
#include "ampc/Support/NodeLocation.h"
#include "ampc/Support/StateNames.h"
#include "ampc/Support/StoredTypes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include <cstring>

namespace ampc {
namespace {

uint8_t dtypeOf(Type elementType) {
  if (elementType.isF16())
    return AMPC_DTYPE_F16;
  if (elementType.isBF16())
    return AMPC_DTYPE_BF16;
  if (elementType.isF32())
    return AMPC_DTYPE_F32;
  if (elementType.isF64())
    return AMPC_DTYPE_F64;
  if (const StoredType *stored = findStoredType(elementType))
    return stored->number;
  bool isUnsigned = elementType.isUnsignedInteger();
  switch (elementType.getIntOrFloatBitWidth()) {
  case 1:
    return AMPC_DTYPE_BOOL;
  case 8:
    return isUnsigned ? AMPC_DTYPE_U8 : AMPC_DTYPE_I8;
  case 16:
    return isUnsigned ? AMPC_DTYPE_U16 : AMPC_DTYPE_I16;
  case 32:
    return isUnsigned ? AMPC_DTYPE_U32 : AMPC_DTYPE_I32;
  default:
    return isUnsigned ? AMPC_DTYPE_U64 : AMPC_DTYPE_I64;
  }
}

/// The type of a slot for a tensor of type `declared`: unsigned where its bits are, and that of a
/// type that is only stored.
uint8_t slotType(RankedTensorType staged, RankedTensorType declared) {
  if (findStoredType(declared))
    return dtypeOf(declared.getElementType());
  bool isUnsigned = declared.getElementType().isUnsignedInteger() &&
                    declared.getElementTypeBitWidth() == staged.getElementTypeBitWidth();
  return dtypeOf((isUnsigned ? declared : staged).getElementType());
}

uint32_t targetIndex(Target target) {
  return target == Target::Host ? AMPC_TARGET_HOST : AMPC_TARGET_CUDA;
}

/// The bits of one element, as they lie in memory.
uint64_t bitsOf(Attribute element) {
  if (auto f = dyn_cast<FloatAttr>(element))
    return f.getValue().bitcastToAPInt().getZExtValue();
  return cast<IntegerAttr>(element).getValue().getZExtValue();
}

/// The values of a 16-bit tensor in f32, which holds them all.
std::vector<char> widenToF32(const Weight &weight) {
  const llvm::fltSemantics &type =
      cast<FloatType>(weight.type.getElementType()).getFloatSemantics();
  size_t count = weight.bytes.size() / sizeof(uint16_t);
  std::vector<char> bytes(count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, weight.bytes.data() + i * sizeof(bits), sizeof(bits));
    APFloat value(type, APInt(16, bits));
    bool inexact = false;
    value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &inexact);
    float widened = value.convertToFloat();
    std::memcpy(bytes.data() + i * sizeof(widened), &widened, sizeof(widened));
  }
  return bytes;
}

/// Numbers and strings as a JSON object.
std::string toJson(DictionaryAttr attributes) {
  llvm::json::Object object;
  for (NamedAttribute entry : attributes) {
    StringRef name = entry.getName();
    if (auto number = dyn_cast<FloatAttr>(entry.getValue()))
      object[name] = number.getValueAsDouble();
    else if (auto text = dyn_cast<StringAttr>(entry.getValue()))
      object[name] = llvm::json::fixUTF8(text.getValue());
  }
  std::string result;
  llvm::raw_string_ostream(result) << llvm::json::Value(std::move(object));
  return result;
}

class TableWriter {
public:
  TableWriter(const WeightStore &store, const CompileOptions &options, StringRef optimizer)
      : store(store), options(options), optimizer(optimizer) {}

  LogicalResult addTarget(const PlannedTarget &target);
  Tables finish();

private:
  uint32_t addString(StringRef text);
  uint32_t addIntegers(ArrayRef<int64_t> values);
  uint32_t addTensor(StringRef name, RankedTensorType type, ampc_role_t role);
  /// Inputs, outputs and state have names of their own: a graph may hand out what it was
  /// given, under one name.
  llvm::StringMap<uint32_t> &tensorsOf(ampc_role_t role) {
    return role == AMPC_ROLE_INPUT ? inputOf : role == AMPC_ROLE_OUTPUT ? outputOf : stateOf;
  }
  LogicalResult addVariable(VariableOp variable, uint32_t target);
  LogicalResult addProgram(func::FuncOp function, const PlannedTarget &target);
  void addBindings(func::FuncOp function);
  void setQueue(Operation *step, ampc_step_entry_t &entry);
  /// The steps of a program, or of the body of a loop.
  LogicalResult addSteps(func::FuncOp function, const PlannedTarget &target);
  LogicalResult addLoop(plan::LoopOp loop, const PlannedTarget &target);
  void addStep(plan::StepOpInterface step, const PlannedTarget &target);
  /// Says what the step writes, whose arguments begin with number `first`.
  void addValues(plan::StepOpInterface step, uint32_t first);
  void addValue(uint32_t argument, RankedTensorType type, const ResultName &name);
  uint32_t addKernel(plan::LaunchOp launch, const PlannedTarget &target);
  ampc_argument_entry_t makeArgument(const StepArgument &argument);
  uint64_t addWeights(ArrayRef<char> bytes);
  uint64_t offsetOf(Value value);
  int64_t strideOf(Value value);

  const WeightStore &store;
  const CompileOptions &options;
  StringRef optimizer;

  std::vector<char> strings;
  llvm::StringMap<uint32_t> stringOffsets;
  std::vector<int64_t> integers;
  std::vector<ampc_tensor_entry_t> tensors;
  llvm::StringMap<uint32_t> inputOf, outputOf, stateOf; ///< indices of tensors
  std::vector<ampc_binding_entry_t> bindings;
  std::vector<ampc_program_entry_t> programs;
  std::vector<ampc_step_entry_t> steps;
  std::vector<uint32_t> waits;
  DenseMap<int64_t, uint32_t> signalOf; ///< numbers of signals, of one program
  std::vector<ampc_argument_entry_t> arguments;
  std::vector<ampc_kernel_entry_t> kernels;
  std::vector<ampc_parameter_entry_t> parameters;
  std::map<std::pair<uint32_t, std::string>, uint32_t> kernelOf;
  llvm::StringMap<uint32_t> hostFunctionOf; ///< place in hostSymbols, by name
  DenseMap<Value, uint64_t> reserveOf;      ///< number of what is sized at load, of one target
  SymbolTableCollection symbolTables;
  std::vector<ampc_image_entry_t> images;
  std::vector<StringRef> imageBytes; ///< of images[i]
  std::vector<uint32_t> gradients;
  std::vector<ampc_value_entry_t> values;
  std::map<std::vector<int64_t>, uint32_t> shapeOf; ///< places among integers
  ampc_tables_t header = {};

  struct Chunk {
    uint64_t offset;
    ArrayRef<char> bytes;
    std::shared_ptr<std::vector<char>> owner; ///< null where the store owns them
    const Weight *weight;                     ///< whose bytes they are; null where it has others
  };
  std::vector<Chunk> chunks;
  uint64_t weightsBytes = 0;
};

uint32_t TableWriter::addString(StringRef text) {
  auto [it, inserted] = stringOffsets.try_emplace(text, strings.size());
  if (inserted) {
    strings.insert(strings.end(), text.begin(), text.end());
    strings.push_back('\0');
  }
  return it->second;
}

uint32_t TableWriter::addIntegers(ArrayRef<int64_t> values) {
  uint32_t first = integers.size();
  integers.insert(integers.end(), values.begin(), values.end());
  return first;
}

uint32_t TableWriter::addTensor(StringRef name, RankedTensorType type, ampc_role_t role) {
  auto [it, inserted] = tensorsOf(role).try_emplace(name, tensors.size());
  if (!inserted)
    return it->second;
  ampc_tensor_entry_t entry = {};
  entry.name = addString(name);
  entry.settings = addString("");
  entry.first_dim = addIntegers(type.getShape());
  entry.role = role;
  entry.dtype = dtypeOf(type.getElementType());
  entry.rank = type.getRank();
  entry.bytes = *getByteSize(type);
  entry.offset[0] = entry.offset[1] = AMPC_NONE_U64;
  tensors.push_back(entry);
  return it->second;
}

uint64_t TableWriter::addWeights(ArrayRef<char> bytes) {
  uint64_t offset = llvm::alignTo(weightsBytes, AMPC_ALIGNMENT);
  chunks.push_back({offset, bytes, nullptr, nullptr});
  weightsBytes = offset + bytes.size();
  return offset;
}

LogicalResult TableWriter::addVariable(VariableOp variable, uint32_t target) {
  RankedTensorType type = variable.getTensorType();
  bool known = stateOf.contains(variable.getSymName());
  uint32_t index = addTensor(variable.getSymName(), type, ampc_role_t(variable.getRole()));
  ampc_tensor_entry_t &entry = tensors[index];
  if (auto offset = variable->getAttrOfType<IntegerAttr>(plan::kOffsetAttr))
    entry.offset[target] = offset.getInt();
  if (known)
    return success();
  if (variable.getTrained())
    entry.flags |= AMPC_TENSOR_TRAINED;
  NamedAttrList settings(variable.getUpdateSettings().value_or(DictionaryAttr()));
  for (StringRef key : {kStateDictAttr, kStateDictFormAttr})
    if (auto value = variable->getAttrOfType<StringAttr>(key))
      settings.set(key.drop_front(StringRef("amp.").size()), value);
  if (!settings.empty())
    entry.settings = addString(toJson(settings.getDictionary(variable.getContext())));
  if (auto initial = dyn_cast_if_present<DenseElementsAttr>(variable.getInitialAttr())) {
    if (initial.isSplat()) {
      entry.init_kind = AMPC_INIT_FILL;
      entry.init_value = bitsOf(initial.getSplatValue<Attribute>());
      return success();
    }
    // Attributes pack booleans and may not outlive their module: keep the bytes.
    auto bytes = std::make_shared<std::vector<char>>();
    size_t size = entry.bytes / std::max<int64_t>(type.getNumElements(), 1);
    for (Attribute element : initial.getValues<Attribute>()) {
      uint64_t bits = bitsOf(element);
      bytes->insert(bytes->end(), reinterpret_cast<char *>(&bits),
                    reinterpret_cast<char *>(&bits) + size);
    }
    entry.init_kind = AMPC_INIT_DATA;
    entry.init_value = addWeights(*bytes);
    chunks.back().owner = bytes;
    return success();
  }
  if (variable.getFromModel()) {
    const Weight *weight = store.find(variable.getSymName());
    if (weight && variable.getFileType() &&
        weight->type.getElementType() == *variable.getFileType()) {
      auto bytes = std::make_shared<std::vector<char>>(widenToF32(*weight));
      entry.init_kind = AMPC_INIT_DATA;
      entry.init_value = addWeights(*bytes);
      chunks.back().owner = bytes;
      return success();
    }
    if (!weight || weight->bytes.size() != entry.bytes)
      return variable.emitOpError("has no initial value in the model");
    entry.init_kind = AMPC_INIT_DATA;
    entry.init_value = addWeights(weight->bytes);
    chunks.back().weight = weight;
    return success();
  }
  entry.init_kind = AMPC_INIT_NONE;
  return success();
}

uint64_t TableWriter::offsetOf(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    return function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), plan::kOffsetAttr)
        .getInt();
  }
  auto result = cast<OpResult>(value);
  auto offsets = result.getOwner()->getAttrOfType<DenseI64ArrayAttr>(plan::kOffsetsAttr);
  return offsets[result.getResultNumber()];
}

int64_t TableWriter::strideOf(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto stride =
        function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), plan::kStrideAttr);
    return stride ? stride.getInt() : 0;
  }
  auto result = cast<OpResult>(value);
  auto strides = result.getOwner()->getAttrOfType<DenseI64ArrayAttr>(plan::kStridesAttr);
  return strides ? strides[result.getResultNumber()] : 0;
}

static void noteBatchAxis(ampc_tensor_entry_t &tensor, DictionaryAttr attributes) {
  if (std::optional<int64_t> axis = getBatchAxis(attributes)) {
    tensor.flags |= AMPC_TENSOR_BATCHED;
    tensor.batch_axis = uint32_t(*axis);
  }
}

void TableWriter::addBindings(func::FuncOp function) {
  ampc_program_entry_t &program = programs.back();
  program.first_input = bindings.size();
  for (BlockArgument argument : function.getArguments()) {
    unsigned i = argument.getArgNumber();
    auto staged = cast<RankedTensorType>(argument.getType());
    auto declared = staged;
    if (auto attr = function.getArgAttrOfType<TypeAttr>(i, kDeclaredTypeAttr))
      declared = cast<RankedTensorType>(attr.getValue());
    uint32_t tensor = addTensor(function.getArgAttrOfType<StringAttr>(i, kNameAttr).getValue(),
                                declared, AMPC_ROLE_INPUT);
    noteBatchAxis(tensors[tensor], function.getArgAttrDict(i));
    if (function.getArgAttr(i, kLabelAttr))
      tensors[tensor].flags |= AMPC_TENSOR_LABEL;
    if (auto checked = function.getArgAttrOfType<IntegerAttr>(i, kCheckedAttr)) {
      if (checked.getInt() & AMPC_FLAG_LABEL_OUT_OF_RANGE)
        tensors[tensor].flags |= AMPC_TENSOR_CHECKED_LABELS;
      if (checked.getInt() & AMPC_FLAG_INDEX_OUT_OF_RANGE)
        tensors[tensor].flags |= AMPC_TENSOR_CHECKED_INDICES;
      if (checked.getInt() & AMPC_FLAG_SHAPE_DIFFERS)
        tensors[tensor].flags |= AMPC_TENSOR_CHECKED_SHAPES;
    }
    // What nothing reads has no slot: the caller need not give it.
    if (!argument.use_empty())
      bindings.push_back(
          {tensor, slotType(staged, declared), offsetOf(argument), *getByteSize(staged)});
  }
  program.input_count = bindings.size() - program.first_input;
  program.first_output = bindings.size();
  for (auto [i, value] :
       llvm::enumerate(function.getBody().front().getTerminator()->getOperands())) {
    auto type = cast<RankedTensorType>(value.getType()), declared = type;
    if (auto attr = function.getResultAttrOfType<TypeAttr>(i, kDeclaredTypeAttr))
      declared = cast<RankedTensorType>(attr.getValue());
    StringRef name = function.getResultAttrOfType<StringAttr>(i, kNameAttr).getValue();
    uint32_t tensor = addTensor(name, declared, AMPC_ROLE_OUTPUT);
    noteBatchAxis(tensors[tensor], function.getResultAttrDict(i));
    if (function.getResultAttr(i, kLossAttr))
      tensors[tensor].flags |= AMPC_TENSOR_LOSS;
    bindings.push_back({tensor, slotType(type, declared), offsetOf(value), *getByteSize(type)});
  }
  program.output_count = bindings.size() - program.first_output;
}

uint32_t TableWriter::addKernel(plan::LaunchOp launch, const PlannedTarget &target) {
  SymbolRefAttr name = launch.getKernel();
  StringRef leaf = name.getLeafReference().getValue();
  auto [it, inserted] =
      kernelOf.try_emplace({targetIndex(target.target), leaf.str()}, kernels.size());
  if (!inserted)
    return it->second;
  ampc_kernel_entry_t entry = {};
  entry.name = addString(leaf);
  entry.target = targetIndex(target.target);
  entry.function = AMPC_NONE_U32;
  if (target.target == Target::Host) {
    if (hostFunctionOf.empty())
      for (auto [i, symbol] : llvm::enumerate(target.hostSymbols))
        hostFunctionOf[symbol] = i;
    auto at = hostFunctionOf.find(leaf);
    assert(at != hostFunctionOf.end() && "every launched kernel was compiled");
    entry.function = at->second;
  }
  auto kernel = cast<gpu::GPUFuncOp>(symbolTables.lookupSymbolIn(target.module, name));
  if (target.target == Target::Cuda)
    entry.shared_bytes = uint32_t(*workgroupBytes(kernel));
  llvm::copy(launch.getGrid(), entry.grid);
  llvm::copy(launch.getBlock(), entry.block);
  entry.first_parameter = parameters.size();
  entry.parameter_count = kernel.getNumArguments();
  for (auto [i, type, argument] :
       llvm::enumerate(kernel.getArgumentTypes(), getStepArguments(launch))) {
    auto memref = cast<MemRefType>(type);
    auto tensor = RankedTensorType::get(memref.getShape(), memref.getElementType());
    bool isWritten = !kernel.getArgAttr(i, LLVM::LLVMDialect::getReadonlyAttrName());
    // Kernels hold a boolean as i8: the element type is the value's.
    Type elementType = getElementTypeOrSelf(argument.value);
    parameters.push_back({*getByteSize(tensor), dtypeOf(elementType),
                          uint32_t(isWritten ? AMPC_ARGUMENT_WRITE : AMPC_ARGUMENT_READ)});
  }
  kernels.push_back(entry);
  return it->second;
}

ampc_argument_entry_t TableWriter::makeArgument(const StepArgument &argument) {
  auto type = cast<RankedTensorType>(argument.value.getType());
  uint32_t flags =
      (argument.isRead ? AMPC_ARGUMENT_READ : 0) | (argument.isWritten ? AMPC_ARGUMENT_WRITE : 0);
  uint64_t offset = offsetOf(argument.value);
  if (argument.role == plan::OperandRole::Scratch)
    flags |= AMPC_ARGUMENT_SCRATCH;
  if (argument.role == plan::OperandRole::Reserve) {
    flags |= AMPC_ARGUMENT_RESERVE;
    if (plan::isSizedAtLoad(type)) {
      flags |= AMPC_ARGUMENT_SIZED_AT_LOAD;
      offset = reserveOf.try_emplace(argument.value, reserveOf.size()).first->second;
    }
  }
  return {offset, *getByteSize(type), dtypeOf(type.getElementType()), flags,
          strideOf(argument.value)};
}

/// The carried values begin in the buffers where they end; the body's steps follow the loop's.
LogicalResult TableWriter::addLoop(plan::LoopOp loop, const PlannedTarget &target) {
  size_t begin = steps.size();
  auto add = [&](ampc_step_kind_t kind) -> ampc_step_entry_t & {
    ampc_step_entry_t entry = {};
    entry.kind = kind;
    entry.name = addString(joinNodeNames(loop.getLoc()));
    for (int i = 0; i < 3; ++i)
      entry.grid[i] = entry.block[i] = 1;
    entry.first_argument = arguments.size();
    entry.first_integer = integers.size();
    return steps.emplace_back(entry);
  };
  for (auto [initial, carried] : llvm::zip(loop.getInitial(), loop.getResults())) {
    ampc_step_entry_t &copy = add(AMPC_STEP_COPY);
    arguments.push_back(makeArgument({initial, true, false, plan::OperandRole::In}));
    arguments.push_back(makeArgument({carried, false, true, plan::OperandRole::Out}));
    copy.argument_count = 2;
    addValue(uint32_t(arguments.size() - 1), cast<RankedTensorType>(carried.getType()),
             getResultName(nameNoResult(loop.getLoc()), 0));
    copy.read_bytes = copy.written_bytes = *getByteSize(initial.getType());
  }
  add(AMPC_STEP_LOOP).integer_count = AMPC_LOOP_INTEGER_COUNT;
  size_t at = steps.size() - 1;
  size_t first = steps.size(), integer = addIntegers({int64_t(loop.getCount()), 0});
  auto body = cast<func::FuncOp>(symbolTables.lookupNearestSymbolFrom(loop, loop.getBodyAttr()));
  if (failed(addSteps(body, target)))
    return failure();
  integers[integer + AMPC_LOOP_STEPS] = steps.size() - first;
  // All in the loop's queue: the first one waits for what it waits for, its own ends them.
  ampc_step_entry_t order = {};
  setQueue(loop, order);
  for (ampc_step_entry_t &step : llvm::drop_begin(steps, begin)) {
    step.queue = order.queue;
    step.signal = AMPC_NONE_U32;
  }
  steps[begin].first_wait = order.first_wait;
  steps[begin].wait_count = order.wait_count;
  steps[at].signal = order.signal;
  return success();
}

void TableWriter::addStep(plan::StepOpInterface step, const PlannedTarget &target) {
  ampc_step_entry_t entry = {};
  entry.name = addString(joinNodeNames(step->getLoc()));
  for (int i = 0; i < 3; ++i)
    entry.grid[i] = entry.block[i] = 1;
  entry.first_integer = integers.size();
  entry.kind = *step.getStepKind(); // plan-verify saw that it is a step
  if (auto launch = dyn_cast<plan::LaunchOp>(step.getOperation())) {
    entry.index = addKernel(launch, target);
    entry.flags = launch->hasAttr(plan::kTensorCoresAttr) ? AMPC_STEP_TENSOR_CORES : 0;
    for (auto [i, n] : llvm::enumerate(launch.getGrid()))
      entry.grid[i] = n;
    for (auto [i, n] : llvm::enumerate(launch.getBlock()))
      entry.block[i] = n;
  } else if (auto call = dyn_cast<plan::LibraryCallOpInterface>(step.getOperation())) {
    entry.index = call.getLibraryCall();
    addIntegers(call.getIntegers());
  }
  entry.integer_count = integers.size() - entry.first_integer;
  entry.first_argument = arguments.size();
  for (const StepArgument &argument : getStepArguments(step))
    arguments.push_back(makeArgument(argument));
  entry.argument_count = arguments.size() - entry.first_argument;
  addValues(step, entry.first_argument);
  StepCosts costs = getStepCosts(step);
  entry.flops = costs.flops;
  entry.read_bytes = costs.readBytes;
  entry.written_bytes = costs.writtenBytes;
  setQueue(step, entry);
  steps.push_back(entry);
}

/// Its queue, waits and signal; signals are numbered as they are given.
void TableWriter::addValues(plan::StepOpInterface step, uint32_t first) {
  // As getStepArguments has them: operands, then results that are not tied to one.
  uint32_t next = first + step->getNumOperands();
  std::map<uint32_t, OpResult> written;
  for (OpResult result : step->getResults()) {
    int64_t tied = step.getTiedOperand(result.getResultNumber());
    written[tied >= 0 ? first + uint32_t(tied) : next++] = result;
  }
  for (auto [argument, result] : written)
    if (!(arguments[argument].flags & (AMPC_ARGUMENT_SCRATCH | AMPC_ARGUMENT_RESERVE)))
      addValue(argument, cast<RankedTensorType>(result.getType()),
               getResultName(step->getLoc(), result.getResultNumber()));
}

void TableWriter::addValue(uint32_t argument, RankedTensorType type, const ResultName &name) {
  auto [shape, inserted] = shapeOf.try_emplace(type.getShape().vec(), integers.size());
  if (inserted)
    addIntegers(type.getShape());
  values.push_back({argument, uint32_t(name.isGradient ? AMPC_VALUE_BACKWARD : AMPC_VALUE_FORWARD),
                    addString(name.value), addString(name.node), addString(name.type),
                    shape->second, uint32_t(type.getRank())});
}

void TableWriter::setQueue(Operation *step, ampc_step_entry_t &entry) {
  if (auto queue = step->getAttrOfType<IntegerAttr>(plan::kQueueAttr))
    entry.queue = queue.getInt();
  entry.first_wait = waits.size();
  if (auto awaited = step->getAttrOfType<DenseI64ArrayAttr>(plan::kWaitsAttr))
    for (int64_t signal : awaited.asArrayRef())
      waits.push_back(signalOf.at(signal));
  entry.wait_count = waits.size() - entry.first_wait;
  entry.signal = AMPC_NONE_U32;
  if (auto signal = step->getAttrOfType<IntegerAttr>(plan::kSignalAttr))
    entry.signal = signalOf.try_emplace(signal.getInt(), signalOf.size()).first->second;
}

LogicalResult TableWriter::addSteps(func::FuncOp function, const PlannedTarget &target) {
  for (Operation &op : function.getBody().front()) {
    if (auto loop = dyn_cast<plan::LoopOp>(op)) {
      if (failed(addLoop(loop, target)))
        return failure();
    } else if (auto step = dyn_cast<plan::StepOpInterface>(op)) {
      addStep(step, target);
    } else if (!isa<ReadOp, AssignOp, func::ReturnOp>(op) && !isAlias(&op)) {
      return op.emitOpError("is not a step of a program");
    }
  }
  return success();
}

LogicalResult TableWriter::addProgram(func::FuncOp function, const PlannedTarget &target) {
  FailureOr<StepOrder> order = StepOrder::create(function);
  if (failed(order))
    return failure();
  ampc_program_entry_t program = {};
  program.name = addString(function.getName());
  program.queue_count = order->queueCount();
  signalOf.clear();
  program.target = targetIndex(target.target);
  programs.push_back(program);
  addBindings(function);
  programs.back().first_step = steps.size();
  if (failed(addSteps(function, target)))
    return failure();
  programs.back().signal_count = signalOf.size();
  programs.back().step_count = steps.size() - programs.back().first_step;
  return success();
}

LogicalResult TableWriter::addTarget(const PlannedTarget &target) {
  uint32_t index = targetIndex(target.target);
  reserveOf.clear();
  ModuleOp module = target.module;
  ampc_target_entry_t &entry = header.targets[index];
  entry.present = 1;
  entry.arena_bytes = module->getAttrOfType<IntegerAttr>(plan::kArenaBytesAttr).getInt();
  entry.state_bytes = module->getAttrOfType<IntegerAttr>(plan::kStateBytesAttr).getInt();
  entry.features = addString(target.features);
  for (auto variable : module.getOps<VariableOp>())
    if (failed(addVariable(variable, index)))
      return failure();
  // The known ones first: tensors are listed in the order in which programs use them.
  llvm::SetVector<func::FuncOp> functions;
  for (StringRef name : {kTrainFunction, kAccumulateFunction, kApplyFunction, kEvalFunction,
                         kRefreshFunction, kInitFunction})
    if (auto function = module.lookupSymbol<func::FuncOp>(name))
      functions.insert(function);
  for (auto function : module.getOps<func::FuncOp>())
    functions.insert(function);
  for (func::FuncOp function : functions)
    if (!function.isExternal() && !function->hasAttr(plan::kLoopBodyAttr) &&
        failed(addProgram(function, target)))
      return failure();
  auto update = module.lookupSymbol<func::FuncOp>(kTrainFunction);
  if (!update)
    update = module.lookupSymbol<func::FuncOp>(kApplyFunction);
  if (update && gradients.empty())
    if (auto names = update->getAttrOfType<ArrayAttr>(kGradientsAttr))
      for (auto name : names.getAsValueRange<StringAttr>()) {
        auto it = stateOf.find(name);
        gradients.push_back(it == stateOf.end() ? AMPC_NONE_U32 : it->second);
      }
  entry.first_image = images.size();
  auto addImage = [&](uint32_t arch, bool isPtx, StringRef bytes) {
    images.push_back({arch, isPtx, 0, bytes.size()});
    imageBytes.push_back(bytes);
  };
  for (const Cubin &cubin : target.cubins)
    addImage(cubin.arch, false, StringRef(cubin.bytes.data(), cubin.bytes.size()));
  if (!target.ptx.empty())
    addImage(80, true, StringRef(target.ptx.c_str(), target.ptx.size() + 1));
  entry.image_count = images.size() - entry.first_image;
  return success();
}

/// The tables in one buffer, each at a multiple of the alignment.
class Blob {
public:
  uint64_t append(const void *data, size_t bytes) {
    buffer.resize(llvm::alignTo(buffer.size(), AMPC_ALIGNMENT));
    uint64_t offset = buffer.size();
    auto *begin = static_cast<const char *>(data);
    buffer.insert(buffer.end(), begin, begin + bytes);
    return offset;
  }
  template <typename T>
  ampc_span_t append(const std::vector<T> &entries) {
    return {append(entries.data(), entries.size() * sizeof(T)), entries.size()};
  }
  std::vector<char> buffer;
};

Tables TableWriter::finish() {
  std::memcpy(header.magic, AMPC_TABLES_MAGIC, sizeof(AMPC_TABLES_MAGIC));
  header.format_version = AMPC_FORMAT_VERSION;
  header.header_bytes = sizeof(header);
  header.weights_bytes = weightsBytes;
  header.producer = addString("ampc " AMPC_VERSION);
  header.model = addString(llvm::sys::path::filename(options.model));
  header.options = addString(options.flags);
  header.optimizer = addString(optimizer);
  header.low_dtype = options.level == 0        ? AMPC_DTYPE_F32
                     : options.dtype == "bf16" ? AMPC_DTYPE_BF16
                                               : AMPC_DTYPE_F16;
  header.has_scaler = stateOf.contains(AMPC_SCALAR_LOSS_SCALE) ||
                      (!options.lossScale.empty() && options.lossScale != "none");
  header.deterministic = options.deterministic;
  header.scale_floor =
      stateOf.contains(AMPC_SCALAR_LOSS_SCALE) ? float(options.lossScaleMin) : 0.0f;

  Blob blob;
  blob.append(&header, sizeof(header)); // filled in at the end
  header.strings = blob.append(strings);
  header.integers = blob.append(integers);
  header.tensors = blob.append(tensors);
  header.bindings = blob.append(bindings);
  header.programs = blob.append(programs);
  header.steps = blob.append(steps);
  header.waits = blob.append(waits);
  header.arguments = blob.append(arguments);
  header.kernels = blob.append(kernels);
  header.parameters = blob.append(parameters);
  for (auto [image, bytes] : llvm::zip(images, imageBytes))
    image.offset = blob.append(bytes.data(), bytes.size());
  header.images = blob.append(images);
  header.gradients = blob.append(gradients);
  header.values = blob.append(values);
  header.bytes = blob.buffer.size();
  header.identity = 0;
  std::memcpy(blob.buffer.data(), &header, sizeof(header));
  header.identity = llvm::xxh3_64bits(
      ArrayRef(reinterpret_cast<const uint8_t *>(blob.buffer.data()), blob.buffer.size()));
  std::memcpy(blob.buffer.data(), &header, sizeof(header));

  Tables tables;
  tables.bytes = std::move(blob.buffer);
  tables.weights.bytes = weightsBytes;
  tables.weights.write = [chunks = chunks](llvm::raw_ostream &os) -> llvm::Error {
    uint64_t position = 0;
    for (const Chunk &chunk : chunks) {
      os.write_zeros(chunk.offset - position);
      os.write(chunk.bytes.data(), chunk.bytes.size());
      position = chunk.offset + chunk.bytes.size();
      if (chunk.weight)
        chunk.weight->dropPages();
    }
    return llvm::Error::success();
  };
  return tables;
}
} // namespace

FailureOr<Tables> writeTables(ArrayRef<PlannedTarget> targets, const WeightStore &weights,
                              const CompileOptions &options, StringRef optimizer) {
  TableWriter writer(weights, options, optimizer);
  for (const PlannedTarget &target : targets)
    if (failed(writer.addTarget(target)))
      return failure();
  return writer.finish();
}
} // namespace ampc
