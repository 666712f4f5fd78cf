//===- Pipelines.cpp - From kernels to the llvm and nvvm dialects ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

#include "KernelBody.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void ampc::registerTargetDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, gpu::GPUDialect,
                  LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect, nvgpu::NVGPUDialect,
                  NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
  // convert-gpu-to-nvvm asks each dialect for its patterns.
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  index::registerConvertIndexToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  registerConvertNVVMToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  NVVM::registerConvertGpuToNVVMInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

void ampc::registerTargetPasses() {
  registerAmpcTargetPasses();
  PassPipelineRegistration<>("ampc-lower-host-kernels",
                             "Kernels with the host schedule to the llvm dialect",
                             [](OpPassManager &pm) { buildHostKernelLowering(pm); });
  PassPipelineRegistration<>("ampc-lower-simt-kernels",
                             "Kernels with the device schedule to the llvm dialect",
                             [](OpPassManager &pm) { buildSimtKernelLowering(pm); });
  struct Options : PassPipelineOptions<Options> {
    Option<bool> use32BitIndices{*this, "use-32-bit-indices",
                                 llvm::cl::desc("Compute indices in 32 bits")};
    Option<bool> approximateMath{*this, "approximate-math",
                                 llvm::cl::desc("Expand functions, for want of libdevice")};
  };
  PassPipelineRegistration<Options>(
      "ampc-lower-device-kernels", "Kernels with the device schedule to the nvvm dialect",
      [](OpPassManager &pm, const Options &options) {
        buildDeviceKernelLowering(pm, {options.use32BitIndices, options.approximateMath});
      });
}

namespace ampc {
namespace {

/// From functions on memrefs to the llvm dialect of the host; `isDevice` where they stand in for
/// a device's, and compute as it does.
void buildHostLowering(OpPassManager &pm, bool hasF16, bool isDevice = false) {
  // Approximations before the narrow types: f16 math becomes f32 math with
  // casts.
  pm.addPass(createApproximateMath());
  pm.addPass(createExpandNarrowFloats({hasF16}));
  pm.addPass(createExpandDivisions({/*byConstants=*/isDevice}));
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass()); // what the expansion makes of offsets
  pm.addPass(createSCFToControlFlowPass());
  ConvertVectorToLLVMPassOptions vector;
  vector.reassociateFPReductions = true; // a device adds in a tree as well
  pm.addPass(createConvertVectorToLLVMPass(vector));
  pm.addPass(createLowerHostMath()); // before the next one expands what it should not
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass()); // what has no LLVM intrinsic
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions func;
  func.useBarePtrCallConv = true; // as a device is called
  pm.addPass(createConvertFuncToLLVMPass(func));
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createKeepLoopAnnotations());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createStoreBf16AsBits());
  pm.addPass(createVerifyLowered());
}

} // namespace

void buildHostKernelLowering(OpPassManager &pm, bool hasF16) {
  pm.addPass(createConvertHostKernels());
  pm.addPass(createCanonicalizerPass(kernelRewriteConfig()));
  buildHostLowering(pm, hasF16);
}

void buildSimtKernelLowering(OpPassManager &pm, bool hasF16) {
  pm.addPass(createLowerGpuReductions());
  pm.addPass(createConvertGpuToHost());
  pm.addPass(createCanonicalizerPass(kernelRewriteConfig()));
  buildHostLowering(pm, hasF16, /*isDevice=*/true);
}

void buildDeviceKernelLowering(OpPassManager &pm, const DeviceLoweringOptions &options) {
  OpPassManager &gpu = pm.nest<gpu::GPUModuleOp>();
  gpu.addPass(createLowerGpuReductions());
  if (options.approximateMath) {
    gpu.addPass(createApproximateMath());
    math::MathExpandOpsPassOptions expand;
    expand.opMnemonics = {"rsqrt"};
    gpu.addPass(math::createMathExpandOpsPass(expand));
  }
  gpu.addPass(createExpandDivisions({/*byConstants=*/true}));
  gpu.addPass(createLowerDeviceMath());
  gpu.addPass(memref::createExpandStridedMetadataPass());
  gpu.addPass(createLowerAffinePass());
  gpu.addPass(createSCFToControlFlowPass());
  gpu.addPass(createLowerTensorCores({options.use32BitIndices ? 32u : 64u}));
  ConvertGpuOpsToNVVMOpsOptions nvvm;
  nvvm.useBarePtrCallConv = true;
  nvvm.indexBitwidth = options.use32BitIndices ? 32 : 64;
  gpu.addPass(createConvertGpuOpsToNVVMOps(nvvm));
  gpu.addPass(createCanonicalizerPass(kernelRewriteConfig()));
  gpu.addPass(createCSEPass());
  gpu.addPass(createReconcileUnrealizedCastsPass());
  gpu.addPass(createVerifyLowered());
}

} // namespace ampc
