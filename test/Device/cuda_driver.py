"""What the CUDA driver of this machine says, by ctypes: no toolkit and no package is needed.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import ctypes
import glob
import os
import sysconfig

CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76


class Error(Exception):
    """There is no driver, or no device that it can open."""


def driver() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(os.environ.get("AMPC_CUDA_DRIVER") or "libcuda.so.1")
    except OSError as error:
        raise Error(str(error)) from None


def check(result: int, what: str) -> None:
    if result:
        raise Error(f"{what} gives {result}")


def describe() -> dict:
    """Name, capability and count of the devices, of the first one, and the driver's version."""
    cuda, value = driver(), ctypes.c_int()
    check(cuda.cuInit(0), "cuInit")
    check(cuda.cuDeviceGetCount(ctypes.byref(value)), "cuDeviceGetCount")
    count = value.value
    if count == 0:
        raise Error("the driver shows no device")
    device, name = ctypes.c_int(), ctypes.create_string_buffer(100)
    check(cuda.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet")
    check(cuda.cuDeviceGetName(name, len(name), device), "cuDeviceGetName")
    capability = []
    for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
        check(cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device),
              "cuDeviceGetAttribute")
        capability.append(value.value)
    check(cuda.cuDriverGetVersion(ctypes.byref(value)), "cuDriverGetVersion")
    return {"gpu": name.value.decode(), "devices": count,
            "capability": "{}.{}".format(*capability),
            "driver_cuda": f"{value.value // 1000}.{value.value % 1000 // 10}"}


def is_available() -> bool:
    """AMPC_TEST_CUDA=0 or 1 answers in the driver's place."""
    told = os.environ.get("AMPC_TEST_CUDA")
    if told:
        return told != "0"
    try:
        return bool(describe())
    except Error:
        return False


def find_library(variable: str, *names: str) -> str:
    """What the variable names, or a library of the system or a Python package; empty where none is."""
    if told := os.environ.get(variable):
        return told
    for name in names:
        try:
            ctypes.CDLL(name)
            return name
        except OSError:
            pass
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for name in names:
            if found := glob.glob(os.path.join(folder, "nvidia", "*", "lib", name)):
                return found[0]
    return ""


def find_cublaslt() -> str:
    return find_library("AMPC_CUBLASLT", "libcublasLt.so.13", "libcublasLt.so.12")


def find_cudnn() -> str:
    return find_library("AMPC_CUDNN", "libcudnn.so.9")
