//===- AmpInterfaces.td - What an op says about itself -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Every pass speaks to ops through these interfaces and knows no op by name. To add an
// op is to answer them.

#ifndef AMPC_DIALECT_AMP_AMPINTERFACES_TD
#define AMPC_DIALECT_AMP_AMPINTERFACES_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def OnnxOpInterface : OpInterface<"OnnxOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    Ties an op to the ONNX operators that it stands for. The importer builds its table
    from the registered ops that implement this.
  }];
  let methods = [
    StaticInterfaceMethod<"The operators, with the opset versions understood.",
        "::llvm::ArrayRef<::ampc::OnnxName>", "getOnnxNames">,
    StaticInterfaceMethod<[{
        Builds what `node` computes at the builder's insertion point, with `node.loc`,
        and returns one value for each output of the node (null for one that is not
        used). On a user's mistake: one error through `node.emitError()`, then failure.
      }],
      "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>", "importNode",
      (ins "::ampc::OnnxNode &":$node, "::mlir::OpBuilder &":$builder)>,
  ];
}

def PrecisionOpInterface : OpInterface<"PrecisionOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    Tells in which precision an op computes, and so which types its operands get. The
    type of its results follows by type inference.
  }];
  let methods = [
    StaticInterfaceMethod<"The op's category in each list.",
        "::ampc::PrecisionRecord", "getPrecisionRecord">,
    InterfaceMethod<"What the op asks for operand `index`.",
        "::ampc::OperandPrecision", "getOperandPrecision", (ins "unsigned":$index), [{}],
        [{ return ::ampc::OperandPrecision::Computed; }]>,
  ];
}

def RangeOpInterface : OpInterface<"RangeOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    Tells what range the constants among its operands give an op's results (FloatRange), so
    that a mask or an epsilon is never cast to a type that does not hold it. The results of
    an op that says nothing have the ranges of all its float operands together: that keeps
    too much in f32 at worst.
  }];
  let methods = [
    InterfaceMethod<[{
        The range of the op's results, `operands[i]` being that of operand i: ordinary
        where that is no float.
      }],
      "::ampc::FloatRange", "inferRange",
      (ins "::llvm::ArrayRef<::ampc::FloatRange>":$operands)>
  ];
}

def GradientOpInterface : OpInterface<"GradientOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{ Lets an op write its own vector-Jacobian product. }];
  let methods = [
    InterfaceMethod<[{
        Reads the gradients of the results from `gradient` and sets those of the operands
        that `gradient.needs(i)`. An operand that is left unset gets no gradient.
      }],
      "void", "buildGradient", (ins "::ampc::GradientBuilder &":$gradient)>,
    InterfaceMethod<[{
        Whether a gradient can flow to operand `index` at all. Labels, indices, ratios
        and shapes say no; operands of integer type are never asked.
      }],
      "bool", "isDifferentiable", (ins "unsigned":$index), [{}], [{ return true; }]>,
  ];
}

def OperandUseOpInterface : OpInterface<"OperandUseOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    Tells what the operands are to the op. Where a model file does not say which of its
    initializers are parameters, the import decides by the places where they stand.
  }];
  let methods = [
    InterfaceMethod<"What operand `index` is to the op.",
        "::ampc::OperandUse", "getOperandUse", (ins "unsigned":$index)>,
    InterfaceMethod<[{
        Whether a tensor that is added to result 0, with one extent above 1, is a bias: the op
        is a layer's product.
      }],
      "bool", "takesBias", (ins), [{}], [{ return false; }]>,
  ];
}

def KernelOpInterface : OpInterface<"KernelOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{ Lets an op say what it computes, in linalg or as a library call. }];
  let methods = [
    InterfaceMethod<[{
        Emits the op's computation on `operands`, which have the op's operand types, and
        returns one value for each result, of the result's type.
      }],
      "::llvm::SmallVector<::mlir::Value>", "emitKernel",
      (ins "::ampc::KernelBuilder &":$kernel, "::mlir::ValueRange":$operands)>
  ];
}

def TrainingModeOpInterface : OpInterface<"TrainingModeOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{ An op that computes something else in training than in inference. }];
  let methods = [
    InterfaceMethod<[{
        Builds the op's inference form before the op and returns what replaces each of
        its results; null for a result that inference does not have.
      }],
      "::llvm::SmallVector<::mlir::Value>", "buildInference",
      (ins "::mlir::OpBuilder &":$builder)>
  ];
}

def BatchCheckOpInterface : OpInterface<"BatchCheckOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    An op that can meet a value in the batch that it must refuse. Its kernel never reads
    outside of a buffer because of it; the step is not applied and reports the flag.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the check: a rank-0 f32 tensor, 0 where the batch is good, else
        `getCheckFlag()`.
      }],
      "::mlir::Value", "buildCheck", (ins "::mlir::OpBuilder &":$builder)>,
    InterfaceMethod<"The AMPC_FLAG_* that the check raises.", "int64_t", "getCheckFlag">,
    InterfaceMethod<"What the check looks at: labels, indices.", "::mlir::Value",
                    "getCheckedValue">
  ];
}

def OptimizerOpInterface : OpInterface<"OptimizerOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    The update of one parameter: operands are the parameter, its gradient, the learning
    rate (f32, rank 0), the count of applied steps before this one (i64, rank 0), then the
    optimizer's state; results are the new parameter and the new state. State that parameters
    have in common is computed from itself and the step alone, so that all updates give the same.
  }];
  let methods = [
    StaticInterfaceMethod<"Names that `--optimizer` takes for this op.",
        "::llvm::ArrayRef<::llvm::StringRef>", "getOptimizerNames">,
    StaticInterfaceMethod<[{
        The settings that `optimizer`, one of the op's names, has: the learning rate first, then
        its own, with torch.optim's defaults. The command line gets a flag for each.
      }],
      "::llvm::SmallVector<::ampc::OptimizerSetting>", "getSettings",
      (ins "::llvm::StringRef":$optimizer)>,
    StaticInterfaceMethod<[{
        What is wrong with settings of which each is allowed by itself, "" where nothing is.
        Begins with the flag.
      }],
      "std::string", "checkSettings", (ins "const ::ampc::OptimizerSettings &":$settings),
      [{}], [{ return ""; }]>,
    StaticInterfaceMethod<[{
        The state that a parameter of type `parameter` has under `settings`: checkpoint kinds
        such as "exp_avg", with the value each element starts at.
      }],
      "::llvm::SmallVector<::ampc::OptimizerState>", "getOptimizerStates",
      (ins "const ::ampc::OptimizerSettings &":$settings,
           "::mlir::RankedTensorType":$parameter)>,
    StaticInterfaceMethod<"Builds the update; results as described above.",
        "::mlir::Operation *", "buildUpdate",
        (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
             "const ::ampc::OptimizerSettings &":$settings, "::mlir::Value":$parameter,
             "::mlir::Value":$gradient, "::mlir::Value":$learningRate,
             "::mlir::Value":$step, "::mlir::ValueRange":$states)>,
  ];
}

def LinearOpInterface : OpInterface<"LinearOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    Tells in which operands an op is linear. By that a loss scale is followed through a backward
    pass that a file spells out. An op that says nothing is linear in none.
  }];
  let methods = [
    InterfaceMethod<[{
        Whether every result is multiplied by a number where exactly the operands i with
        `scaled[i]`, of which there is one at least, are multiplied by it.
      }],
      "bool", "isLinearIn", (ins "::llvm::ArrayRef<bool>":$scaled)>
  ];
}

def RecoveryOpInterface : OpInterface<"RecoveryOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    An op that files also spell out with other ops. `amp-recover-patterns` collects the patterns
    of all registered ops; that pass and its place know none of them.
  }];
  let methods = [
    StaticInterfaceMethod<[{
        Adds patterns that put the op in the place of what spells it out. A pattern applies only
        where the op computes the same but for rounding and nothing else reads what lies between;
        the op's location is that of all it replaces, fused. It tells `log` what it put in, and
        why it did not where it nearly fits.
      }],
      "void", "getRecoveryPatterns",
      (ins "::mlir::RewritePatternSet &":$patterns, "::ampc::RecoveryLog &":$log)>
  ];
}

def LayoutOpInterface : OpInterface<"LayoutOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    An op that can compute on tensors whose dimensions lie in another order than the model file
    has them, as images with their channels last. An order is a permutation: dimension i as it
    lies in memory is dimension order[i] of the file. Where an order is asked for, empty means the
    file's. An op that does not answer reads and writes the file's order.
  }];
  let methods = [
    InterfaceMethod<[{
        The order that the op would choose, by what the target's libraries take; empty where it
        has no wish.
      }],
      "::llvm::SmallVector<int64_t>", "getPreferredOrder",
      (ins "const ::ampc::LibrarySupport &":$libraries), [{}], [{ return {}; }]>,
    InterfaceMethod<"How many dimensions an order of this op has.",
        "int64_t", "getOrderedRank">,
    InterfaceMethod<[{
        Whether the op computes in `order`, which has `getOrderedRank()` dimensions, with no
        transpose of its own.
      }],
      "bool", "computesIn", (ins "::llvm::ArrayRef<int64_t>":$order,
                                 "const ::ampc::LibrarySupport &":$libraries),
      [{}], [{ return true; }]>,
    InterfaceMethod<[{
        The order of operand `index` where the op computes in `order`. It may have more dimensions
        than the operand, which then gets leading ones first, as numpy adds them.
      }],
      "::llvm::SmallVector<int64_t>", "getOperandOrder",
      (ins "unsigned":$index, "::llvm::ArrayRef<int64_t>":$order)>,
    InterfaceMethod<"The order of result `index` where the op computes in `order`.",
        "::llvm::SmallVector<int64_t>", "getResultOrder",
        (ins "unsigned":$index, "::llvm::ArrayRef<int64_t>":$order)>,
    InterfaceMethod<[{
        Changes the attributes from the file's order to `order`. The types of operands and results
        have been changed.
      }],
      "void", "setOrder", (ins "::llvm::ArrayRef<int64_t>":$order)>
  ];
}

def MergeOpInterface : OpInterface<"MergeOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{
    An op that is one with others of its kind which read the same value: products of a matrix and
    several weights are a product of it and of the weights put together.
  }];
  let methods = [
    InterfaceMethod<[{
        The dimension along which operand `index` of the merged op is put together from those of the
        ops; nullopt for an operand that all of them have in common.
      }],
      "::std::optional<int64_t>", "getMergedDim", (ins "unsigned":$index)>,
    InterfaceMethod<[{
        The dimension along which the one result of the merged op is those of the ops, one behind
        the other.
      }],
      "int64_t", "getMergedResultDim">,
  ];
}

def JoinOpInterface : OpInterface<"JoinOpInterface"> {
  let cppNamespace = "::ampc";
  let description = [{ An op whose result is its operands, one behind the other. }];
  let methods = [InterfaceMethod<"The dimension along which they are.", "int64_t", "getJoinedDim">];
}

// Shorthands, so that an op's definition reads as a list of facts.

/// An ONNX operator by name, domain and the opset versions whose meaning is implemented.
class OnnxOperator<string name, int since = 1, int until = 28, string domain = "",
                   string takesSequences = "false", string weights = "",
                   string inference = "0, 0, {}"> {
  string text = "{\"" # name # "\", \"" # domain # "\", " # since # ", " # until # ", " #
                takesSequences # ", \"" # weights # "\", " # inference # "}";
}
/// One that computes something else in training; see OnnxName for how its nodes are in inference.
class OnnxTrainingOperator<string name, int inputs, int outputs, string attribute = "">
    : OnnxOperator<name, 1, 28, "", "false", "",
                   inputs # ", " # outputs # ", \"" # attribute # "\"">;
/// One of scikit-learn's exporter; `weights` are attributes that are trained, with commas between.
class OnnxEstimator<string name, string weights = "">
    : OnnxOperator<name, 1, 5, "ai.onnx.ml", "false", weights>;
/// One whose inputs may be sequences.
class OnnxSequenceOperator<string name, int since = 1>
    : OnnxOperator<name, since, 28, "", "true">;
class OnnxNamesTrait<list<OnnxOperator> operators, code more = "">
    : NativeOpTrait<"OnnxNames", [], [{
        static ::llvm::ArrayRef<::ampc::OnnxName> getOnnxNames() {
          static const ::ampc::OnnxName names[] = { }] #
          !interleave(!foreach(o, operators, o.text), ", ") # [{ };
          return names;
        }
      }] # more> {
  let cppNamespace = "::ampc";
}
/// Claims ONNX operators; the op defines `importNode` itself.
class Onnx<list<OnnxOperator> operators>
    : TraitList<[OnnxNamesTrait<operators, [{
        static ::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>
        importNode(::ampc::OnnxNode &node, ::mlir::OpBuilder &builder);
      }]>, OnnxOpInterface]>;
def ImportedByOperands : NativeOpTrait<"ImportedByOperands"> {
  let cppNamespace = "::ampc";
}
/// Claims ONNX operators whose inputs are the op's operands, one to one, and which have
/// no attributes: the import is the op's inferred-type builder.
class OnnxSimple<list<OnnxOperator> operators>
    : TraitList<[OnnxNamesTrait<operators>, ImportedByOperands, OnnxOpInterface]>;

class HasPrecision<string f16, string bf16, string pytorch>
    : ParamNativeOpTrait<"HasPrecision", "::ampc::Precision::" # f16 #
          ", ::ampc::Precision::" # bf16 # ", ::ampc::Precision::" # pytorch> {
  let cppNamespace = "::ampc";
}
/// The category in the balanced list for f16; those for bf16 and in PyTorch's list where
/// they differ.
class Computes<string f16, string pytorch = f16, string bf16 = f16>
    : TraitList<[HasPrecision<f16, bf16, pytorch>, PrecisionOpInterface]>;

class HasOperandUses<list<string> uses>
    : ParamNativeOpTrait<"HasOperandUses", !interleave(
          !foreach(use, uses, "::ampc::OperandUse::" # use), ", ")> {
  let cppNamespace = "::ampc";
}
/// What the operands are to the op, in their order; the last holds for all that follow.
class Uses<list<string> uses>
    : TraitList<[HasOperandUses<uses>, OperandUseOpInterface]>;
/// The op answers `getOperandUse` itself.
def UsesByOp : TraitList<[DeclareOpInterfaceMethods<OperandUseOpInterface>]>;

def Ranged : TraitList<[DeclareOpInterfaceMethods<RangeOpInterface>]>;
def OrdinaryRange : NativeOpTrait<"OrdinaryRange"> {
  let cppNamespace = "::ampc";
}
/// The results are ordinary whatever the operands hold: softmax, tanh, a normalization.
def Absorbs : TraitList<[OrdinaryRange, RangeOpInterface]>;

def Gradient : TraitList<[DeclareOpInterfaceMethods<GradientOpInterface>]>;
/// A gradient that some operands never get: the op defines `isDifferentiable` as well.
def PartialGradient : TraitList<[
    DeclareOpInterfaceMethods<GradientOpInterface, ["isDifferentiable"]>]>;
def Kernel : TraitList<[DeclareOpInterfaceMethods<KernelOpInterface>]>;
def Recovery : TraitList<[DeclareOpInterfaceMethods<RecoveryOpInterface>]>;

class LinearTrait<string rule> : NativeOpTrait<rule> {
  let cppNamespace = "::ampc";
}
/// Linear in all float operands together: sums, and what only moves elements.
def LinearInAll : TraitList<[LinearTrait<"LinearInAll">, LinearOpInterface]>;
/// Linear in each of the first two operands, together with those that are added to the product.
def LinearInFactors : TraitList<[LinearTrait<"LinearInFactors">, LinearOpInterface]>;
/// Linear in the first operand alone.
def LinearInFirst : TraitList<[LinearTrait<"LinearInFirst">, LinearOpInterface]>;
/// The op answers `isLinearIn` itself.
def LinearByOp : TraitList<[DeclareOpInterfaceMethods<LinearOpInterface>]>;

class LayoutTrait<string rule> : NativeOpTrait<rule> {
  let cppNamespace = "::ampc";
}
/// Computes in any order, the same for all operands and results: elements at one place, after
/// operands are broadcast.
def AnyOrder : TraitList<[LayoutTrait<"AnyOrder">, LayoutOpInterface]>;
/// The same along the attribute `axis`, which moves.
def AnyOrderAlongAxis : TraitList<[LayoutTrait<"AnyOrderAlongAxis">, LayoutOpInterface]>;
/// The same along the attribute `axes`, which the result lacks where there is no `keepdims`.
def AnyOrderAlongAxes : TraitList<[LayoutTrait<"AnyOrderAlongAxes">, LayoutOpInterface]>;
/// The same with `starts`, `sizes` and `steps` that have a number for each dimension.
def AnyOrderOfSteps : TraitList<[LayoutTrait<"AnyOrderOfSteps">, LayoutOpInterface]>;
/// The op answers LayoutOpInterface itself.
def LayoutByOp : TraitList<[DeclareOpInterfaceMethods<LayoutOpInterface>]>;
/// The same for an op that does not take every order, or prefers one.
def PartialLayout : TraitList<[
    DeclareOpInterfaceMethods<LayoutOpInterface, ["getPreferredOrder", "computesIn"]>]>;

/// The result is the sum of the operands, rounded to their type.
def AddsOperands : NativeOpTrait<"AddsOperands"> {
  let cppNamespace = "::ampc";
}
/// Among the operands are gradients of parameters, summed and final: the op clips or checks
/// them, or updates a parameter with them.
def ReadsGradients : NativeOpTrait<"ReadsGradients"> {
  let cppNamespace = "::ampc";
}

/// What the op computes are probabilities, not scores: losses on scores are told so.
def GivesProbabilities : NativeOpTrait<"GivesProbabilities"> {
  let cppNamespace = "::ampc";
}

/// Takes operands of types that are only stored (StoredTypes.h): it moves, chooses or casts them.
def TakesStoredTypes : NativeOpTrait<"TakesStoredTypes"> {
  let cppNamespace = "::ampc";
}

/// Divides by a mean or variance of its input: what users mean by a norm.
def Normalizes : NativeOpTrait<"Normalizes"> {
  let cppNamespace = "::ampc";
}

#endif // AMPC_DIALECT_AMP_AMPINTERFACES_TD
