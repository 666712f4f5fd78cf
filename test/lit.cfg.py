# Configuration of the lit suites. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import os
import sys

import lit.formats

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "Device"))
import cuda_driver  # noqa: E402

config.name = "ampc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "CMakeLists.txt", "recordings", "corpus"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.ampc_build, "test", "lit")

# A CHECK variable dies at the next CHECK-LABEL.
config.environment["FILECHECK_OPTS"] = "-enable-var-scope"
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "AMPC_CUDA_DRIVER", "AMPC_CUBLASLT", "AMPC_CUDNN"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

path = [os.path.join(config.ampc_build, "bin"), config.llvm_tools, os.environ["PATH"]]
config.environment["PATH"] = os.pathsep.join(path)

# AMPC_CHECK_ROUNDTRIP=1 turns every run of ampc-opt into a test of printer and parser.
if os.environ.get("AMPC_CHECK_ROUNDTRIP"):
    config.substitutions.append((r"\bampc-opt\b", "ampc-opt --verify-roundtrip"))
config.substitutions.append(("%examples", os.path.join(config.ampc_source, "examples")))
config.substitutions.append(("%python", config.python))
config.substitutions.append(
    ("%onnx", config.python + " " + os.path.join(config.ampc_source, "utils/onnx/make_model.py"))
)
if config.have_ptxas:
    config.available_features.add("ptxas")

# Device/: the numeric tests on a GPU. AMPC_TEST_CUDA=0 or 1 says whether there is one;
# stand-in runs them without.
if cuda_driver.is_available() and not os.environ.get("AMPC_CHECK_ROUNDTRIP"):
    config.available_features.add("cuda")
device = "--device=cuda"
if os.environ.get("AMPC_TEST_CUDA") == "stand-in":
    device += " --stand-in=" + config.ampc_build
else:
    if cublaslt := cuda_driver.find_cublaslt():
        config.environment["AMPC_CUBLASLT"] = cublaslt
    if cudnn := cuda_driver.find_cudnn():
        config.environment["AMPC_CUDNN"] = cudnn
config.substitutions.append(("%device", device))
config.substitutions.append(("%build", config.ampc_build))
